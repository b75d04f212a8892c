package server

import (
	"bytes"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/library/core"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
)

// trunk is one connection to a peer for the links of several processes: to the core it is a
// host of its own, whose rings are in this process.
type trunk struct {
	server *Server
	key    string
	core.Memory
	out, in        *ring.Ring // the host's ends
	toCore, toHost *os.File
	confirms       bool // the peer confirms: what is released it has

	joining sync.Mutex // of who connects it, or is the last to leave
	ended   bool       // under joining: another is to be made
	failed  error      // why it has ended, if that was a connect

	mu      sync.Mutex // of the outbound ring's end, and:
	members []*member
	asked   map[string]bool // events that the peer was asked for
}

const trunkRing = 4 << 20

func newTrunk(s *Server, key string, confirms bool) (*trunk, error) {
	l := new(shared.Link)
	out, in := make([]byte, trunkRing), make([]byte, trunkRing)
	t := &trunk{
		server: s, key: key, confirms: confirms, asked: make(map[string]bool),
		out: ring.New(&l.Out, out), in: ring.New(&l.In, in),
	}
	t.Memory = core.Memory{
		Link: l, Out: ring.New(&l.Out, out), In: ring.New(&l.In, in),
		Far: &heap{}, Keep: true, OnState: t.mirror, OnProgress: t.progress,
	}
	for _, f := range []**os.File{&t.toCore, &t.toHost} {
		fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			return nil, err
		}
		*f = os.NewFile(uintptr(fd), "trunk")
	}
	go t.distribute()
	return t, nil
}

// shareKey is what connections have in common that can be one: all settings but those that
// are of a process, or of one connect.
func shareKey(settings []byte) string {
	var key []byte
	for len(settings) > 0 && settings[0] != 0 {
		name, rest, _ := bytes.Cut(settings, []byte{0})
		value, rest, _ := bytes.Cut(rest, []byte{0})
		if !slices.Contains([]string{"pid", "program", "background", "anew"}, string(name)) {
			key = append(append(append(append(key, name...), 0), value...), 0)
		}
		settings = rest
	}
	return string(key)
}

// trunk finds the one for such connections, or makes it.
func (s *Server) trunk(key string, confirms bool) (*trunk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.trunks[key]; t != nil {
		return t, nil
	}
	t, err := newTrunk(s, key, confirms)
	if err == nil {
		s.trunks[key] = t
	}
	return t, err
}

// join connects the trunk if that is to be done, and has it serve a link.
func (s *Server) join(l *link, settings core.Settings, key string) core.Result {
	for {
		t, err := s.trunk(key, settings.Confirms())
		if err != nil {
			return core.Refuse(l.Memory, err)
		}
		t.joining.Lock()
		if t.ended {
			failed := t.failed
			t.joining.Unlock()
			if failed != nil {
				return core.Refuse(l.Memory, failed) // of the attempt that we have waited for
			}
			continue // the last one has just left
		}
		result := t.connect(settings)
		if result == core.Refused {
			t.failed = core.Error(t.Link)
			core.Refuse(l.Memory, t.failed)
			t.leaveIfEmpty(0)
		} else {
			t.serve(l, settings, result)
		}
		t.joining.Unlock()
		return result
	}
}

// connect makes an attempt unless the trunk is up, or being tried again.
func (t *trunk) connect(s core.Settings) core.Result {
	switch atomic.LoadUint32(&t.Link.State) {
	case shared.Up:
		return core.Connected
	case shared.Retry:
		return core.Trying
	case shared.New, shared.Down:
		t.Link.Move(shared.Opening)
	}
	for _, name := range s.Requests() {
		t.asked[name] = true
	}
	s.Wake(number(t.toCore), number(t.toHost), -1)
	return t.server.core.Connect(t.Memory, s)
}

func (t *trunk) serve(l *link, s core.Settings, result core.Result) {
	if l.member == nil {
		l.member = newMember(t, l)
	}
	l.member.rewake()
	l.member.wants(s.Requests())
	state := shared.Retry
	if result == core.Connected {
		state = shared.Up
	}
	t.mu.Lock()
	if !slices.Contains(t.members, l.member) {
		t.members = append(t.members, l.member)
		l.member.start()
	}
	t.ask(s.Requests())
	t.mu.Unlock()
	core.Mirror(l.Memory, t.Link, state)
}

// leave has a link served no more, once what it has accepted has been written, or in that time.
func (t *trunk) leave(m *member, timeout time.Duration) bool {
	written := m.finish(timeout)
	t.mu.Lock()
	t.members = slices.DeleteFunc(t.members, func(other *member) bool { return other == m })
	t.mu.Unlock()
	t.joining.Lock()
	defer t.joining.Unlock()
	t.leaveIfEmpty(timeout)
	return written
}

// leaveIfEmpty ends the trunk if it serves nobody. Under joining.
func (t *trunk) leaveIfEmpty(timeout time.Duration) {
	t.mu.Lock()
	empty := len(t.members) == 0
	t.mu.Unlock()
	if !empty || t.ended {
		return
	}
	t.ended = true
	t.server.mu.Lock()
	delete(t.server.trunks, t.key)
	t.server.mu.Unlock()
	t.Link.Move(shared.Closing)
	t.server.core.Close(timeout, t.Memory)
	_ = t.toCore.Close()
	_ = t.toHost.Close()
}

// --- To the peer ------------------------------------------------------------------------------

// put hands the core a record of a member, and returns its end in the ring; 0: there is no room
// now. Under mu.
func (t *trunk) put(rec []byte) uint64 {
	if len(rec) > shared.NearMax {
		at, _ := t.Far.Put(rec)
		far := flat.FarRecord(at, uint64(len(rec)))
		if !t.out.Put(far) {
			t.Far.Back(at, uint64(len(rec)))
			return 0
		}
	} else if !t.out.Put(rec) {
		return 0
	}
	t.out.Publish()
	return t.out.Head()
}

// ask asks the peer for events that it was not asked for. Under mu.
func (t *trunk) ask(names []string) {
	var more []byte
	for _, name := range names {
		if !t.asked[name] {
			t.asked[name] = true
			more = append(append(more, name...), 0)
		}
	}
	if len(more) > 0 && t.put(flat.Request(more)) == 0 {
		return // a ring that is full; the next connection asks
	}
	t.wake()
}

// wake wakes the core if it waits for us.
func (t *trunk) wake() {
	if atomic.SwapUint32(&t.Link.CoreAsleep, 0) != 0 {
		_, _ = t.toCore.Write(native.AppendUint64(nil, 1))
	}
}

// progress tells the members how far what they have sent has come.
func (t *trunk) progress() {
	past := t.Out.Tail()
	if !t.confirms {
		past = min(past, atomic.LoadUint64(&t.Link.Written))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.members {
		m.progress(past)
	}
}

// mirror tells the members of the state.
func (t *trunk) mirror(state uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.members {
		core.Mirror(m.link.Memory, t.Link, state)
		m.signal()
	}
}

// --- From the peer ----------------------------------------------------------------------------

// distribute hands what the peer sends to those that have asked for it, until the end.
func (t *trunk) distribute() {
	var b [8]byte
	for {
		if _, err := t.toHost.Read(b[:]); err != nil {
			return
		}
		atomic.StoreUint32(&t.Link.HostSignaled, 0)
		for t.deliver() {
		}
		if atomic.SwapUint32(&t.Link.CoreStarved, 0) != 0 {
			_, _ = t.toCore.Write(native.AppendUint64(nil, 1))
		}
	}
}

// deliver hands on what is in the ring, and reports whether there was anything.
func (t *trunk) deliver() bool {
	pos, head := t.in.Taken(), t.in.Head()
	if pos == head {
		return false
	}
	t.mu.Lock()
	members := slices.Clone(t.members)
	t.mu.Unlock()
	for n := 1; pos < head; n++ {
		rec, next, err := t.in.Next(pos, head)
		if err != nil || rec == nil {
			break
		}
		t.handOut(rec, members)
		pos = next
		t.in.Release(pos)
		if n%showEach == 0 {
			show(members)
		}
	}
	show(members)
	t.in.Release(head)
	return true
}

// showEach is after how many events hosts see what they were given.
const showEach = 32

func show(members []*member) {
	for _, m := range members {
		m.show()
	}
}

func (t *trunk) handOut(rec []byte, members []*member) {
	if ring.Kind(rec) == flat.KindFar {
		at, size, err := flat.Far(rec)
		if err != nil {
			return
		}
		whole, err := t.Far.Get(at, size)
		if err != nil {
			return
		}
		defer func() {
			atomic.AddUint64(&t.Link.FarInBytes, -size)
			t.Far.Free(at, size)
		}()
		rec = whole
	}
	name := flat.EventName(rec)
	for _, m := range members {
		if m.wanted(name) {
			m.hand(rec)
		}
	}
}

// heap has large records within this process.
type heap struct {
	mu      sync.Mutex
	last    uint64
	records map[uint64][]byte
}

func (h *heap) Get(at, _ uint64) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if rec, ok := h.records[at]; ok {
		return rec, nil
	}
	return nil, errFar
}

func (h *heap) Free(at, _ uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.records, at)
}

func (h *heap) Put(rec []byte) (uint64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.records == nil {
		h.records = make(map[uint64][]byte)
	}
	h.last++
	h.records[h.last] = slices.Clone(rec)
	return h.last, true
}

func (h *heap) Back(at, size uint64) { h.Free(at, size) }
