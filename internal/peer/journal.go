package peer

import (
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
	max   int64
	room  chan struct{}
	bytes atomic.Int64 // in batches

	mu      sync.Mutex
	batches []batch // those without confirmation, oldest first
	seq     uint32  // of the newest batch
}

// batch is the encoded messages of events that are confirmed together.
type batch struct {
	seq      uint32
	messages []byte
	events   int
}

// NewJournal returns a Journal that is full from max bytes on.
func NewJournal(max int) *Journal {
	return &Journal{max: int64(max), room: make(chan struct{}, 1)}
}

// Full reports whether nothing should be sent until there is Room.
func (j *Journal) Full() bool { return j.bytes.Load() >= j.max }

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

// Add keeps a copy of messages, and returns the number of the batch.
func (j *Journal) Add(messages []byte, events int) uint32 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	j.batches = append(j.batches, batch{j.seq, append([]byte(nil), messages...), events})
	j.bytes.Add(int64(len(messages)))
	return j.seq
}

// Again appends everything without confirmation, ping behind each batch, and
// returns the number of the last one too.
func (j *Journal) Again(dst []byte, ping func([]byte, uint32) []byte) ([]byte, uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	last := uint32(0)
	for i := range j.batches {
		last = j.batches[i].seq
		dst = ping(append(dst, j.batches[i].messages...), last)
	}
	return dst, last
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
	}
	j.batches = append(j.batches[:0], j.batches[n:]...)
	select {
	case j.room <- struct{}{}:
	default:
	}
}
