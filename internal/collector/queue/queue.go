// Package queue holds what waits to be sent to one that has connected, or is to be
// connected to, up to a number of bytes. It imports the budgets of the wire.
package queue

import (
	"errors"
	"fmt"
	"sync"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// Item is something that is sent.
type Item interface {
	// Size is the memory that it takes in a queue.
	Size() int
	// Cost is the memory that it takes until it is sent, when it may be there twice.
	Cost() int
}

// Large is from what size on something is copied when it is sent.
const Large = 128 << 10

// CostOf is the Cost of an item of so many bytes, if those are copied to be sent.
func CostOf(size int) int {
	if size >= Large {
		return 2 * size
	}
	return size
}

// Queue is what waits. Who puts something in never waits.
type Queue[T Item] struct {
	max    int
	memory *wire.Budget
	count  func(items int) // is told how many more wait, or fewer
	more   chan struct{}   // there may be something

	mu     sync.Mutex
	items  []T
	closed bool
	// Of items, and of those that have been taken and not been sent:
	bytes, pending int
	held           int // of memory
}

// New returns a queue of so many bytes at the most, which takes its memory from a
// budget, nil for none. count, if set, is told of each change.
func New[T Item](max int, memory *wire.Budget, count func(items int)) *Queue[T] {
	if count == nil {
		count = func(int) {}
	}
	return &Queue[T]{max: max, memory: memory, count: count, more: make(chan struct{}, 1)}
}

// Why something is not put into a queue.
var (
	ErrSlow   = errors.New("it takes events too slowly")
	ErrMemory = errors.New("no memory is left for what waits")
)

// Put returns ErrSlow or ErrMemory when there is no room. A closed queue swallows
// everything.
func (q *Queue[T]) Put(it T) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	size := it.Size()
	// Whatever its size, one item has to go through.
	if q.bytes > 0 && q.bytes+size > q.max {
		return ErrSlow
	}
	if !q.memory.Take(it.Cost()) {
		return ErrMemory
	}
	q.bytes += size
	q.held += it.Cost()
	q.pending++
	q.count(1)
	q.items = append(q.items, it)
	q.wake()
	return nil
}

func (q *Queue[T]) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// Size returns how many bytes wait.
func (q *Queue[T]) Size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0
	}
	return q.bytes
}

// Pending returns how many items wait, or have been taken and not been sent.
func (q *Queue[T]) Pending() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending
}

// Wait returns true when there may be something, false when the queue is closed, or
// done is.
func (q *Queue[T]) Wait(done <-chan struct{}) bool {
	select {
	case _, ok := <-q.more:
		return ok
	case <-done:
		return false
	}
}

// Take returns what is there.
func (q *Queue[T]) Take() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

// Sent gives back the memory of items that have been taken.
func (q *Queue[T]) Sent(items []T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	for _, it := range items {
		q.bytes -= it.Size()
		q.held -= it.Cost()
		q.memory.Give(it.Cost())
	}
	q.pending -= len(items)
	q.count(-len(items))
}

// Return puts items that have been taken and not been sent back in front.
func (q *Queue[T]) Return(items []T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(items) == 0 {
		return
	}
	q.items = append(items, q.items...)
	q.wake()
}

// Close gives up what waits.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	q.memory.Give(q.held)
	q.count(-q.pending)
	q.items, q.bytes, q.held, q.pending = nil, 0, 0, 0
	close(q.more)
}

func (q *Queue[T]) String() string { return fmt.Sprintf("%d KB", q.Size()>>10) }
