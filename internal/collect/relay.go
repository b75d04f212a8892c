package collect

import (
	"slices"
	"sync"

	"romanesco/internal/catalog"
	"romanesco/internal/event"
	"romanesco/internal/wire"
)

// maxSeen is how many names are taken over from what peers ask for.
const maxSeen = 8 << 10

// relay knows who asks for what: which events a destination is asked for, and to
// whom those go that arrive.
type relay struct {
	catalog catalog.Catalog

	mu sync.RWMutex
	// seen are the names that peers have asked for and the catalogue has not.
	seen map[string]bool
	// members are the peers, each with the names that it was asked for.
	members map[*session]map[string]bool
	// wants are those who have asked for an event. The slices are not changed.
	wants map[string][]*session
	// asked are the names that each of them has asked for.
	asked map[*session][]string
}

func (r *relay) init(c catalog.Catalog) {
	r.catalog = c
	r.seen, r.wants = map[string]bool{}, map[string][]*session{}
	r.members, r.asked = map[*session]map[string]bool{}, map[*session][]string{}
}

// join adds a peer, and returns the events to ask it for: those of the catalogue
// and, when they can be sent on, those that others have asked for.
func (r *relay) join(s *session) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := r.catalog.Select(s.dest.Wants)
	if s.queue == nil {
		return names
	}
	for name := range r.seen {
		if s.dest.Wants(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	of := make(map[string]bool, len(names))
	for _, name := range names {
		of[name] = true
	}
	r.members[s] = of
	return names
}

// want adds an event that a peer asks for, and asks those for it who may have it.
// It reports whether the event is known.
func (r *relay) want(s *session, name string) (known bool) {
	_, known = r.catalog[name]
	if s.queue == nil {
		return known
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wants[name] = append(slices.Clip(r.wants[name]), s)
	r.asked[s] = append(r.asked[s], name)
	if known {
		return true
	}
	if !r.seen[name] {
		if len(r.seen) == maxSeen {
			return false
		}
		r.seen[name] = true
	}
	for m, of := range r.members {
		if m == s || !m.dest.Wants(name) {
			continue
		}
		known = true
		if !of[name] {
			of[name] = true
			m.put(item{request: name})
		}
	}
	return known
}

// leave forgets a peer.
func (r *relay) leave(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, s)
	for _, name := range r.asked[s] {
		rest := slices.DeleteFunc(slices.Clone(r.wants[name]), func(o *session) bool { return o == s })
		if len(rest) == 0 {
			delete(r.wants, name)
		} else {
			r.wants[name] = rest
		}
	}
	delete(r.asked, s)
}

// publish sends an event on to those who have asked for it, but for the one that
// it comes from.
func (r *relay) publish(from *session, ev *event.Event) {
	r.mu.RLock()
	to := r.wants[ev.Name]
	r.mu.RUnlock()
	if len(to) == 0 || len(to) == 1 && to[0] == from {
		return
	}
	enc := wire.Encoder{Named: true}
	payload, err := enc.AppendSerialEvent(nil, ev)
	if err != nil {
		from.note.Logf("not sent on: %v", err)
		return
	}
	for _, s := range to {
		if s != from {
			s.put(item{event: payload})
		}
	}
}
