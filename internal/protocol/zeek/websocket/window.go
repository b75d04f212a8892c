package websocket

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// waiting is how much longer the answer to a ping of ours is to take, behind all
	// that was written before it, than it does behind nothing; mostRoundTrip is how
	// long at the most. Zeek closes the connection of a client whose pong takes more
	// than 5 s, and our pong stands where the ping does: what is under way when Zeek
	// becomes fifty times slower is still to be read in that time.
	waiting       = 50 * time.Millisecond
	mostRoundTrip = time.Second
	// firstWindow is what may be under way before the first answer, leastWindow
	// what may always be, mostWindow what a fast peer can need.
	firstWindow = 16 << 10
	leastWindow = 4 << 10
	mostWindow  = 8 << 20
	// marksInWindow is how many pings a full window has in it.
	marksInWindow = 4
)

// window bounds what has been written and not been read by the peer: pings that
// stand between the events tell by their answers how far it has read, and how
// long that took.
type window struct {
	mu      sync.Mutex
	size    int64         // what may be under way
	written int64         // bytes of events since the beginning
	read    int64         // of these the peer has read
	marks   []mark        // without an answer, oldest first
	marked  int64         // where the last one stands
	number  uint32        // of the last one of our own
	least   time.Duration // the shortest round trip
	open    bool          // there is no bound any more
	lost    bool          // there will be no answers any more
	room    chan struct{}
}

// mark is a ping.
type mark struct {
	number uint32
	at     int64 // behind so many bytes
	under  int64 // bytes that were under way then
	sent   time.Time
}

func newWindow() *window {
	return &window{size: firstWindow, room: make(chan struct{})}
}

// piece is how many bytes are to be written at once.
func (w *window) piece() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(min(w.size/marksInWindow, flushSize))
}

// full returns nil if so many bytes may be written now, or else what is closed
// when that may have changed. What is larger than the window goes when nothing
// else is under way.
func (w *window) full(bytes int) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	under := w.written - w.read
	if w.open || under == 0 || under+int64(bytes) <= w.size {
		return nil
	}
	return w.room
}

// ping reports whether one is to follow, and its number, behind so many bytes
// that are about to be written. last: if there is anything without one. Without a
// bound there is only the last one: we may be gone when the answers come, and the
// stream be reset by the first of them.
func (w *window) ping(bytes int, last bool) (uint32, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	without := w.written + int64(bytes) - w.marked
	if without == 0 || !last && (w.open || without < w.size/(2*marksInWindow)) {
		return 0, false
	}
	w.number++
	return w.number, true
}

// tail returns the number of a ping that is to be written now: what is under way
// has none, and nobody would ever learn that it has been read.
func (w *window) tail() (uint32, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.marks) > 0 || w.marked >= w.written {
		return 0, false
	}
	w.number++
	w.marked = w.written
	w.marks = append(w.marks, mark{number: w.number, at: w.written, under: w.written - w.read, sent: time.Now()})
	return w.number, true
}

// mark notes that a ping of that number follows so many bytes that are about to
// be written.
func (w *window) mark(number uint32, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.marked = w.written + int64(bytes)
	w.marks = append(w.marks, mark{number: number, at: w.marked})
}

// wrote notes that so many bytes are being written, with the pings among them.
func (w *window) wrote(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written += int64(bytes)
	now := time.Now()
	for i := len(w.marks) - 1; i >= 0 && w.marks[i].sent.IsZero(); i-- {
		w.marks[i].under, w.marks[i].sent = w.marks[i].at-w.read, now
	}
}

// answered notes the answer to a ping. One whose answer never comes was read
// before one whose answer does.
func (w *window) answered(number uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, m := range w.marks {
		if m.number == number {
			w.marks = append(w.marks[:0], w.marks[i+1:]...)
			w.read = m.at
			w.adapt(m.under, time.Since(m.sent))
			w.changed()
			return
		}
	}
}

// adapt makes the window what the peer reads in a round trip as long as it may be,
// when it has read so many bytes in that time: at once if that is less, step by
// step, and only if the window was made use of, if it is more.
func (w *window) adapt(bytes int64, took time.Duration) {
	took = max(took, time.Microsecond)
	if w.least == 0 || took < w.least {
		w.least = took
	}
	target := min(w.least+waiting, mostRoundTrip)
	enough := int64(min(float64(bytes)*float64(target)/float64(took), mostWindow))
	switch {
	case took > target && enough < w.size:
		w.size = max(enough, leastWindow)
	case bytes > w.size/2:
		w.size = max(w.size, min(2*w.size, enough))
	}
}

// changed wakes who waits.
func (w *window) changed() {
	close(w.room)
	w.room = make(chan struct{})
}

// lift takes the bound away.
func (w *window) lift() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = true
	w.changed()
}

// lose says that nobody reads any more: writing has failed, or will.
func (w *window) lose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open, w.lost = true, true
	w.changed()
}

// unread returns nil if the peer has read everything, or else what is closed when
// that may have changed, or an error if it will not.
func (w *window) unread() (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.written == w.read:
		return nil, nil
	case w.lost:
		return nil, fmt.Errorf("%w: it had not read everything", io.ErrUnexpectedEOF)
	}
	return w.room, nil
}

// batchOf returns the number that a ping of ours has, from its answer.
func batchOf(payload []byte) (uint32, bool) {
	if len(payload) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(payload), true
}
