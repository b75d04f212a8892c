package broccoli

import (
	"context"
	"sync"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// inbox is what has come and waits for Receive, in its order, up to a bound, and between
// it the receipts that the peer wants for what is before them.
type inbox struct {
	max int

	mu       sync.Mutex
	items    []arrived
	bytes    int
	receipts int // that wait, or are being written
	changed  chan struct{}
}

// arrived is an event, or what gives the receipt for all before it.
type arrived struct {
	ev      *Event
	size    int
	receipt func() error
}

// maxReceipts is how many may be wanted until nothing more is read.
const maxReceipts = 64

// wake tells those who wait that something has changed. The lock is held.
func (b *inbox) wake() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// await waits until done says so, with the lock held each time that it is asked, or until
// stop is closed.
func (b *inbox) await(stop <-chan struct{}, done func() bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !done() {
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
			b.mu.Lock()
		case <-stop:
			b.mu.Lock()
			return false
		}
	}
	return true
}

// put adds an event as soon as there is room; false: stop was closed before.
func (b *inbox) put(ev *Event, size int, stop <-chan struct{}) bool {
	return b.await(stop, func() bool {
		if len(b.items) > 0 && b.bytes+size > b.max {
			return false
		}
		b.items = append(b.items, arrived{ev: ev, size: size})
		b.bytes += size
		b.wake()
		return true
	})
}

// putReceipt keeps a receipt until all before it was taken. It reports false if there is
// nothing: then it can be given.
func (b *inbox) putReceipt(receipt func() error, stop <-chan struct{}) (kept bool) {
	b.await(stop, func() bool {
		if kept = len(b.items) > 0; !kept {
			return true
		}
		if b.receipts == maxReceipts {
			return false
		}
		b.items = append(b.items, arrived{receipt: receipt})
		b.receipts++
		return true
	})
	return kept
}

// take returns the next event, and the receipts behind it that can be given now; nil if
// there is none, with a channel that is closed when there may be one.
func (b *inbox) take() (ev *Event, receipts []func() error, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items) == 0 {
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		return nil, nil, b.changed
	}
	ev = b.items[0].ev
	b.bytes -= b.items[0].size
	n := 1
	for ; n < len(b.items) && b.items[n].receipt != nil; n++ {
		receipts = append(receipts, b.items[n].receipt)
	}
	clear(b.items[:n])
	if b.items = b.items[n:]; len(b.items) == 0 {
		b.items = nil
	}
	b.wake()
	return ev, receipts, nil
}

// given says that a receipt was written.
func (b *inbox) given() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.receipts--
	b.wake()
}

// Receive returns the next event. At the end the error is io.EOF if the peer has closed the
// connection in order; what has come before that is returned first. A peer that wants
// receipts gets them for what Receive has returned, before that is done with.
func (c *Conn) Receive(ctx context.Context) (*Event, error) {
	for {
		select {
		case <-c.closing:
			return nil, ErrClosed
		default:
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		ended := c.isDone() // before the look at what there is
		ev, receipts, changed := c.in.take()
		if ev != nil {
			c.stats.received.Add(1)
			for _, receipt := range receipts {
				c.owed <- receipt // has room for all
			}
			return ev, nil
		}
		if ended {
			return nil, c.err
		}
		select {
		case <-changed:
		case <-c.done:
		case <-c.closing:
		case <-ctx.Done():
		}
	}
}

// giveReceipts writes the receipts of what Receive has returned, until the end. A peer that
// reads nothing does not keep Receive waiting.
func (c *Conn) giveReceipts() {
	for {
		select {
		case receipt := <-c.owed:
			_ = receipt() // who reads finds what is wrong
			c.in.given()
		case <-c.done:
			return
		}
	}
}

// deliver has an event wait for Receive, if it was asked for. After Close it is dropped.
func (c *Conn) deliver(ev *event.Event) {
	if !c.wants(ev.Name) {
		c.stats.unasked.Add(1)
		return
	}
	c.in.put(fromEvent(ev), eventSize+weigh(ev.Args), c.closing)
}

// What an event and a value take in memory, roughly.
const (
	eventSize = 128
	valueSize = 64
)

func weigh(vs []event.Value) (size int) {
	for i := range vs {
		v := &vs[i]
		size += valueSize + len(v.Bytes) + len(v.Field) + len(v.TypeName) + weigh(v.Elems)
	}
	return size
}
