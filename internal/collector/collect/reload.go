package collect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/commlog"
)

// Change has other events be known and other destinations be asked, and drops no
// peer: those that are connected are asked for what is new, and what they are not
// asked for any more is ignored. Those that we connect to are connected to or ended.
// What is agreed on when a connection begins counts for the next one. It returns
// how many peers are asked for more.
func (c *Collector) Change(known catalog.Catalog, all []Destination) (asked int) {
	c.changing.Lock()
	defer c.changing.Unlock()
	v := newView(known, all)
	start := c.links.update(v.destinations)
	changed := c.relay.change(v)
	start(c.connect)
	for i := range changed {
		changed[i].say()
		if changed[i].more > 0 {
			asked++
		}
	}
	return asked
}

// recast is what a change means for a peer.
type recast struct {
	s           *session
	before, now *role
	why         string // it is no destination
	more        int    // events that it is asked for
}

// say says so. It may wait for a disk, so that no lock is held.
func (r *recast) say() {
	if r.now.dest == nil && r.before.dest != nil {
		r.s.note.Logf("it is no destination any more: %s", cmp.Or(r.why, noDestination))
	}
	if now := r.now.dest.pattern(); now != "" && now != r.before.dest.pattern() {
		r.s.note.Requesting(commlog.Pattern(now))
	}
	if r.more > 0 {
		r.s.c.cfg.Messages.Debug(fmt.Sprintf("%s: asked for %d more events", r.s.from, r.more), r.s.attrs("events", r.more)...)
	}
}

// change has v be what counts from now on.
func (r *relay) change(v *view) (changed []recast) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Store(v)
	for s := range r.sessions {
		changed = append(changed, r.recast(s, v))
	}
	r.wantAnew(v)
	return changed
}

// recast has a peer be what it is by v, and asks it for what is new.
func (r *relay) recast(s *session, v *view) recast {
	before := s.role.Load()
	now, why := v.role(s)
	s.role.Store(now)
	if s.queue != nil && now.audience != nil {
		now.audience.members[s] = true
	}
	r.askAll(s)
	for name := range s.extra {
		if now.audience == nil || now.audience.has[name] || !now.audience.match(name) {
			delete(s.extra, name)
		}
	}
	return recast{s, before, now, why, now.audience.beyond(before.audience)}
}

// beyond returns how many events of the catalogue those are asked for beyond others. Either
// may be nil.
func (a *audience) beyond(others *audience) (more int) {
	if a == nil {
		return 0
	}
	for _, name := range a.own {
		if others == nil || !others.has[name] {
			more++
		}
	}
	return more
}

// wantAnew takes note again of all that peers have asked for: some of it may be known
// only now, or have been taken for unknown.
func (r *relay) wantAnew(v *view) {
	before := r.asked
	r.forgetAll()
	for s := range r.sessions {
		if s.queue == nil {
			continue
		}
		var names []string
		if s.up {
			names = s.conn.Wanted()
		} else if of := before[s]; of != nil {
			names = of.names
		}
		for _, name := range names {
			_, known := v.catalog[name]
			var may []*audience
			if !known {
				may = v.judge(name)
			}
			if known || len(may) > 0 {
				r.add(s, name, known, may)
			}
		}
	}
}

// askAll asks the peer for what its audience is asked for and it has never been. One
// goroutine at a time does: the peer may take nothing, and then it is found out what to
// ask for when it has. The lock of the relay is held.
func (r *relay) askAll(s *session) {
	names := s.untold()
	switch {
	case len(names) == 0:
	case s.queue != nil:
		s.tell()
		for _, name := range names {
			s.put(item{request: name})
		}
	case s.up && !s.asking:
		s.tell()
		s.asking = true
		go r.request(s, names)
	}
}

// request asks the peer, which may not take it: then who receives says so.
func (r *relay) request(s *session, names []string) {
	for ; len(names) > 0; names = r.rest(s) {
		if err := errors.Join(s.conn.Request(names), s.conn.Flush()); err != nil {
			_ = s.conn.Close()
			return
		}
	}
}

// rest returns what the peer is to be asked for now. With nothing, nobody asks any more.
func (r *relay) rest(s *session) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := s.untold()
	if s.asking = len(names) > 0; s.asking {
		s.tell()
	}
	return names
}

// opened asks for what has come up while the connection was being opened.
func (r *relay) opened(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.up = true
	r.askAll(s)
}

// untold returns what the audience is asked for and the peer has not been.
func (s *session) untold() (names []string) {
	a := s.role.Load().audience
	if a == nil {
		return nil
	}
	for _, name := range a.own {
		if !s.wasTold(name) {
			names = append(names, name)
		}
	}
	return names
}

func (s *session) wasTold(name string) bool {
	return slices.ContainsFunc(s.told, func(has map[string]bool) bool { return has[name] })
}

// tell takes note that the peer is asked for all that the audience is: the protocol cannot
// take it back. The names are those of the audience, of which peers have the same, and
// what is among them is not kept twice.
func (s *session) tell() {
	a := s.role.Load().audience
	if a == nil {
		return
	}
	s.told = slices.DeleteFunc(s.told, func(has map[string]bool) bool { return within(has, a.has) })
	s.told = append(s.told, a.has)
}

// within reports whether all names are among others.
func within(names, others map[string]bool) bool {
	if len(names) > len(others) {
		return false
	}
	for name := range names {
		if !others[name] {
			return false
		}
	}
	return true
}
