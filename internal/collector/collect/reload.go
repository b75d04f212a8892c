package collect

import (
	"cmp"
	"errors"
	"fmt"

	"romanesco/internal/collector/catalog"
	"romanesco/internal/collector/commlog"
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
	for name := range s.extra {
		if now.audience == nil || now.audience.has[name] || !now.audience.match(name) {
			delete(s.extra, name)
		}
	}
	more := r.assign(s, before, now)
	s.askAll(more)
	return recast{s, before, now, why, len(more)}
}

// assign puts a peer into its audience, and returns what it was not asked for in the
// one before.
func (r *relay) assign(s *session, before, now *role) (more []string) {
	if now.audience == nil {
		return nil
	}
	if s.queue != nil {
		now.audience.members[s] = true
	}
	for _, name := range now.audience.own {
		if before.audience == nil || !before.audience.has[name] {
			more = append(more, name)
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

// askAll asks the peer for events that it has not been asked for. The lock of the
// relay is held.
func (s *session) askAll(names []string) {
	switch {
	case len(names) == 0:
	case s.queue != nil:
		for _, name := range names {
			s.put(item{request: name})
		}
	case !s.up:
		s.later = append(s.later, names...)
	default:
		go s.request(names)
	}
}

// request asks the peer, which may not take it: then who receives says so.
func (s *session) request(names []string) {
	if len(names) == 0 {
		return
	}
	if err := errors.Join(s.conn.Request(names), s.conn.Flush()); err != nil {
		_ = s.conn.Close()
	}
}

// opened asks for what has come up while the connection was being opened.
func (r *relay) opened(s *session) {
	r.mu.Lock()
	s.up = true
	names := s.later
	s.later = nil
	r.mu.Unlock()
	s.request(names)
}
