package server

import (
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/core"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// member is a link that a trunk serves.
type member struct {
	trunk  *trunk
	link   *link
	toCore *os.File
	toHost *os.File
	bell   chan struct{} // has the host be woken, by a goroutine that may have to wait for that
	ending chan struct{} // closed when the host has ended it
	done   chan struct{} // closed when nothing is taken off its ring any more

	mu     sync.Mutex
	names  map[string]bool
	marks  []mark // of what it has sent, oldest first
	gone   bool   // what it has sent is nobody's any more
	passed chan struct{}
	told   bool   // that events are dropped
	stuck  uint64 // where its ring was when it was waited for in vain; of the trunk's goroutine, as told

	dec flat.Decoder // of what it sends, to look at it
	ev  event.Event
}

// mark says that what a member has sent up to a place of its ring is before one in the trunk's.
type mark struct {
	pos, until uint64
	fars       []far
	bytes      uint64 // of these
}

// far is a large record in the memory of the member.
type far struct{ at, size uint64 }

func newMember(t *trunk, l *link) *member {
	return &member{
		trunk: t, link: l, toCore: pollable(l.wakers[0]),
		bell: make(chan struct{}, 1), ending: make(chan struct{}), done: make(chan struct{}), passed: make(chan struct{}, 1),
		names: make(map[string]bool), stuck: math.MaxUint64,
	}
}

func (m *member) start() {
	go m.pump()
	go m.ring()
}

// ring wakes the host when it has something to see.
func (m *member) ring() {
	for {
		select {
		case <-m.bell:
			if f := m.waker(); f != nil {
				_, _ = f.Write(native.AppendUint64(nil, 1))
			}
		case <-m.ending:
			return
		}
	}
}

// waker returns what wakes the host, nil if it is awake or gone.
func (m *member) waker() *os.File {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone || !core.Signals(m.link.Memory) {
		return nil
	}
	return m.toHost
}

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
	k := mark{pos: begin}
	var events uint64
	m.trunk.mu.Lock()
	defer m.trunk.mu.Unlock() // also in a panic: what a host writes is its own matter
	defer m.trunk.wake()
	for k.pos < head && k.pos-begin < batchBytes && err == nil && !full {
		rec, next, failed := out.Next(k.pos, head)
		if err = failed; err != nil {
			break
		}
		if rec != nil {
			full, err = m.pass(rec, &k, &events)
		}
		if err == nil && !full {
			k.pos = next
		}
	}
	if k.pos > begin {
		m.note(k)
		core.Took(m.link.Memory, k.pos)
		atomic.AddUint64(&m.link.Link.Done, events)
	}
	return k.pos > begin, full, err
}

// pass gives the trunk one record, if it holds together: the connection is not the host's alone.
func (m *member) pass(rec []byte, k *mark, events *uint64) (full bool, err error) {
	rec, f, err := m.whole(rec)
	if err != nil {
		return false, err
	}
	if f.size > 0 && m.outside(k) > 0 && m.outside(k)+f.size > shared.FarMax {
		return true, nil
	}
	if ring.Kind(rec) == flat.KindRequest {
		m.request(rec)
		return false, nil
	}
	if err := m.check(rec); err != nil {
		return false, err
	}
	at := m.trunk.put(rec)
	if at == 0 {
		return true, nil
	}
	k.until = at
	*events++
	if f.size > 0 {
		atomic.AddUint64(&m.link.Link.FarOutBytes, -f.size)
		k.fars = append(k.fars, f)
		k.bytes += f.size
	}
	return false, nil
}

// outside is how many bytes of large records wait in the trunk.
func (m *member) outside(k *mark) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := k.bytes
	for _, k := range m.marks {
		n += k.bytes
	}
	return n
}

// check looks whether the core will be able to read a record.
func (m *member) check(rec []byte) error {
	switch ring.Kind(rec) {
	case flat.KindEvent:
		return m.dec.Event(rec, &m.ev)
	case flat.KindRaw:
		b, err := flat.Raw(rec)
		if err != nil {
			return err
		}
		if _, ok := wire.SerialEventName(b); !ok {
			return fmt.Errorf("%w: an event in raw form", errFar)
		}
		return nil
	default:
		return fmt.Errorf("%w: kind %d", ring.ErrCorrupt, ring.Kind(rec))
	}
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
	_ = m.toHost.Close()
	m.mu.Unlock()
	<-m.done
	_ = m.toCore.Close()
	return false
}

// --- From the peer ----------------------------------------------------------------------------

// handPatience is how long the events of others wait for a host that takes none of its own: once, and
// not again before it has taken some.
const handPatience = 200 * time.Millisecond

// hand gives the host an event, as it takes those before it, or drops it where that takes none.
func (m *member) hand(rec []byte) {
	done, seen := m.offer(rec)
	for since := time.Now(); !done; {
		if seen == m.stuck || time.Since(since) > handPatience || m.isEnding() {
			m.stuck = seen
			m.drop()
			return
		}
		m.show()
		time.Sleep(fullPause)
		var now uint64
		if done, now = m.offer(rec); now != seen {
			seen, since = now, time.Now()
		}
	}
}

// drop tells once that an event is lost to the host.
func (m *member) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.told && !m.gone {
		m.told = true
		core.Warn(m.link.Memory, "the program does not process what comes over the connection that it shares with others: events are dropped")
	}
}

// offer puts an event into the ring of the host, and returns how far that has come. It is done, too, when the
// host is gone, whose memory may be as well.
func (m *member) offer(rec []byte) (done bool, tail uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return true, 0
	}
	in, l := m.link.In, m.link.Link
	tail = in.Tail()
	if len(rec) <= shared.NearMax {
		return in.Put(rec), tail
	}
	if !in.Fits(flat.FarSize) {
		return false, tail
	}
	at, ok := m.link.Far.Put(rec)
	if !ok {
		return false, tail
	}
	atomic.AddUint64(&l.FarInBytes, uint64(len(rec)))
	return in.Put(flat.FarRecord(at, uint64(len(rec)))), tail
}

// show lets the host see what it was given.
func (m *member) show() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.gone && m.link.In.Publish() {
		signalled(m.bell)
	}
}

// signal has the host look.
func (m *member) signal() {
	signalled(m.bell)
}

func signalled(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// rewake takes what wakes the host from its last connect.
func (m *member) rewake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.toHost != nil {
		_ = m.toHost.Close()
	}
	m.toHost = pollable(m.link.wakers[1])
}
