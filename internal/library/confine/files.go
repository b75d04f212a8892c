package confine

import (
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/regular"
)

// maxFile bounds each file that is read.
const maxFile = 4 << 20

// appendMode is of files that are made: readers of statistics are in its group.
const appendMode = 0o640

// Files are those that were granted; nil has all that the process can open.
type Files struct {
	Report Report

	kept    map[string]kept
	appends map[string]*os.File
	pins    []int // descriptors
}

// kept is what was read at the start.
type kept struct {
	bytes    []byte
	err      error
	dev, ino uint64
}

// open reads and opens. What cannot be is an error of Read and Append: the core is of use
// without a certificate that is not there.
func open(grants []Grant) *Files {
	f := &Files{kept: map[string]kept{}, appends: map[string]*os.File{}}
	for _, path := range names {
		f.kept[path] = look(path)
	}
	for _, g := range grants {
		switch g.Mode {
		case Read:
			k := look(g.Path)
			k.bytes, k.err = read(g.Path)
			f.kept[g.Path] = k
		case Append:
			if file, err := appendTo(g.Path); err == nil {
				f.appends[g.Path] = file
			}
		}
	}
	return f
}

func look(path string) (k kept) {
	var st unix.Stat_t
	if k.err = unix.Stat(path, &st); k.err == nil {
		k.dev, k.ino = st.Dev, st.Ino
	}
	return k
}

// Read returns what is in a file: now, if it can be read, or else at the start.
func (f *Files) Read(path string) ([]byte, error) {
	b, err := read(path)
	if err == nil || f == nil {
		return b, err
	}
	if k, ok := f.kept[path]; ok && k.err == nil && k.bytes != nil {
		return slices.Clone(k.bytes), nil
	}
	return nil, err
}

// Stale returns the files that were replaced by others since the start and cannot be read
// any more: a new process could. Those of name resolution are among them.
func (f *Files) Stale() (paths []string) {
	if f == nil {
		return nil
	}
	for path, then := range f.kept {
		now := look(path)
		if now.err != nil || now.dev == then.dev && now.ino == then.ino {
			continue
		}
		if file, err := regular.Open(path); err == nil {
			_ = file.Close()
			continue
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

func read(path string) ([]byte, error) {
	file, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	return b, nil
}

// Append opens a file for appending, so that it can be rotated; where that is not possible
// any more, what was opened at the start. The caller closes it.
func (f *Files) Append(path string) (*os.File, error) {
	file, err := appendTo(path)
	if err == nil || f == nil {
		return file, err
	}
	first, ok := f.appends[path]
	if !ok {
		return nil, err
	}
	n, err := unix.FcntlInt(first.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return os.NewFile(uintptr(n), path), nil
}

func appendTo(path string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	return os.OpenFile(path, flags, appendMode)
}
