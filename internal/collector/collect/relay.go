package collect

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// What peers may ask for beyond the catalogue. A Bro with all of its scripts asks
// for a few hundred names.
const (
	maxForeign     = 8 << 10 // in all
	maxForeignPeer = 1000    // of one peer
	maxForeignHost = 2000    // that the peers of one address were the first to ask for
	maxForeignName = 128     // bytes of a name
	// maxExtra is how many of them a connection is asked for until it ends: the
	// protocol cannot take a request back.
	maxExtra = 4 << 10
	// maxVerdicts is how many names are remembered with the patterns that match.
	maxVerdicts = 16 << 10
)

// relay knows who is asked for what and who asks for what: which events a peer is
// asked for, and to whom those go that arrive.
type relay struct {
	now atomic.Pointer[view] // changed with mu held

	mu       sync.RWMutex
	sessions map[*session]bool // whose roles are known
	// wants are those who have asked for an event, asked the names that each of
	// them has asked for.
	wants map[string]map[*session]bool
	asked map[*session]*asker
	// foreign are the names that peers have asked for and the catalogue has not,
	// hosts says of how many of them an address is the first that did.
	foreign map[string]foreign
	hosts   map[netip.Addr]int
}

// asker is what a peer has asked for.
type asker struct {
	names   []string
	foreign int // of these
}

// foreign is a name that peers have asked for.
type foreign struct {
	audiences []*audience
	first     netip.Addr // whose peer was the first
}

func (r *relay) init(v *view) {
	r.now.Store(v)
	r.sessions = map[*session]bool{}
	r.forgetAll()
}

// forgetAll forgets what peers have asked for.
func (r *relay) forgetAll() {
	r.wants, r.asked = map[string]map[*session]bool{}, map[*session]*asker{}
	r.foreign, r.hosts = map[string]foreign{}, map[netip.Addr]int{}
}

// join adds a peer whose class is known, and returns the events to ask it for: those
// of the catalogue first and, when they can be sent on, those that others have asked
// for. why says why it is no destination.
func (r *relay) join(s *session) (names []string, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ro, why := r.now.Load().role(s)
	s.role.Store(ro)
	r.sessions[s] = true
	a := ro.audience
	if a == nil {
		return nil, why
	}
	s.told = append(s.told, a.has)
	if s.queue == nil {
		return a.own, ""
	}
	a.members[s] = true
	names = slices.Sorted(maps.Keys(a.foreign))
	names = names[:min(len(names), maxExtra)]
	for _, name := range names {
		s.extra[name] = true
	}
	return slices.Concat(a.own, names), ""
}

// requested reports whether a peer of an audience has been asked for an event.
func (r *relay) requested(s *session, a *audience, name string) bool {
	if a.has[name] {
		return true
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return s.extra[name]
}

// want adds an event that a peer asks for, and asks those for it who may have it.
// It reports whether anybody can have it.
func (r *relay) want(s *session, name string) bool {
	for {
		v := r.now.Load()
		_, known := v.catalog[name]
		if s.queue == nil {
			return known
		}
		var may []*audience
		if !known {
			if may = v.judge(name); len(may) == 0 {
				return false
			}
		}
		if added, done := r.addIn(v, s, name, known, may); done {
			return added
		}
	}
}

// addIn adds it if v is what counts; else there was a reload in between.
func (r *relay) addIn(v *view, s *session, name string, known bool, may []*audience) (added, done bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now.Load() != v {
		return false, false
	}
	return r.add(s, name, known, may), true
}

// add adds it, with the lock held. may are those who may have a name that the
// catalogue has not.
func (r *relay) add(s *session, name string, known bool, may []*audience) bool {
	if r.wants[name][s] {
		return true // at a reload
	}
	of := r.asked[s]
	if of == nil {
		of = &asker{}
		r.asked[s] = of
	}
	if !known && !r.admit(s, of, name, may) {
		return false
	}
	of.names = append(of.names, name)
	if r.wants[name] == nil {
		r.wants[name] = map[*session]bool{}
	}
	r.wants[name][s] = true
	if !known {
		r.spread(s, name, may)
	}
	return true
}

// admit makes a name foreign if it is not yet, within the bounds.
func (r *relay) admit(s *session, of *asker, name string, may []*audience) bool {
	if of.foreign == maxForeignPeer {
		return false
	}
	if _, known := r.foreign[name]; !known {
		host := s.host().WithZone("")
		if len(r.foreign) == maxForeign || r.hosts[host] == maxForeignHost {
			return false
		}
		r.foreign[name] = foreign{may, host}
		r.hosts[host]++
		for _, a := range may {
			a.foreign[name] = true
		}
	}
	of.foreign++
	return true
}

// spread asks all for a foreign name but who asks for it: when the first one
// does, and when a second one does, the first one too.
func (r *relay) spread(s *session, name string, may []*audience) {
	switch of := r.wants[name]; len(of) {
	case 1:
		for _, a := range may {
			for m := range a.members {
				if m != s {
					m.ask(name)
				}
			}
		}
	case 2:
		for m := range of {
			if ro := m.role.Load(); m != s && ro != nil && slices.Contains(may, ro.audience) {
				m.ask(name)
			}
		}
	}
}

// ask asks the peer for one more event. The lock of the relay is held.
func (s *session) ask(name string) {
	if len(s.extra) < maxExtra && !s.extra[name] {
		s.extra[name] = true
		if !s.wasTold(name) {
			s.put(item{request: name})
		}
	}
}

// leave forgets a peer, and the names that nobody asks for but it.
func (r *relay) leave(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s)
	if ro := s.role.Load(); ro != nil && ro.audience != nil {
		delete(ro.audience.members, s)
	}
	of := r.asked[s]
	if of == nil {
		return
	}
	delete(r.asked, s)
	for _, name := range of.names {
		delete(r.wants[name], s)
		if len(r.wants[name]) == 0 {
			delete(r.wants, name)
			r.forget(name)
		}
	}
}

func (r *relay) forget(name string) {
	f, known := r.foreign[name]
	if !known {
		return
	}
	delete(r.foreign, name)
	if r.hosts[f.first]--; r.hosts[f.first] == 0 {
		delete(r.hosts, f.first)
	}
	for _, a := range f.audiences {
		delete(a.foreign, name)
	}
}

// wanting returns those who have asked for an event, but for one: until the next
// call for that one.
func (r *relay) wanting(name string, but *session) []*session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	to := but.to[:0]
	for s := range r.wants[name] {
		if s != but {
			to = append(to, s)
		}
	}
	but.to = to
	return to
}

// publish sends an event on to those who have asked for it, but for the one that
// it comes from.
func (r *relay) publish(from *session, ev *event.Event) {
	to := r.wanting(ev.Name, from)
	if len(to) == 0 {
		return
	}
	enc := wire.Encoder{Named: true}
	payload, err := enc.AppendSerialEvent(nil, ev)
	if err != nil {
		from.note.Logf("not sent on: %v", err)
		return
	}
	for _, s := range to {
		s.put(item{event: payload})
	}
	clear(to) // who has left is not to be held
}
