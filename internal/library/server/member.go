package server

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"romanesco/internal/library/core"
	"romanesco/internal/library/flat"
	"romanesco/internal/library/ring"
	"romanesco/internal/library/shared"
)

// member is a link that a trunk serves.
type member struct {
	trunk  *trunk
	link   *link
	toCore *os.File
	toHost int
	ending chan struct{} // closed when the host has ended it
	done   chan struct{} // closed when nothing is taken off its ring any more

	mu     sync.Mutex
	names  map[string]bool
	marks  []mark // of what it has sent, oldest first
	gone   bool   // what it has sent is nobody's any more
	passed chan struct{}
}

// mark says that what a member has sent up to a place of its ring is before one in the trunk's.
type mark struct {
	pos, until uint64
	fars       []far
}

// far is a large record in the memory of the member.
type far struct{ at, size uint64 }

func newMember(t *trunk, l *link) *member {
	return &member{
		trunk: t, link: l, toCore: pollable(l.wakers[0]), toHost: number(l.wakers[1]),
		ending: make(chan struct{}), done: make(chan struct{}), passed: make(chan struct{}, 1),
		names: make(map[string]bool),
	}
}

func (m *member) start() { go m.pump() }

// wants adds to the events that the host has asked for.
func (m *member) wants(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range names {
		m.names[name] = true
	}
}

func (m *member) wanted(name []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.names[string(name)]
}

func (m *member) isEnding() bool {
	select {
	case <-m.ending:
		return true
	default:
		return false
	}
}

// --- To the peer ------------------------------------------------------------------------------

// fullPause is how long a member waits when the ring of the trunk is full.
const fullPause = 2 * time.Millisecond

// pump takes records off the ring of the host, and gives them to the trunk, until the host ends.
func (m *member) pump() {
	defer close(m.done)
	defer func() { _ = recover() }() // a host that writes nonsense is served no more
	for {
		ending := m.isEnding() // before the look at the ring
		some, full, err := m.take()
		switch {
		case err != nil:
			core.Abandon(m.link.Memory, err)
			return
		case full:
			if m.isGone() {
				return
			}
			time.Sleep(fullPause)
		case some:
		case ending:
			return
		default:
			m.sleep()
		}
	}
}

// batchBytes is how much is taken off a ring at a time.
const batchBytes = 32 << 10

// take moves a batch. full: the trunk has no room for more.
func (m *member) take() (some, full bool, err error) {
	out := m.link.Out
	begin, head := out.Taken(), out.Head()
	pos, events, fars := begin, uint64(0), []far(nil)
	m.trunk.mu.Lock()
	until := uint64(0)
	for pos < head && pos-begin < batchBytes {
		rec, next, failed := out.Next(pos, head)
		if err = failed; err != nil || rec == nil {
			pos = next
			break
		}
		var f far
		if rec, f, err = m.whole(rec); err != nil {
			break
		}
		if ring.Kind(rec) == flat.KindRequest {
			m.request(rec)
		} else if at := m.trunk.put(rec); at > 0 {
			until = at
			events++
		} else {
			full = true
			break
		}
		if f.size > 0 {
			fars = append(fars, f)
		}
		pos = next
	}
	m.trunk.wake()
	m.trunk.mu.Unlock()
	if pos > begin {
		m.note(mark{pos, until, fars})
		core.Took(m.link.Memory, pos)
		atomic.AddUint64(&m.link.Link.Done, events)
	}
	return pos > begin, full, err
}

// whole returns a record itself.
func (m *member) whole(rec []byte) ([]byte, far, error) {
	if ring.Kind(rec) != flat.KindFar {
		return rec, far{}, nil
	}
	at, size, err := flat.Far(rec)
	if err != nil {
		return nil, far{}, err
	}
	if rec, err = m.link.Far.Get(at, size); err != nil {
		return nil, far{}, err
	}
	if ring.Kind(rec) == flat.KindFar {
		return nil, far{}, errFar
	}
	native.PutUint32(rec, uint32(len(rec)))
	atomic.AddUint64(&m.link.Link.FarOutBytes, -size)
	return rec, far{at, size}, nil
}

func (m *member) request(rec []byte) {
	b, err := flat.Raw(rec)
	if err != nil {
		return
	}
	names := core.Names(b)
	m.wants(names)
	m.trunk.ask(names)
}

// note remembers what was taken, until the peer has it.
func (m *member) note(k mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k.until == 0 && len(m.marks) > 0 {
		k.until = m.marks[len(m.marks)-1].until // nothing but requests
	}
	m.marks = append(m.marks, k)
}

// progress lets go of what has come past a place of the trunk's ring.
func (m *member) progress(past uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for n < len(m.marks) && m.marks[n].until <= past {
		n++
	}
	if n == 0 || m.gone {
		return
	}
	for _, k := range m.marks[:n] {
		for _, f := range k.fars {
			m.link.Far.Free(f.at, f.size)
		}
	}
	last := m.marks[n-1]
	m.marks = append(m.marks[:0], m.marks[n:]...)
	m.link.Out.Release(last.pos)
	core.Wrote(m.link.Memory, last.pos)
	select {
	case m.passed <- struct{}{}:
	default:
	}
}

func (m *member) isGone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gone
}

func (m *member) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.marks) == 0
}

// sleep waits until the host has produced something, or ends.
func (m *member) sleep() {
	atomic.StoreUint32(&m.link.Link.CoreAsleep, 1)
	if m.link.Out.Empty() && !m.isEnding() {
		var b [8]byte
		_, _ = m.toCore.Read(b[:])
	}
	atomic.StoreUint32(&m.link.Link.CoreAsleep, 0)
}

// finish has all that was accepted be written, for at most that long.
func (m *member) finish(timeout time.Duration) bool {
	close(m.ending)
	_ = m.toCore.SetReadDeadline(time.Unix(1, 0))
	late := time.After(timeout)
	for written := false; !written; {
		select {
		case <-m.done:
			written = m.empty()
			if !written {
				select {
				case <-m.passed:
				case <-time.After(fullPause):
				case <-late:
					return m.giveUp()
				}
			}
		case <-late:
			return m.giveUp()
		}
	}
	m.giveUp()
	return true
}

// giveUp has nobody touch the memory of the host any more.
func (m *member) giveUp() bool {
	m.mu.Lock()
	m.gone = true
	m.mu.Unlock()
	<-m.done
	_ = m.toCore.Close()
	return false
}

// --- From the peer ----------------------------------------------------------------------------

// handPatience is how long the events of others wait for a host that takes none of its own.
const handPatience = time.Second

// hand gives the host an event, or drops it where that takes none.
func (m *member) hand(rec []byte) {
	for end := time.Now().Add(handPatience); !m.offer(rec); time.Sleep(fullPause) {
		if m.isEnding() || time.Now().After(end) {
			return
		}
		m.show()
	}
}

func (m *member) offer(rec []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return true
	}
	in, l := m.link.In, m.link.Link
	if len(rec) <= shared.NearMax {
		return in.Put(rec)
	}
	if !in.Fits(flat.FarSize) {
		return false
	}
	at, ok := m.link.Far.Put(rec)
	if !ok {
		return false
	}
	atomic.AddUint64(&l.FarInBytes, uint64(len(rec)))
	return in.Put(flat.FarRecord(at, uint64(len(rec))))
}

// show lets the host see what it was given.
func (m *member) show() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.gone && m.link.In.Publish() {
		core.Signal(m.link.Memory, m.toHost)
	}
}

// signal has the host look.
func (m *member) signal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.gone {
		core.Signal(m.link.Memory, m.toHost)
	}
}

// rewake takes what wakes the host from its last connect.
func (m *member) rewake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.toHost = number(m.link.wakers[1])
}
