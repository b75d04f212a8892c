package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/descriptor"
	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
)

// Names of folders (capi/spool.c).
const (
	complete   = "broccoli-"
	unfinished = ".unfinished-"
)

// Orphan is what a process has left that is no more.
type Orphan struct {
	*Log
	// Ring is what the process had accepted and not put into the log, from
	// Tail on; nil when there is nothing, or nothing that can be trusted.
	Ring *ring.Ring
	Tail uint64

	lock *descriptor.File
	file *mapping
}

// Adopt locks and opens the first orphan in dir that holds events for that
// peer from that class; nil when there is none. Folders of other users are
// left alone, and so are those in use here, by the names of the folders: the host may
// have closed their locks. It tells locking of each descriptor that it is about to lock: who
// has a copy of one, as a child has, keeps the orphan locked.
func Adopt(dir, peer, class string, inUse func(name string) bool, locking func(fd uintptr), logf func(string, ...any)) (*Orphan, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for orphans: %w", err)
	}
	for _, e := range entries {
		folder := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), unfinished) && ours(folder) {
			removeOld(folder)
		}
		if !strings.HasPrefix(e.Name(), complete) || inUse(e.Name()) || !ours(folder) {
			continue
		}
		o, err := adopt(folder, peer, class, locking, logf)
		if err != nil {
			logf("spool %s: not adopted: %v", folder, err)
		}
		if o != nil {
			return o, nil
		}
	}
	return nil, nil
}

// ours reports whether a folder is one that nobody else can have made or changed.
func ours(folder string) bool {
	info, err := os.Lstat(folder)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// removeOld removes what was left of a folder while it was being made.
func removeOld(folder string) {
	if info, err := os.Lstat(folder); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
		_ = os.RemoveAll(folder)
	}
}

func adopt(folder, peer, class string, locking func(fd uintptr), logf func(string, ...any)) (*Orphan, error) {
	path := filepath.Join(folder, "ring")
	h, err := peek(path) // before the lock: who is not concerned is not to hold it
	gone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !gone {
		return nil, err
	}
	if !gone {
		if mine, err := h.matches(peer, class); err != nil || !mine {
			return nil, err
		}
	}
	lock, err := lockFolder(folder, locking)
	if lock == nil {
		if gone {
			_ = os.Remove(folder) // as far as nothing is in it
		}
		return nil, err
	}
	if gone { // its owner died while it removed the folder
		defer lock.Close()
		return nil, os.RemoveAll(folder)
	}
	o, err := open(folder, path, logf)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	o.lock = descriptor.Keep(lock)
	return o, nil
}

// lockFolder returns nil without an error when the folder is another's, or gone.
func lockFolder(folder string, locking func(fd uintptr)) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	locking(f.Fd())
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("locking: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Nlink == 0 {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func open(folder, path string, logf func(string, ...any)) (*Orphan, error) {
	m, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	l, err := Open(folder, m.header, Options{Sync: time.Second, Logf: logf})
	if err != nil {
		m.close()
		return nil, err
	}
	o := &Orphan{Log: l, file: m}
	r := m.ring()
	if r == nil || r.Empty() {
		return o, nil
	}
	if text(m.header.Boot[:]) != boot() {
		// Pages went to the disk in whatever order: what the log has is all.
		logf("spool %s: %d bytes had not reached the log when the machine went down; they are lost",
			folder, r.Head()-r.Tail())
		return o, nil
	}
	o.Ring, o.Tail = r, max(r.Tail(), l.LastTail())
	return o, nil
}

// Close gives the orphan up: it is removed when all of it is confirmed, and
// left for others otherwise.
func (o *Orphan) Close() error {
	o.mu.Lock()
	done := o.header.Confirmed() == o.last && (o.Ring == nil || o.Ring.Empty())
	o.mu.Unlock()
	err := o.Log.Close()
	o.file.close()
	if done && err == nil {
		for _, name := range []string{"ring", "lock"} {
			err = errors.Join(err, os.Remove(filepath.Join(o.folder, name)))
		}
		err = errors.Join(err, os.Remove(o.folder))
	}
	return errors.Join(err, o.lock.Close())
}
