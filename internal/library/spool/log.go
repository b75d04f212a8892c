package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/wal"

	"github.com/romanesco-broccoli/romanesco/internal/descriptor"
)

// ErrFull says that the spool directory has no room for a batch as configured.
var ErrFull = errors.New("spool: spool_max_bytes is reached")

const (
	// segmentSize is of the files of a log. One is in memory.
	segmentSize = 1 << 20
	// tidyAfter is how long a log without anything unconfirmed keeps what it has.
	tidyAfter = time.Second
)

// Options say how a log is kept.
type Options struct {
	// Max is how many bytes all logs in the spool directory may take; 0: any
	// number. Several processes may each go beyond it by a segment.
	Max int64
	// Sync is how long something may be there without being synced, which
	// keeps it safe from the death of the machine; 0: each batch is at once.
	Sync time.Duration
	Logf func(format string, args ...any)
	// Confirmed is told what is confirmed, if the header is a copy of that of the file; may be nil.
	Confirmed func(n uint64)
}

// Log is the log in one folder. Its methods may be called by several goroutines.
type Log struct {
	folder string
	header *Header
	opt    Options

	mu       sync.Mutex
	wal      *segmentLog // nil after a failure that has not been mended
	last     uint64      // batch that was appended
	next     uint64      // batch to be read
	lost     uint64      // batches
	budget   int64       // bytes to append until the directory is measured again
	starts   []uint64    // batches with which segments begin, about; for truncating
	fresh    int         // bytes since the last of these
	unsynced bool
	kept     bool // batch next is there, and cannot be read
	timer    *time.Timer
	due      time.Time // of the timer
	closed   bool
	buf      []byte

	unread atomic.Int64 // bytes from next on
}

// Open opens the log in a folder, and mends what can be mended of it.
func Open(folder string, h *Header, o Options) (*Log, error) {
	l := &Log{folder: folder, header: h, opt: o}
	if l.opt.Logf == nil {
		l.opt.Logf = func(string, ...any) {}
	}
	r, err := l.open()
	if err != nil {
		return nil, fmt.Errorf("spool %s: %w", folder, err)
	}
	l.starts, l.lost = r.starts, r.lost
	l.unread.Store(r.unread)
	if h.Confirmed() > l.last { // the end of the log is gone with the machine
		h.confirm(l.last)
	}
	l.next = max(h.Confirmed()+1, r.first)
	return l, nil
}

func (l *Log) dir() string { return filepath.Join(l.folder, "log") }

func (l *Log) open() (report, error) {
	o := wal.Options{
		NoSync: true, SegmentSize: segmentSize, SegmentCacheSize: 1, NoCopy: true,
		AllowEmpty: true, DirPerms: 0o700, FilePerms: 0o600,
	}
	r, err := repair(l.dir(), o, l.header.Confirmed())
	if err != nil {
		return r, err
	}
	if r.lost > 0 || r.torn > 0 {
		l.opt.Logf("spool %s: damaged: %d batches are lost, %d bytes at the end are dropped", l.folder, r.lost, r.torn)
	}
	w, err := openSegmentLog(l.dir(), &o)
	if err != nil {
		return r, fmt.Errorf("opening the log: %w", err)
	}
	if l.last, err = w.LastIndex(); err != nil {
		_ = w.Close()
		return r, fmt.Errorf("opening the log: %w", err)
	}
	l.wal = w
	return r, nil
}

// Append writes a batch. After nil it survives the process.
func (l *Log) Append(b *Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return os.ErrClosed
	}
	l.buf = b.append(l.buf[:0], l.last+1)
	if err := l.room(int64(len(l.buf))); err != nil {
		return err
	}
	if err := l.write(); err != nil {
		return fmt.Errorf("spool %s: %w", l.folder, err)
	}
	l.unread.Add(int64(len(l.buf)))
	if l.fresh += len(l.buf); l.fresh >= segmentSize {
		l.starts, l.fresh = append(l.starts, l.last+1), 0
	}
	if cap(l.buf) > segmentSize {
		l.buf = nil
	}
	l.unsynced = true
	if l.opt.Sync == 0 {
		return l.sync()
	}
	l.tidyIn(l.opt.Sync)
	return nil
}

// write appends what is in buf. The library leaves a log of which it could not
// write a part as it is, so that must be opened anew.
func (l *Log) write() error {
	n := l.last + 1
	var err error
	if l.wal != nil {
		if err = l.wal.Write(n, l.buf); err == nil {
			l.last = n
			return nil
		}
		if errors.Is(err, descriptor.ErrForeign) {
			return err // so may the lock be, and another process at the folder
		}
		_ = l.wal.Close()
		l.wal = nil
	}
	if _, again := l.open(); again != nil {
		return errors.Join(err, again)
	}
	l.next = min(l.next, l.last+1)
	if l.last == n {
		return nil // it was written in full before the failure
	}
	if err != nil {
		return err
	}
	if err = l.wal.Write(n, l.buf); err == nil {
		l.last = n
	}
	return err
}

// Unbound lets it grow beyond Max, for the last that is to be kept.
func (l *Log) Unbound() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opt.Max = 0
}

// room reports ErrFull when size more bytes are too much.
func (l *Log) room(size int64) error {
	if l.opt.Max == 0 || size <= l.budget {
		l.budget -= size
		return nil
	}
	left := l.opt.Max - usage(filepath.Dir(l.folder))
	if size > left {
		return ErrFull
	}
	l.budget = min(left, segmentSize) - size
	return nil
}

// usage returns how many bytes the logs in the spool directory take, as far as
// we may look.
func usage(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && e.Name() != "ring" {
			if info, err := e.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

// Next reads the next batch. It reports false when there is none now, or none that
// can be read now; batches that are damaged are passed over and counted. The
// batch holds until the next call.
func (l *Log) Next(b *Batch) (index uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.wal != nil && l.next <= l.last {
		index = l.next
		data, err := l.read(index)
		if l.keeps(err) {
			return 0, false
		}
		l.next++
		l.unread.Add(-int64(len(data)))
		if err == nil && len(data) == 0 {
			continue // it was counted when the log was opened
		}
		if err == nil {
			err = b.decode(data, index)
		}
		if err == nil {
			return index, true
		}
		l.lost++
		l.opt.Logf("spool %s: batch %d is lost: %v", l.folder, index, err)
	}
	l.unread.Store(0)
	return 0, false
}

// keeps reports whether a batch that could not be read is likely to be there: for
// want of descriptors, or of the right to see the folder. It is told once.
func (l *Log) keeps(err error) bool {
	damaged := errors.Is(err, ErrDamaged) || errors.Is(err, wal.ErrCorrupt) || errors.Is(err, wal.ErrNotFound)
	if errors.Is(err, os.ErrNotExist) {
		_, unseen := os.Stat(l.folder)
		damaged = unseen == nil // it is that file alone that is gone
	}
	was := l.kept
	l.kept = err != nil && !damaged
	if l.kept && !was {
		l.opt.Logf("spool %s: batch %d cannot be read now, and is kept: %v", l.folder, l.next, err)
	}
	return l.kept
}

// Drained reports whether Next has come to the end.
func (l *Log) Drained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wal != nil && l.next > l.last
}

func (l *Log) read(index uint64) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // the library trusts the length of a segment
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	return l.wal.Read(index)
}

// Confirm says that the peer has the batches up to index.
func (l *Log) Confirm(index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if index <= l.header.Confirmed() || index > l.last || l.closed {
		return
	}
	l.header.confirm(index)
	if l.opt.Confirmed != nil {
		l.opt.Confirmed(index)
	}
	whole := 0
	for whole < len(l.starts) && l.starts[whole] <= index+1 {
		whole++
	}
	if whole > 0 {
		l.starts = l.starts[whole:]
		l.truncate()
	}
	if index == l.last {
		l.tidyIn(tidyAfter)
	}
}

// truncate removes what is confirmed.
func (l *Log) truncate() {
	if l.wal == nil {
		return
	}
	if err := l.wal.TruncateFront(l.header.Confirmed() + 1); err != nil {
		l.opt.Logf("spool %s: cannot remove what is confirmed: %v", l.folder, err)
		if errors.Is(err, wal.ErrCorrupt) {
			_ = l.wal.Close()
			l.wal = nil
			_, _ = l.open()
		}
	}
	l.budget = 0
}

// tidyIn has the log tidied after that time, if not before.
func (l *Log) tidyIn(d time.Duration) {
	due := time.Now().Add(d)
	if l.timer != nil && !due.Before(l.due) {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.due = due
	l.timer = time.AfterFunc(d, l.tidy)
}

// tidy removes all when all is confirmed, and syncs it otherwise.
func (l *Log) tidy() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	if l.closed {
		return
	}
	if l.header.Confirmed() == l.last {
		l.truncate()
		l.starts, l.fresh, l.unsynced = nil, 0, false
	} else if l.unsynced {
		if err := l.sync(); err != nil {
			l.opt.Logf("%v", err)
		}
	}
}

// sync makes everything safe from the death of the machine: the log, the
// names of its files, and that of the folder.
func (l *Log) sync() error {
	if l.wal == nil {
		return nil
	}
	l.unsynced = false
	if err := l.wal.Sync(); err != nil {
		return fmt.Errorf("spool %s: syncing: %w", l.folder, err)
	}
	for _, dir := range []string{l.dir(), l.folder, filepath.Dir(l.folder)} {
		f, err := os.Open(dir)
		if err != nil {
			continue // the directory of several users may not be readable
		}
		err = f.Sync()
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("spool %s: syncing: %w", l.folder, err)
		}
	}
	return nil
}

// Last returns the number of the last batch.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Unconfirmed returns how many batches the peer has not confirmed.
func (l *Log) Unconfirmed() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last - l.header.Confirmed()
}

// Unread returns how many bytes Next has not returned.
func (l *Log) Unread() int64 { return max(l.unread.Load(), 0) }

// Lost returns how many batches were found to be damaged.
func (l *Log) Lost() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// LastTail returns the place in the ring behind the last batch, 0 without one.
func (l *Log) LastTail() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b Batch
	if l.wal == nil {
		return 0
	}
	if data, err := l.read(l.last); err != nil || b.decode(data, l.last) != nil {
		return 0
	}
	return b.Tail
}

// Close closes the log, and removes it when everything in it is confirmed.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.closed = true
	var err error
	if l.wal != nil && l.wal.file.Check() != nil {
		return l.wal.Close() // so may the lock be: the folder is left to whoever adopts it
	}
	if l.header.Confirmed() == l.last {
		err = os.RemoveAll(l.dir()) // before the library syncs it once more
	} else if l.unsynced {
		err = l.sync()
	}
	if l.wal != nil {
		err = errors.Join(err, l.wal.Close())
	}
	return err
}
