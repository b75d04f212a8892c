// Package logfile keeps the files of a log folder: appends to them whole or not
// at all, rotates them under names with a time, and makes them safe on disk. It
// knows nothing of what is in them, and imports nothing of this project.
package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	fileMode = 0o640
	dirMode  = 0o750
	suffix   = ".log"
	// timeFormat is how Zeek writes times in names and headers.
	timeFormat = "2006-01-02-15-04-05"
)

// Time returns t as it stands in the names of rotated files.
func Time(t time.Time) string { return t.Format(timeFormat) }

// Naming is what rotated files are called.
type Naming string

// The names.
const (
	// TimeLast does not match *.log, so that a program which follows the logs does
	// not read a rotated one anew.
	TimeLast Naming = "NAME.log.TIME"
	// TimeBetween is Zeek's, and how it was at first.
	TimeBetween Naming = "NAME.TIME.log"
)

// rotated returns what the nth of the files of one name and time is called.
func (n Naming) rotated(base string, begun time.Time, nth int) string {
	stamp := Time(begun)
	if nth > 0 {
		stamp = fmt.Sprintf("%s-%d", stamp, nth)
	}
	if n == TimeBetween {
		return base + "." + stamp + suffix
	}
	return base + suffix + "." + stamp
}

// Dir is a folder that no other process writes logs to.
type Dir struct {
	// Naming may be set before anything is rotated; the default is TimeLast.
	Naming Naming

	path string
	root *os.Root // names cannot lead out of it
	self *os.File // holds the lock; what Sync is called on
	now  func() time.Time
	// changed says that names have been added, or have changed, since Sync.
	changed atomic.Bool
}

// OpenDir makes the folder if it is missing, and takes it for this process. now
// may be nil.
func OpenDir(path string, now func() time.Time) (*Dir, error) {
	if now == nil {
		now = time.Now
	}
	if err := os.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the log folder: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening the log folder: %w", err)
	}
	self, err := root.Open(".")
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("opening the log folder: %w", err)
	}
	d := &Dir{path: path, root: root, self: self, now: now}
	// Some network file systems have no locks for folders: then nobody checks.
	if err := unix.Flock(int(self.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		_ = d.Close()
		return nil, fmt.Errorf("log folder %s: another process writes to it", path)
	}
	return d, nil
}

// Now returns the time by the clock of the folder.
func (d *Dir) Now() time.Time { return d.now() }

// Sync returns when the names of the files are safe on disk.
func (d *Dir) Sync() error {
	if !d.changed.Swap(false) {
		return nil
	}
	if err := d.self.Sync(); err != nil {
		d.changed.Store(true)
		return fmt.Errorf("making log folder %s safe: %w", d.path, err)
	}
	return nil
}

// Close gives the folder up. Its files have been closed before.
func (d *Dir) Close() error {
	return errors.Join(d.self.Close(), d.root.Close())
}

// begun returns when a file was made, or last written where that is not known.
func (d *Dir) begun(name string, info fs.FileInfo) time.Time {
	var st unix.Statx_t
	err := unix.Statx(int(d.self.Fd()), name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME, &st)
	if err == nil && st.Mask&unix.STATX_BTIME != 0 {
		return time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
	}
	return info.ModTime()
}

// putAway renames a file to that of a rotated one, and never onto another one.
func (d *Dir) putAway(base string, begun time.Time) error {
	var to string
	for n := 0; ; n++ {
		to = d.Naming.rotated(base, begun, n)
		if _, err := d.root.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return fmt.Errorf("rotating log %s/%s%s: %w", d.path, base, suffix, err)
		}
	}
	if err := d.root.Rename(base+suffix, to); err != nil {
		return fmt.Errorf("rotating log %s/%s%s: %w", d.path, base, suffix, err)
	}
	d.changed.Store(true)
	return nil
}
