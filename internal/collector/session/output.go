package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
)

// name is what the log is called.
const name = "sshd_session"

// output is the log. What goes there stands in the journal first, with the place where
// it goes, so that the next run knows how much of it was written.
type output struct {
	file  *logfile.File
	dir   *logfile.Dir
	table *eventlog.Table
	most  int64 // at which it is rotated, 0 for never
	safe  bool  // before it is closed it is made safe on the disk
}

// place is where lines go: a file, by its number, and a position in it.
type place struct {
	inode, at uint64
}

// ready opens the file, or another one if n bytes would be too much for it, and returns
// where the next lines go and what comes before them.
func (o *output) ready(n int) (at place, opening []byte, err error) {
	if err := o.file.Open(); err != nil {
		return place{}, nil, err
	}
	if o.most > 0 && o.file.Size() > 0 && o.file.Size()+int64(n) > o.most {
		if err := o.rotate(); err != nil {
			return place{}, nil, err
		}
		if err := o.file.Open(); err != nil {
			return place{}, nil, err
		}
	}
	inode, err := o.file.Handle().Inode()
	if o.file.Size() == 0 {
		opening = o.table.Opening(o.dir.Now())
	}
	return place{inode, uint64(o.file.Size())}, opening, err
}

// rotate puts the file away.
func (o *output) rotate() error {
	if err := o.conclude(); err != nil {
		return err
	}
	h, _, err := o.file.Rotate()
	if err != nil || h == nil {
		return err
	}
	return o.shut(h)
}

// shut closes a file that nothing is written to any more.
func (o *output) shut(h *logfile.Handle) (err error) {
	if o.safe {
		err = h.Sync()
	}
	return errors.Join(err, h.Close())
}

// conclude writes what comes after the last line, as long as the file is open.
func (o *output) conclude() error {
	if !o.file.Opened() || o.file.Size() == 0 {
		return nil
	}
	return o.file.Append(o.table.Closing(o.dir.Now()))
}

// close ends the log.
func (o *output) close() error {
	err := o.conclude()
	h := o.file.Retire()
	if h == nil {
		return err
	}
	return errors.Join(err, o.shut(h))
}

// complete writes what is missing of the lines that an earlier run was to write at a
// place. If the file is not there any more, or something else is, it returns the lines.
func complete(root *os.Root, at place, lines []byte) (missing []byte, err error) {
	file, err := find(root, at.inode)
	if err != nil || file == nil {
		return lines, err
	}
	defer file.Close()
	there := make([]byte, len(lines))
	n, err := file.ReadAt(there, int64(at.at))
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("completing %s: %w", file.Name(), err)
	}
	if !bytes.HasPrefix(lines, there[:n]) {
		return lines, nil
	}
	if n == len(lines) {
		return nil, nil
	}
	if _, err := file.WriteAt(lines[n:], int64(at.at)+int64(n)); err != nil {
		return nil, fmt.Errorf("completing %s: %w", file.Name(), err)
	}
	return nil, nil
}

// find opens the log of that number, also if it was rotated, or returns nil.
func find(root *os.Root, inode uint64) (*os.File, error) {
	folder, err := root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("looking for %s.log: %w", name, err)
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("looking for %s.log: %w", name, err)
	}
	for _, n := range names {
		if !strings.HasPrefix(n, name+".") || n == journalName || n == nextName {
			continue
		}
		var st unix.Stat_t
		if unix.Fstatat(int(folder.Fd()), n, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Ino != inode || st.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		file, err := root.OpenFile(n, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("completing %s: %w", n, err)
		}
		return file, nil
	}
	return nil, nil
}
