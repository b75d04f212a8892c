// Package memory shares out the memory that those who connect may take, in whatever
// protocol. It imports the event model and the budgets of the wire.
package memory

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// Pool is the memory that all have together. Half of it is for what comes and a
// quarter for what waits to be sent: neither takes it from the other. The last quarter
// is what the garbage collector needs to work with.
type Pool struct {
	Incoming, Outgoing *wire.Budget
	// Hold says that the runtime is to be told of it: see Limit.
	Hold bool

	size int64
	turn chan struct{} // has a value while somebody has a large event

	mu      sync.Mutex
	waiting map[Waiting]bool
	open    []*atomic.Int64
	told    int64 // for how many connections the runtime has been told
}

// New returns a Pool of so many bytes.
func New(bytes int64) *Pool {
	return &Pool{
		Incoming: wire.NewBudget(bytes / 2), Outgoing: wire.NewBudget(bytes / 4),
		size: bytes, turn: make(chan struct{}, 1), waiting: map[Waiting]bool{},
	}
}

// aliveEvery is how often those who wait say that they live.
const aliveEvery = 2 * time.Second

// Turn waits until no other large event is there, so that the memory for one is needed
// once. It calls alive, which is not to wait, now and then: the other one may be held up
// by a full disk. When ctx ends it waits no longer: what has come is still to be taken,
// within the bounds of the memory, before the connection ends.
func (p *Pool) Turn(ctx context.Context, alive func()) (done func()) {
	live := time.NewTicker(aliveEvery)
	defer live.Stop()
	for {
		select {
		case p.turn <- struct{}{}:
			return func() { <-p.turn }
		case <-ctx.Done():
			return func() {}
		case <-live.C:
			alive()
		}
	}
}

// Why an event cannot be written.
var (
	ErrTooLarge = errors.New("too large an event for -max-memory")
	ErrNone     = errors.New("no memory is left to write an event; other peers have it")
)

// ForLine takes the memory for an event as a line, which done gives back. held is what
// the event itself has of Incoming, as far as that is known.
func (p *Pool) ForLine(ev *event.Event, held int) (done func(), err error) {
	// A line grows by copying, and may be copied once more behind a heading; what is
	// sent on is made beside it.
	const copies = 3
	need := copies * LineSize(ev)
	switch {
	case int64(need+held) > p.Incoming.Max():
		return nil, fmt.Errorf("it takes %d bytes to write: %w", need, ErrTooLarge)
	case !p.Incoming.Take(need):
		return nil, ErrNone
	}
	return func() { p.Incoming.Give(need) }, nil
}

// Waiting is one for which something waits to be sent.
type Waiting interface {
	// Waits returns how many bytes.
	Waits() int
	// CutOff ends the connection, and gives back the memory of what waits.
	CutOff(why error)
}

// Join takes note of one for which something may wait, until leave is called.
func (p *Pool) Join(w Waiting) (leave func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[w] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting, w)
	}
}

// MakeRoom cuts off the one for which most waits, when all that waits has become too
// much: not the one that happens to be sent the next event. It reports whether there
// was one.
func (p *Pool) MakeRoom() bool {
	p.mu.Lock()
	var most Waiting
	bytes := 0
	for w := range p.waiting {
		if n := w.Waits(); n > bytes {
			most, bytes = w, n
		}
	}
	p.mu.Unlock()
	if most == nil {
		return false
	}
	most.CutOff(fmt.Errorf("%d KB wait for it, more than for any other, and no memory is left", bytes>>10))
	return true
}

const (
	// each is what a connection takes that does nothing out of the ordinary.
	each = 128 << 10
	// step is how many connections come or go until the limit is set anew.
	step = 256
)

// Count has the connections that n counts be among those that Limit goes by.
func (p *Pool) Count(n *atomic.Int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, n)
}

// Limit tells the runtime how much memory there is for the connections that are open:
// it collects garbage more often before it takes more than that. What the program has
// without them is not counted: the runtime allocates on while it collects.
func (p *Pool) Limit() {
	if !p.Hold {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	open := int64(0)
	for _, n := range p.open {
		open += n.Load()
	}
	open = (open/step + 1) * step
	if open != p.told {
		p.told = open
		debug.SetMemoryLimit(p.size + open*each)
	}
}
