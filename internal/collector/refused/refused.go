// Package refused writes down the events that a peer refuses again and again, so
// that they can be looked at. It imports the lines of package eventlog.
package refused

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/descriptor"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// maxBytes is how large the file may become before it is put aside as NAME.1, in
// the place of an older one.
const maxBytes = 8 << 20

// File is such a file; nil writes nothing. Its folder is opened at the beginning:
// a program may give up the right to that, or its root.
type File struct {
	mu     sync.Mutex
	folder *descriptor.File // nil: appending has the file
	name   string
	max    int64

	appending func(path string) (*os.File, error)
}

// Open makes ready to write to the file of that path, which is made when there is
// something to be written.
func Open(path string) (*File, error) {
	folder, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("file of refused events: %w", err)
	}
	return &File{folder: descriptor.Keep(folder), name: filepath.Base(path), max: maxBytes}, nil
}

// OpenBy is the same for a process that can open the file by that function alone. It then
// does not put the file aside: what is beyond its size is refused.
func OpenBy(path string, appending func(path string) (*os.File, error)) *File {
	return &File{name: path, max: maxBytes, appending: appending}
}

// Add writes one line, and returns when it is on the disk.
func (f *File) Add(peer string, why error, ev *event.Event) error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if l := line(peer, why, ev); f.folder == nil {
		err = f.append(l)
	} else {
		err = f.folder.Use(func(folder *os.File) error { return f.add(int(folder.Fd()), l) })
	}
	if err != nil {
		return fmt.Errorf("file of refused events %s: %w", f.name, err)
	}
	return nil
}

// line is a JSON object: the line of the event, with when and why it was refused.
func line(peer string, why error, ev *event.Event) []byte {
	b := strconv.AppendFloat([]byte(`{"time":`), float64(time.Now().UnixMilli())/1e3, 'f', 3, 64)
	b = eventlog.AppendText(append(b, `,"reason":`...), why.Error())
	b, _ = eventlog.JSON(append(b, `,"refused":`...), ev, eventlog.Peer{Addr: peer}, nil, 0)
	return append(b, "}\n"...)
}

var errFull = errors.New("it is full: put it aside")

func (f *File) append(line []byte) error {
	out, err := f.appending(f.name)
	if err != nil {
		return err
	}
	defer out.Close()
	st, err := out.Stat()
	if err == nil && st.Size()+int64(len(line)) > f.max {
		return errFull
	}
	_, err = out.Write(line)
	return errors.Join(err, out.Sync())
}

func (f *File) add(folder int, line []byte) error {
	out, err := f.open(folder)
	if err != nil {
		return err
	}
	st, err := out.Stat()
	if err == nil && st.Size() > 0 && st.Size()+int64(len(line)) > f.max {
		_ = out.Close()
		if out, err = f.anew(folder); err != nil {
			return err
		}
	}
	_, err = out.Write(line)
	return errors.Join(err, out.Sync(), out.Close())
}

// open opens the file: events may hold passwords, so that it is for its owner alone.
func (f *File) open(folder int) (*os.File, error) {
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(folder, f.name, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.name), nil
}

// anew puts the file aside, and begins another one.
func (f *File) anew(folder int) (*os.File, error) {
	if err := unix.Renameat(folder, f.name, folder, f.name+".1"); err != nil {
		return nil, err
	}
	return f.open(folder)
}

// Close closes what Open has opened.
func (f *File) Close() {
	if f != nil && f.folder != nil {
		_ = f.folder.Close()
	}
}
