package collect

import (
	"errors"
	"fmt"
	"sync"

	"romanesco/internal/protocol/traffic"
	"romanesco/internal/protocol/wire"
)

// item is something that goes to a peer: an event in the form of the wire, or
// the name of an event to ask for.
type item struct {
	event   []byte
	request string
}

// chunks is how many of the wire an item becomes: a header and what it is of.
const chunks = 2

// size is the memory that an item takes in a queue.
func (it *item) size() int { return 64 + len(it.event) + len(it.request) }

// cost is the memory that it takes until it is sent: a large event is copied then.
func (it *item) cost() int {
	if len(it.event) >= largeEvent {
		return it.size() + len(it.event)
	}
	return it.size()
}

// queue is what waits for a peer. Who puts something in never waits.
type queue struct {
	max    int
	memory *wire.Budget
	count  *traffic.Counters
	more   chan struct{} // there may be something

	mu     sync.Mutex
	items  []item
	closed bool
	// Of items, and of those that have been taken and not been sent:
	bytes, pending int
	held           int // of memory
}

func newQueue(max int, memory *wire.Budget, count *traffic.Counters) *queue {
	return &queue{max: max, memory: memory, count: count, more: make(chan struct{}, 1)}
}

// Why something is not put into a queue.
var (
	errSlow   = errors.New("it takes events too slowly")
	errMemory = errors.New("no memory is left for what waits")
)

// put returns errSlow or errMemory when there is no room. A closed queue swallows
// everything.
func (q *queue) put(it item) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	size := it.size()
	// Whatever its size, one item has to go through.
	if q.bytes > 0 && q.bytes+size > q.max {
		return errSlow
	}
	if !q.memory.Take(it.cost()) {
		return errMemory
	}
	q.bytes += size
	q.held += it.cost()
	q.pending++
	q.count.Waiting(chunks)
	q.items = append(q.items, it)
	select {
	case q.more <- struct{}{}:
	default:
	}
	return nil
}

// size returns how many bytes wait.
func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0
	}
	return q.bytes
}

// wait returns true when there may be something, false when the queue is closed.
func (q *queue) wait() bool {
	_, ok := <-q.more
	return ok
}

// take returns what is there.
func (q *queue) take() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

// sent gives back the memory of items that have been taken.
func (q *queue) sent(items []item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	for i := range items {
		q.bytes -= items[i].size()
		q.held -= items[i].cost()
		q.memory.Give(items[i].cost())
	}
	q.pending -= len(items)
	q.count.Waiting(-chunks * len(items))
}

// close gives up what waits.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	q.memory.Give(q.held)
	q.count.Waiting(-chunks * q.pending)
	q.items = nil
	close(q.more)
}

func (q *queue) String() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return fmt.Sprintf("%d KB", q.bytes>>10)
}
