package peer

import (
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
// not answer at all. For a Bro, see kernelReceipts.
type Journal struct {
	max      int64
	window   atomic.Int64 // what may be under way now, up to max
	advanced atomic.Bool
	room     chan struct{}
	bytes    atomic.Int64 // in batches

	mu      sync.Mutex
	batches []batch // those without confirmation, oldest first
	seq     uint32  // of the newest batch
	marked  uint64
}

// batch is the encoded messages of events that are confirmed together.
type batch struct {
	seq      uint32
	messages []byte
	events   int
	mark     uint64
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
func (j *Journal) Full() bool { return j.bytes.Load() >= j.window.Load() }

// Connected begins anew with a new connection.
func (j *Journal) Connected() {
	j.window.Store(min(batchSize, j.max))
	j.advanced.Store(false)
}

// Advanced reports whether this connection has confirmed anything.
func (j *Journal) Advanced() bool { return j.advanced.Load() }

// Room is readable when confirmations have come.
func (j *Journal) Room() <-chan struct{} { return j.room }

// Bytes returns how many bytes have been sent without being confirmed.
func (j *Journal) Bytes() int { return int(j.bytes.Load()) }

// Pending returns how many events have been sent without being confirmed.
func (j *Journal) Pending() (events int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.batches {
		events += j.batches[i].events
	}
	return events
}

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
	j.seq++
	j.batches = append(j.batches, batch{seq: j.seq, messages: append([]byte(nil), messages...), events: events})
	j.bytes.Add(int64(len(messages)))
	return j.seq
}

// Again appends batches without confirmation, with a ping behind each, from the
// one after number on (0: the first): a few. It returns the number of the last
// one, or number when there is none.
func (j *Journal) Again(dst []byte, number uint32, ping func([]byte, uint32) []byte) ([]byte, uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := 1 + slices.IndexFunc(j.batches, func(b batch) bool { return b.seq == number })
	for i := from; i < len(j.batches) && len(dst) < batchSize; i++ {
		number = j.batches[i].seq
		dst = ping(append(dst, j.batches[i].messages...), number)
	}
	return dst, number
}

// has reports whether a batch is not confirmed.
func (j *Journal) has(seq uint32) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.batches, func(b batch) bool { return b.seq == seq })
}

// Confirm forgets the batches up to seq. A number that was not given, or not
// lately, says nothing.
func (j *Journal) Confirm(seq uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for i := range j.batches {
		if j.batches[i].seq == seq {
			n = i + 1
		}
	}
	if n == 0 {
		return
	}
	for i := range n {
		j.bytes.Add(-int64(len(j.batches[i].messages)))
		j.marked = max(j.marked, j.batches[i].mark)
	}
	j.batches = append(j.batches[:0], j.batches[n:]...)
	j.window.Store(min(2*j.window.Load(), j.max))
	j.advanced.Store(true)
	select {
	case j.room <- struct{}{}:
	default:
	}
}
