package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// File is the log BASE.log of a folder. It is not for concurrent use.
type File struct {
	dir   *Dir
	base  string
	open  *Handle // nil while it is closed
	size  int64   // of whole lines
	torn  bool    // behind them stands a part of what could not be written
	begun time.Time
	ours  bool // it was opened before: what is there is of this run
}

// File returns the log of that name, which has to be sound as a file's. Nothing
// is opened yet.
func (d *Dir) File(base string) *File { return &File{dir: d, base: base} }

func (f *File) name() string { return f.base + suffix }
func (f *File) path() string { return f.dir.path + "/" + f.name() }

// Opened reports whether the file takes up a descriptor.
func (f *File) Opened() bool { return f.open != nil }

// Size returns how much is in the file. It must have been opened.
func (f *File) Size() int64 { return f.size }

// Open makes the file ready to be written. What an earlier run has left there is
// put away first.
func (f *File) Open() error {
	if f.open != nil {
		return nil
	}
	if !f.ours {
		if err := f.putAwayOld(); err != nil {
			return err
		}
	}
	file, err := f.dir.root.OpenFile(f.name(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("opening log %s: %w", f.path(), f.mendable(err))
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("opening log %s: %w", f.path(), err)
	}
	f.torn = f.torn && info.Size() > f.size
	if !f.torn {
		f.size = info.Size()
	}
	if f.size == 0 || !f.ours {
		f.begun = f.dir.now()
	}
	if f.size == 0 {
		f.dir.changed.Store(true)
	}
	f.open, f.ours = &Handle{file}, true
	return nil
}

// putAwayOld renames what an earlier run has left. A line that was cut off is
// taken out: nobody was told that it had been written.
func (f *File) putAwayOld() error {
	info, err := f.dir.root.Lstat(f.name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening log %s: %w", f.path(), err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("log %s is not a regular file: move it away", f.path())
	}
	if info.Size() == 0 {
		return nil
	}
	whole, err := f.cutTorn(info.Size())
	if err != nil {
		return fmt.Errorf("mending log %s: %w", f.path(), err)
	}
	if whole == 0 {
		return nil
	}
	return f.dir.putAway(f.base, f.dir.begun(f.name(), info))
}

// cutTorn shortens the file to its whole lines, and returns their size.
func (f *File) cutTorn(size int64) (whole int64, err error) {
	file, err := f.dir.root.OpenFile(f.name(), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	buf := make([]byte, 64<<10)
	for end := size; end > 0 && whole == 0; {
		from := max(0, end-int64(len(buf)))
		part := buf[:end-from]
		if _, err := file.ReadAt(part, from); err != nil && err != io.EOF {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			whole = from + int64(i) + 1
		}
		end = from
	}
	if whole == size {
		return whole, nil
	}
	return whole, file.Truncate(whole)
}

// Append writes p to the open file: all of it or, with an error, nothing.
func (f *File) Append(p []byte) error {
	if err := f.cutBack(); err != nil {
		return err
	}
	n, err := f.open.file.Write(p)
	if err == nil {
		f.size += int64(n)
		return nil
	}
	err = fmt.Errorf("writing log %s: %w", f.path(), f.mendable(err))
	if f.torn = n > 0; !f.torn {
		return err
	}
	if cut := f.cutBack(); cut != nil {
		err = fmt.Errorf("%w; and the part that was written stays until there is more to write: %w", err, cut)
	}
	return err
}

// cutBack takes out what was written in part. That may want room itself, on a file
// system that never writes twice to the same place.
func (f *File) cutBack() error {
	if !f.torn {
		return nil
	}
	if err := f.truncate(); err != nil {
		return fmt.Errorf("cutting log %s back to its whole lines: %w", f.path(), f.mendable(err))
	}
	f.torn = false
	return nil
}

// truncate shortens the file to its whole lines, also while it is closed. Whatever
// someone else has put in its place then, or left shorter, is not torn by us.
func (f *File) truncate() error {
	if f.open != nil {
		return f.open.file.Truncate(f.size)
	}
	there, err := f.dir.root.Lstat(f.name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !there.Mode().IsRegular() || there.Size() <= f.size {
		return err
	}
	file, err := f.dir.root.OpenFile(f.name(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(f.size), file.Close())
}

// mendable is Dir.Mendable.
func (f *File) mendable(err error) error { return f.dir.Mendable(err) }

// Mendable adds to an error of a file in the folder what can be done, and leaves out the
// name of the file, which the caller says.
func (d *Dir) Mendable(err error) error {
	how := ""
	switch {
	case errors.Is(err, unix.ENOSPC):
		how = "make room on the file system of " + d.path
	case errors.Is(err, unix.EDQUOT):
		how = "the quota on the file system of " + d.path + " is used up"
	case errors.Is(err, unix.EFBIG):
		how = "rotate by size, or raise RLIMIT_FSIZE"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EROFS):
		how = "make " + d.path + " writable for this user"
	default:
		return bare(err)
	}
	return fmt.Errorf("%w (%s)", bare(err), how)
}

// bare returns an error without the name of the file, which is said already.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Handle returns the open file, or nil.
func (f *File) Handle() *Handle { return f.open }

// Retire gives the open file to the caller, who closes it. A later Open goes on
// with the same one.
func (f *File) Retire() *Handle {
	h := f.open
	f.open = nil
	return h
}

// Rotate renames the file to a name with the time when it was begun, and retires it,
// if it was open; the next Open begins a new one. If someone else has moved the file
// away, that was the rotation. moved reports whether there was anything to rotate. With
// an error the file stays as it is.
func (f *File) Rotate() (h *Handle, moved bool, err error) {
	if !f.ours {
		return nil, false, nil
	}
	if err := f.cutBack(); err != nil {
		return nil, false, err
	}
	there, err := f.dir.root.Lstat(f.name())
	gone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !gone {
		return nil, false, fmt.Errorf("rotating log %s: %w", f.path(), err)
	}
	if f.open != nil && !gone {
		own, err := f.open.file.Stat()
		if err != nil {
			return nil, false, fmt.Errorf("rotating log %s: %w", f.path(), err)
		}
		gone = !os.SameFile(own, there)
	}
	if !gone && there.Size() > 0 {
		if err := f.dir.putAway(f.base, f.begun); err != nil {
			return nil, false, err
		}
		return f.Retire(), true, nil
	}
	h, f.torn = f.Retire(), false
	return h, gone && h != nil, nil
}
