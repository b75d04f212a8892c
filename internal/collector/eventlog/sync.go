package eventlog

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
)

// Sync makes safe what has been written so far.
func (l *Files) Sync() error {
	l.mu.Lock()
	upTo := l.written
	l.mu.Unlock()
	return l.sync(upTo)
}

// sync returns when the first upTo writes are safe. Who has to wait for another
// finds his own writes done with those of the other.
func (l *Files) sync(upTo uint64) error {
	if l.safe.Load() >= upTo {
		return nil
	}
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if err := l.failure(); err != nil || l.safe.Load() >= upTo {
		return err
	}
	l.mu.Lock()
	written := l.written
	handles := slices.Collect(maps.Keys(l.unsafe))
	clear(l.unsafe)
	l.stats.Syncs += uint64(len(handles))
	l.mu.Unlock()
	if err := l.syncAll(handles); err != nil {
		// What the kernel could not write it may have dropped: asking again
		// would say that all is well.
		l.failed.Store(&err)
		return err
	}
	l.safe.Store(written)
	return nil
}

func (l *Files) failure() error {
	if p := l.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// atOnce is how many files the disk is given at a time: it makes several safe in
// little more than the time of one.
const atOnce = 16

func (l *Files) syncAll(handles []*logfile.Handle) error {
	for some := range slices.Chunk(handles, atOnce) {
		var wg sync.WaitGroup
		errs := make([]error, len(some))
		took := make([]time.Duration, len(some))
		for i, h := range some {
			wg.Go(func() {
				begun := time.Now()
				errs[i] = h.Sync()
				took[i] = time.Since(begun)
			})
		}
		wg.Wait()
		l.addTimes(took)
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return l.dir.Sync()
}

func (l *Files) addTimes(took []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range took {
		l.stats.SyncTimes.add(d)
	}
}

// release closes the files that nobody writes to any more. l.mu is not held.
func (l *Files) release() error {
	l.mu.Lock()
	retired := slices.Collect(maps.Keys(l.retired))
	l.mu.Unlock()
	if len(retired) == 0 {
		return nil
	}
	if l.set.Sync.when != never {
		if err := l.Sync(); err != nil {
			return err
		}
	}
	l.syncing.Lock() // nobody waits for the disk with one of these in his hands
	defer l.syncing.Unlock()
	var errs []error
	for _, h := range l.takeRetired(retired) {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}

// takeRetired returns those of handles that nobody else has taken.
func (l *Files) takeRetired(handles []*logfile.Handle) (taken []*logfile.Handle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range handles {
		if l.retired[h] {
			taken = append(taken, h)
		}
		delete(l.retired, h)
		delete(l.unsafe, h)
	}
	return taken
}
