// Package traffic counts what passes on connections. It imports nothing of this
// project: the connection counts, the logs and the metrics read.
package traffic

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Counters belong to one connection. Nobody else writes to them, so that they
// cost little.
type Counters struct {
	bytesIn, bytesOut   atomic.Uint64
	chunksIn, chunksOut atomic.Uint64
	reads, writes       atomic.Uint64
	eventsIn, eventsOut atomic.Uint64
	skipped, ignored    atomic.Uint64
	pending, waiting    atomic.Int64
}

// Read counts a read of n bytes, after which chunks have been taken off the
// stream since it began.
func (c *Counters) Read(n int, chunks uint64) {
	if n > 0 {
		c.reads.Add(1)
		c.bytesIn.Add(uint64(n))
	}
	c.chunksIn.Store(chunks)
}

// Received counts an event that has come.
func (c *Counters) Received() { c.eventsIn.Add(1) }

// Skipped counts a payload that could not be decoded.
func (c *Counters) Skipped() { c.skipped.Add(1) }

// Ignored counts an event that the peer was not asked for.
func (c *Counters) Ignored() { c.ignored.Add(1) }

// Sent counts events that have been accepted for sending.
func (c *Counters) Sent(events int) { c.eventsOut.Add(uint64(events)) }

// Wrote counts a write of n bytes.
func (c *Counters) Wrote(n, chunks int) {
	if n > 0 {
		c.writes.Add(1)
		c.bytesOut.Add(uint64(n))
		c.chunksOut.Add(uint64(chunks))
	}
}

// Pending says how many chunks wait to be written.
func (c *Counters) Pending(chunks int) { c.pending.Store(int64(chunks)) }

// Waiting adds to the chunks that wait to be handed to the connection.
func (c *Counters) Waiting(chunks int) { c.waiting.Add(int64(chunks)) }

// Totals returns what has been counted so far.
func (c *Counters) Totals() Totals {
	return Totals{
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		ChunksIn: c.chunksIn.Load(), ChunksOut: c.chunksOut.Load(),
		Reads: c.reads.Load(), Writes: c.writes.Load(),
		EventsIn: c.eventsIn.Load(), EventsOut: c.eventsOut.Load(),
		Skipped: c.skipped.Load(), Ignored: c.ignored.Load(), Pending: c.pending.Load() + c.waiting.Load(),
	}
}

// Totals are counts at some time. In is what has come from the peer.
type Totals struct {
	BytesIn, BytesOut   uint64
	ChunksIn, ChunksOut uint64
	Reads, Writes       uint64 // those that moved at least a byte
	EventsIn, EventsOut uint64
	Skipped             uint64 // payloads that could not be decoded
	Ignored             uint64 // of EventsIn those that the peer was not asked for
	Pending             int64  // chunks that wait to be written
}

func (t *Totals) add(o Totals) {
	t.BytesIn += o.BytesIn
	t.BytesOut += o.BytesOut
	t.ChunksIn += o.ChunksIn
	t.ChunksOut += o.ChunksOut
	t.Reads += o.Reads
	t.Writes += o.Writes
	t.EventsIn += o.EventsIn
	t.EventsOut += o.EventsOut
	t.Skipped += o.Skipped
	t.Ignored += o.Ignored
	t.Pending += o.Pending
}

// Ledger has the counters of the connections that are open, and the sum of those
// that were. The zero value is ready.
type Ledger struct {
	mu   sync.Mutex
	open []*Counters // in the order of opening
	past Totals
}

// Open returns the counters for a new connection.
func (l *Ledger) Open() *Counters {
	c := new(Counters)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, c)
	return c
}

// Close keeps what a connection has counted, without what was pending.
func (l *Ledger) Close(c *Counters) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.open, c); i >= 0 {
		l.open = slices.Delete(l.open, i, i+1)
		t := c.Totals()
		t.Pending = 0
		l.past.add(t)
	}
}

// Totals returns the sum, and the counts of each open connection.
func (l *Ledger) Totals() (sum Totals, each []Totals) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum, each = l.past, make([]Totals, len(l.open))
	for i, c := range l.open {
		each[i] = c.Totals()
		sum.add(each[i])
	}
	return sum, each
}
