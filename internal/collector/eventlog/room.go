package eventlog

import (
	"context"
	"sync"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
)

const (
	// roomPause is how long a full disk is left alone between two attempts.
	roomPause = time.Second
	// aliveEvery is how often those who wait say that they live.
	aliveEvery = 2 * time.Second
)

// room is where those wait who have found no room on the disk. One of them at a time
// tries again.
type room struct {
	// held is told why they have begun to wait, and nil when one goes on behind whom
	// nobody waits.
	held func(why error)
	turn chan struct{} // has a value while somebody tries

	mu      sync.Mutex
	waiting int
	why     error // from when somebody waits until held is told nil
}

func newRoom(held func(why error)) *room {
	return &room{held: held, turn: make(chan struct{}, 1)}
}

// await tries until there is room, or returns the error that is not for want of it.
// When ctx ends it gives up, with the last error. alive, which is not to wait, is called
// meanwhile.
func (r *room) await(ctx context.Context, why error, try func() error, alive func()) error {
	r.enter(why)
	err := r.retry(ctx, why, try, alive)
	r.leave(err)
	return err
}

func (r *room) retry(ctx context.Context, err error, try func() error, alive func()) error {
	live := time.NewTicker(aliveEvery)
	defer live.Stop()
	turn, next := r.turn, (<-chan time.Time)(nil)
	for {
		select {
		case <-ctx.Done():
			return err
		case <-live.C:
			alive()
			continue
		case turn <- struct{}{}:
			defer func() { <-r.turn }()
			turn = nil
		case <-next:
		}
		if err = try(); !logfile.NoRoom(err) {
			return err
		}
		next = time.After(roomPause)
	}
}

func (r *room) enter(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting++
	if r.why == nil {
		r.why = why
		r.held(why)
	}
}

// leave takes note that one waits no more. Who gives up leaves the disk as full as it was.
func (r *room) leave(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting--; r.waiting > 0 || err != nil {
		return
	}
	r.why = nil
	r.held(nil)
}

// found takes note that there was room for one who has not waited: perhaps again, after
// all who waited have given up.
func (r *room) found() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting > 0 || r.why == nil {
		return
	}
	r.why = nil
	r.held(nil)
}

// full returns why somebody waits, or nil.
func (r *room) full() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == 0 {
		return nil
	}
	return r.why
}
