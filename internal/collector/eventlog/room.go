package eventlog

import (
	"context"
	"sync"
	"time"

	"romanesco/internal/collector/logfile"
)

// roomPause is how long a full disk is left alone between two attempts.
const roomPause = time.Second

// room is where those wait who have found no room on the disk. One of them at a time
// tries again.
type room struct {
	// held is told why they have begun to wait, and nil when the last of them goes on.
	held func(why error)
	turn chan struct{} // has a value while somebody tries

	mu      sync.Mutex
	waiting int
	why     error // while somebody waits
}

func newRoom(held func(why error)) *room {
	return &room{held: held, turn: make(chan struct{}, 1)}
}

// await tries until there is room, or returns the error that is not for want of it.
// When ctx ends it gives up, with the last error.
func (r *room) await(ctx context.Context, why error, try func() error) error {
	r.enter(why)
	err := r.retry(ctx, why, try)
	r.leave(err)
	return err
}

func (r *room) retry(ctx context.Context, err error, try func() error) error {
	select {
	case <-ctx.Done():
		return err
	case r.turn <- struct{}{}:
	}
	defer func() { <-r.turn }()
	for {
		if err = try(); !logfile.NoRoom(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(roomPause):
		}
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

// leave takes note that one goes on. Who gives up leaves the disk as full as it was.
func (r *room) leave(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting--; r.waiting > 0 || err != nil {
		return
	}
	r.why = nil
	r.held(nil)
}

// full returns why somebody waits, or nil.
func (r *room) full() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.why
}
