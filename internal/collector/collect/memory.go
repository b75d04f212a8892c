package collect

import (
	"errors"
	"fmt"
	"runtime/debug"

	"romanesco/internal/event"
	"romanesco/internal/protocol/wire"
)

// Of Limits.Memory half is for what peers send and a quarter for what waits for
// those that are sent to: neither takes it from the other. The last quarter is what
// the garbage collector needs to work with.
func (l Limits) incoming() int64 { return l.Memory / 2 }
func (l Limits) outgoing() int64 { return l.Memory / 4 }

const (
	// memoryBase is what the program has without peers, of which most is not the
	// runtime's; memoryPeer is what each takes that does nothing out of the ordinary.
	memoryBase = 32 << 20
	memoryPeer = 128 << 10
	// memorySteps is how many peers come or go until the limit is set anew.
	memorySteps = 256
)

// holdMemory tells the runtime how much memory there is for the peers that are
// connected: it collects garbage more often before it takes more than that.
func (c *Collector) holdMemory() {
	if !c.cfg.HoldMemory {
		return
	}
	peers := (c.gate.Open.Load()/memorySteps + 1) * memorySteps
	if c.held.Swap(peers) != peers {
		debug.SetMemoryLimit(c.cfg.Limits.Memory + memoryBase/4 + peers*memoryPeer)
	}
}

// largeEvent is from what size on an event is written for itself.
const largeEvent = 128 << 10

// errTooLarge says that an event does not go into the memory that there is.
var errTooLarge = errors.New("too large an event for -max-memory")

// addLarge writes an event that takes much memory as a line. Only one such event at
// a time is being written, so that the memory for it is needed once.
func (s *session) addLarge(ev *event.Event, add func()) error {
	// A line grows by copying, and may be copied once more behind a heading; what is
	// sent on is made beside it.
	const copies = 3
	need := copies * lineSize(ev)
	if int64(need) > s.c.cfg.Limits.incoming() {
		s.count.Skipped()
		s.note.Logf("event %.80q is skipped: it takes %d bytes to write: %v", ev.Name, need, errTooLarge)
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.c.large.Lock()
	defer s.c.large.Unlock()
	if !s.c.memory.Take(need) {
		return fmt.Errorf("%w: no memory is left to write an event; other peers have it", wire.ErrLimit)
	}
	defer s.c.memory.Give(need)
	add()
	return s.flush()
}

// lineSize returns the most that an event takes as a line.
func lineSize(ev *event.Event) int {
	n := 256 + textSize(ev.Name)
	for i := range ev.Args {
		n += valueSize(&ev.Args[i])
	}
	return n
}

func valueSize(v *event.Value) int {
	const other = 64 // of numbers, addresses and so on, with what is around them
	n := other + textSize(v.Field) + textSize(v.TypeName) + textSize(v.Bytes)
	for i := range v.Elems {
		n += valueSize(&v.Elems[i])
	}
	return n
}

// textSize counts as many bytes as there may be of a text when it is escaped.
func textSize[T string | []byte](s T) (n int) {
	const escaped = 6 // \u0001
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			n++
		} else {
			n += escaped
		}
	}
	return n
}

// makeRoom cuts off the peer for which most waits, when all that waits has become
// too much: not the one that happens to be sent the next event.
func (c *Collector) makeRoom() bool {
	c.sending.Lock()
	var most *session
	for s := range c.senders {
		if s.cut.Load() == nil && (most == nil || s.queue.size() > most.queue.size()) {
			most = s
		}
	}
	c.sending.Unlock()
	if most == nil || most.queue.size() == 0 {
		return false
	}
	most.cutOff(fmt.Errorf("cut off: %s wait for it, more than for any other, and no memory is left", most.queue))
	return true
}
