// Package delivery is what both protocols need so that what was sent arrives, or it is
// known that it has not: the journal of what waits for a receipt, how it is sent again,
// the search for what ends connections, and the watch for a peer that is gone. It
// imports no protocol.
package delivery

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Journal keeps what has been sent until the peer has confirmed it, and
// survives the connection: what one did not confirm, the next sends again.
// Delivery is at least once, and in the order of sending; what is sent again
// comes before anything new.
//
// A confirmation is the answer to a PING behind each batch of events: a
// Romanesco answers after it has processed what came before. libbroccoli does
// not answer at all. For a Bro, see KernelReceipts.
//
// What ends one connection after another is found, and set aside: see Over.
type Journal struct {
	max      int64
	window   atomic.Int64 // what may be under way now, up to max
	most     atomic.Int64 // how many events may be; 0: any number
	advanced atomic.Bool
	room     chan struct{}
	bytes    atomic.Int64 // in batches
	events   atomic.Int64 // the same

	mu      sync.Mutex
	batches []batch // those without confirmation, oldest first
	seq     uint32  // of the newest batch
	last    uint32  // of the last one that this connection was given; 0: none
	marked  uint64
	search  search
}

// BatchSize is from how many bytes on events are confirmed together.
const BatchSize = 16 << 10

// batch is the encoded messages of events that are confirmed together.
type batch struct {
	seq      uint32
	messages []byte
	events   int
	mark     uint64
	single   bool // to be under way alone: see Over
}

// NewJournal returns a Journal that is full from max bytes on.
func NewJournal(max int) *Journal {
	j := &Journal{max: int64(max), room: make(chan struct{}, 1)}
	j.Connected()
	return j
}

// Full reports whether nothing should be sent until there is Room: flush what
// was sent, and wait for that. Little may be under way at first, and more with
// each confirmation: of connections that break again and again, little comes
// twice.
func (j *Journal) Full() bool {
	return j.bytes.Load() >= j.window.Load() || j.crowded(j.events.Load())
}

// Limit sets how many events may be under way, beside the bytes; 0: any number.
func (j *Journal) Limit(events int) { j.most.Store(int64(events)) }

// Lift takes both bounds away: nobody is left to wait for receipts.
func (j *Journal) Lift() {
	j.window.Store(math.MaxInt64)
	j.most.Store(0)
	j.wake()
}

func (j *Journal) crowded(events int64) bool {
	most := j.most.Load()
	return most > 0 && events >= most
}

// Connected begins anew with a new connection.
func (j *Journal) Connected() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.window.Store(min(BatchSize, j.max))
	j.advanced.Store(false)
	j.last = 0
	j.most.Store(0)
	j.search.given = false
	j.fence()
}

// Advanced reports whether this connection has confirmed anything.
func (j *Journal) Advanced() bool { return j.advanced.Load() }

// Room is readable when confirmations have come.
func (j *Journal) Room() <-chan struct{} { return j.room }

// Bytes returns how many bytes have been sent without being confirmed.
func (j *Journal) Bytes() int { return int(j.bytes.Load()) }

// Pending returns how many events have been sent without being confirmed.
func (j *Journal) Pending() (events int) { return int(j.events.Load()) }

// Mark gives a number, which grows, to all that has been sent and flushed so
// far. Marked returns the highest whose events are all confirmed.
func (j *Journal) Mark(n uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.batches) == 0 {
		j.marked = n
		return
	}
	j.batches[len(j.batches)-1].mark = n
}

// Marked is explained at Mark.
func (j *Journal) Marked() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.marked
}

// Add keeps a copy of messages, and returns the number of the batch.
func (j *Journal) Add(messages []byte, events int) uint32 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.batches = append(j.batches, batch{seq: j.next(), messages: append([]byte(nil), messages...), events: events})
	j.last = j.seq
	j.bytes.Add(int64(len(messages)))
	j.events.Add(int64(events))
	return j.seq
}

// next numbers a batch.
func (j *Journal) next() uint32 {
	j.seq++
	return j.seq
}

// Again appends batches without confirmation, with a ping behind each, from the
// one after number on (0: the first): a few. It returns the number of the last
// one, or number when there is none.
func (j *Journal) Again(dst []byte, number uint32, ping func([]byte, uint32) []byte) ([]byte, uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from, events := 1+j.index(number), 0
	j.search.alone = 0
	for i := from; i < len(j.batches) && len(dst) < BatchSize && !j.crowded(int64(events)); i++ {
		b := &j.batches[i]
		alone := b.single && !j.search.given
		if alone && i > from {
			break
		}
		number, j.last = b.seq, b.seq
		dst = ping(append(dst, b.messages...), number)
		if events += b.events; alone {
			j.search.alone = number
			break
		}
	}
	return dst, number
}

// index returns where the batch of that number is, -1 if it is confirmed.
func (j *Journal) index(seq uint32) int {
	return slices.IndexFunc(j.batches, func(b batch) bool { return b.seq == seq })
}

// has reports whether a batch is not confirmed.
func (j *Journal) has(seq uint32) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.index(seq) >= 0
}

// underWay returns how many events this connection was given that are not confirmed.
func (j *Journal) underWay() (events int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range 1 + j.index(j.last) {
		events += int64(j.batches[i].events)
	}
	return events
}

// Confirm forgets the batches up to seq. A number that was not given, or not
// lately, says nothing.
func (j *Journal) Confirm(seq uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 1 + j.index(seq)
	if n == 0 {
		return
	}
	if j.drop(n) == 0 {
		j.wake() // a fence: nothing has moved
		return
	}
	j.window.Store(min(2*j.window.Load(), j.max))
	j.advanced.Store(true)
	j.wake()
}

// drop forgets the first n batches, and returns how many events are in them.
func (j *Journal) drop(n int) (events int) {
	for i := range n {
		j.bytes.Add(-int64(len(j.batches[i].messages)))
		events += j.batches[i].events
		j.marked = max(j.marked, j.batches[i].mark)
	}
	j.events.Add(-int64(events))
	j.batches = append(j.batches[:0], j.batches[n:]...)
	return events
}

func (j *Journal) wake() {
	select {
	case j.room <- struct{}{}:
	default:
	}
}
