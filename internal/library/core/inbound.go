package core

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
)

const (
	// chunkSize is by how much memory grows for events that wait.
	chunkSize = 256 << 10
	// drainTime is how long a host may take nothing of what waits, once the
	// connection is lost for good, before that is dropped.
	drainTime = 10 * time.Second
)

// inbound holds the events that the host has no room for in its ring: a Zeek ends
// the connection of who does not read for some seconds, so that reading does not
// wait for the host. What comes when there is no room here either is dropped.
type inbound struct {
	most int           // bytes of memory
	some chan struct{} // readable when something waits
	room chan struct{} // readable when the host may have made room

	dropped  atomic.Uint64
	told     bool
	waiting  atomic.Int64 // bytes of records
	buffered atomic.Int64 // bytes of the peer's that were read and not decoded

	mu     sync.Mutex // guards the producer's end of the ring, and:
	chunks [][]byte   // records, one behind another; oldest first
	off    int        // in the first one: what comes before is in the ring
	held   int        // bytes of memory in chunks
	spare  []byte
}

// newInbound makes one that takes so many bytes: a third of them is the garbage
// collector's, which lets memory grow by half before it looks.
func newInbound(bytes uint64) *inbound {
	return &inbound{
		most: int(bytes / 3 * 2),
		some: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
}

// offer puts a record into the ring if there is room for it and nothing waits, or
// has it wait. It reports false when it had to drop it.
func (in *inbound) offer(l *link, rec []byte) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.chunks) == 0 && putNow(l, rec, in.most) {
		return true
	}
	if !in.keep(rec) {
		in.dropped.Add(1)
		return false
	}
	in.waiting.Add(int64(len(rec)))
	signal(in.some)
	return true
}

func (in *inbound) keep(rec []byte) bool {
	if n := len(in.chunks); n > 0 {
		if last := in.chunks[n-1]; cap(last)-len(last) >= len(rec) {
			in.chunks[n-1] = append(last, rec...)
			return true
		}
	}
	size := max(chunkSize, len(rec))
	if in.held+size > in.most {
		return false
	}
	chunk := in.spare
	if in.spare = nil; cap(chunk) < size {
		chunk = make([]byte, 0, size)
	}
	in.chunks = append(in.chunks, append(chunk[:0], rec...))
	in.held += cap(chunk)
	return true
}

// move puts what waits into the ring, as far as there is room, and reports whether
// it has let the host see anything.
func (in *inbound) move(l *link) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.chunks) > 0 {
		first := in.chunks[0]
		rec := first[in.off:]
		rec = rec[:binary.NativeEndian.Uint32(rec)]
		if !putNow(l, rec, in.most) {
			break
		}
		in.waiting.Add(-int64(len(rec)))
		if in.off += len(rec); in.off == len(first) {
			in.drop()
		}
	}
	return l.in.Publish()
}

// drop lets go of the first chunk.
func (in *inbound) drop() {
	first := in.chunks[0]
	in.held -= cap(first)
	in.chunks, in.off = in.chunks[1:], 0
	if in.spare = nil; cap(first) == chunkSize {
		in.spare = first
	}
	if len(in.chunks) == 0 {
		in.chunks, in.spare = nil, nil
	}
}

// discard drops all that waits.
func (in *inbound) discard() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.chunks) > 0 {
		for rest := in.chunks[0][in.off:]; len(rest) > 0; in.dropped.Add(1) {
			rest = rest[binary.NativeEndian.Uint32(rest):]
		}
		in.drop()
	}
	in.waiting.Store(0)
}

// show lets the host see what is in its ring, and reports whether there is more.
func (in *inbound) show(l *link) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return l.in.Publish()
}

// putNow puts a record, or a pointer to a copy of one that is large, into the ring
// if there is room.
func putNow(l *link, rec []byte, far int) bool {
	if len(rec) <= nearMax {
		return l.in.Put(rec)
	}
	size, waiting := uint64(len(rec)), atomic.LoadUint64(l.farIn())
	if waiting > 0 && waiting+size > uint64(min(far, farMax)) || !l.in.Fits(flat.FarSize) {
		return false
	}
	at, ok := l.Far.Put(rec)
	if !ok {
		return false // there may be memory later
	}
	atomic.AddUint64(l.farIn(), size)
	return l.in.Put(flat.FarRecord(at, size))
}

func (in *inbound) counters() []counter {
	if in == nil {
		return nil
	}
	return []counter{{"dropped", in.dropped.Load()}}
}

// take gives the host an event, or has it wait, and tells once that one had to be
// dropped.
func (c *conn) take(rec []byte) {
	in := c.inbound
	if in.offer(c.link, rec) || in.told {
		return
	}
	in.told = true
	c.warnf("the program does not process events as fast as they come: %d bytes of them wait (zeek_inbound), and some are dropped",
		in.waiting.Load())
}

// feed gives the host what waits, as it makes room, until the run ends.
func (c *conn) feed(r *run) {
	in := c.inbound
	for {
		select {
		case <-r.done:
			return
		case <-in.some:
		}
		for in.waiting.Load() > 0 {
			atomic.StoreUint32(c.link.starved(), 1)
			if in.move(c.link) {
				c.signal()
			}
			c.publishReceived()
			select {
			case <-r.done:
				signal(in.some) // for the next run
				return
			case <-in.room:
			case <-time.After(roomPoll):
			}
		}
	}
}

// publishReceived tells the host how much waits for it in the core.
func (c *conn) publishReceived() {
	atomic.StoreUint32(c.link.received(), uint32(c.inbound.waiting.Load()+c.inbound.buffered.Load()))
}

// drain waits, once the connection is lost for good, until the host has what was
// received, as long as it takes some of it.
func (c *conn) drain(r *run) {
	if c.inbound == nil {
		return
	}
	left, since := c.inbound.waiting.Load(), time.Now()
	for left > 0 && time.Since(since) < drainTime {
		select {
		case <-c.ending:
			return
		case <-r.halt:
			return
		case <-time.After(roomPoll):
		}
		if now := c.inbound.waiting.Load(); now != left {
			left, since = now, time.Now()
		}
	}
	c.inbound.discard()
}
