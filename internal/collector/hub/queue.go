package hub

import "sync"

// queue holds messages until somebody takes them, up to a number of bytes.
type queue struct {
	max  int
	some chan struct{} // readable when something waits

	mu      sync.Mutex
	waiting [][]byte
	bytes   int
	taken   bool // somebody has messages and is not done with them
}

func newQueue(max int) *queue { return &queue{max: max, some: make(chan struct{}, 1)} }

// put adds a message, which is the queue's from then on. It reports false when
// there is no room.
func (q *queue) put(message []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes > 0 && q.bytes+len(message) > q.max {
		return false
	}
	q.waiting = append(q.waiting, message)
	q.bytes += len(message)
	q.signal()
	return true
}

func (q *queue) signal() {
	select {
	case q.some <- struct{}{}:
	default:
	}
}

// take waits for messages; nil: done is closed.
func (q *queue) take(done <-chan struct{}) [][]byte {
	for {
		select {
		case <-done:
			return nil
		case <-q.some:
		}
		q.mu.Lock()
		list := q.waiting
		q.waiting, q.bytes = nil, 0
		q.taken = len(list) > 0
		q.mu.Unlock()
		if len(list) > 0 {
			return list
		}
	}
}

// settle says that what take has returned is dealt with, but for rest, which is
// put back in front.
func (q *queue) settle(rest [][]byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = false
	if len(rest) == 0 {
		return
	}
	for _, m := range rest {
		q.bytes += len(m)
	}
	q.waiting = append(rest, q.waiting...)
	q.signal()
}

// empty reports whether nothing waits, nor is being dealt with.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0 && !q.taken
}
