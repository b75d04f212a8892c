package broccoli

import (
	"context"
	"sync"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// item is an event that waits to be sent: in the form of the wire or, for a Zeek, as
// it is.
type item struct {
	name    string
	payload []byte
	ev      *event.Event
	size    int
}

// outbox is what waits to be sent, in its order, up to a bound. What is taken out of it
// has left when it is told to have gone, so that a lost connection takes nothing with it.
type outbox struct {
	max int

	mu       sync.Mutex
	items    []item
	bytes    int
	accepted uint64 // events so far
	settled  uint64 // of those: they are with the peer, or else nobody is to wait for them
	closing  bool   // nothing more is accepted
	err      error  // for good: nothing more is sent
	changed  chan struct{}
}

// change returns a channel that is closed with the next change. The lock is held.
func (o *outbox) change() <-chan struct{} {
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	return o.changed
}

// wake tells those who wait that something has changed. The lock is held.
func (o *outbox) wake() {
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
}

// await waits until done says so, with the lock held each time that it is asked.
func (o *outbox) await(ctx context.Context, done func() (bool, error)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if ok, err := done(); ok || err != nil {
			return err
		}
		changed := o.change()
		o.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		o.mu.Lock()
	}
}

// put adds an event, as soon as there is room: what is larger than all of it has room
// alone.
func (o *outbox) put(ctx context.Context, it item) error {
	return o.await(ctx, func() (bool, error) {
		switch {
		case o.err != nil:
			return false, o.err
		case o.closing:
			return false, ErrClosed
		case len(o.items) > 0 && o.bytes+it.size > o.max:
			return false, nil
		}
		o.items = append(o.items, it)
		o.bytes += it.size
		o.accepted++
		o.wake()
		return true, nil
	})
}

// first returns some of what is next, which stays, or a channel that is closed when
// there may be some.
func (o *outbox) first(bytes int) (some []item, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for size := 0; n < len(o.items) && size < bytes; n++ {
		size += o.items[n].size
	}
	if n == 0 {
		return nil, o.change()
	}
	return o.items[:n:n], nil
}

// gone takes the first n out, and returns the number of the last one.
func (o *outbox) gone(n int) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range n {
		o.bytes -= o.items[i].size
		o.items[i] = item{}
	}
	if o.items = o.items[n:]; len(o.items) == 0 {
		o.items = nil
	}
	o.wake()
	return o.accepted - uint64(len(o.items))
}

// settle says that all up to a number are with the peer.
func (o *outbox) settle(number uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if number > o.settled {
		o.settled = number
		o.wake()
	}
}

// flush waits until all that is accepted by now is with the peer.
func (o *outbox) flush(ctx context.Context) error {
	o.mu.Lock()
	target := o.accepted
	o.mu.Unlock()
	return o.await(ctx, func() (bool, error) {
		if o.settled >= target {
			return true, nil
		}
		return false, o.err
	})
}

// close has nothing more be accepted.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closing = true
	o.wake()
}

// fail says why nothing more is sent.
func (o *outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
		o.items, o.bytes = nil, 0
		o.wake()
	}
}

// unsettled returns how many events are not known to be with the peer.
func (o *outbox) unsettled() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.accepted - o.settled
}
