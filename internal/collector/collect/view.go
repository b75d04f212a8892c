package collect

import (
	"slices"
	"sync"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
)

// view is what peers are to us and are asked for, from one reload to the next. What
// its audiences say of peers is guarded by the lock of the relay; the rest stays.
type view struct {
	catalog      catalog.Catalog
	destinations []Destination
	audiences    map[string]*audience // by pattern

	judging  sync.Mutex // guards verdicts, for which nobody waits who has the relay's
	verdicts map[string][]*audience
}

// role is what a peer is to us.
type role struct {
	dest     *Destination // nil for a stranger
	audience *audience    // nil for one that is asked for nothing
}

// audience is what the destinations of one pattern have in common.
type audience struct {
	match func(event string) bool
	// own are the names of the catalogue that match, sorted; has is the same.
	own []string
	has map[string]bool

	foreign map[string]bool // those that match
	members map[*session]bool
}

func newView(known catalog.Catalog, all []Destination) *view {
	v := &view{
		catalog: known, destinations: slices.Clone(all),
		audiences: map[string]*audience{}, verdicts: map[string][]*audience{},
	}
	for i := range v.destinations {
		d := &v.destinations[i]
		if d.Events == nil || v.audiences[d.Events.String()] != nil {
			continue
		}
		a := &audience{
			match: d.Wants, own: known.Select(d.Wants), has: map[string]bool{},
			foreign: map[string]bool{}, members: map[*session]bool{},
		}
		for _, name := range a.own {
			a.has[name] = true
		}
		v.audiences[d.Events.String()] = a
	}
	return v
}

// role returns what a peer is, whose class is known, and why it is none.
func (v *view) role(s *session) (ro *role, why string) {
	ro = new(role)
	if s.link != nil {
		ro.dest = s.link.dest.Load()
	} else {
		ro.dest, why = find(v.destinations, who{s.host(), s.class, s.secured, s.name})
	}
	if ro.dest != nil && ro.dest.Events != nil {
		ro.audience = v.audiences[ro.dest.Events.String()]
	}
	return ro, why
}

// judge returns the patterns that match a name which the catalogue has not: of
// those that are no names, none.
func (v *view) judge(name string) []*audience {
	if len(name) > maxForeignName || !catalog.IsName(name) {
		return nil
	}
	v.judging.Lock()
	may, known := v.verdicts[name]
	v.judging.Unlock()
	if known {
		return may
	}
	for _, a := range v.audiences {
		if a.match(name) {
			may = append(may, a)
		}
	}
	v.judging.Lock()
	defer v.judging.Unlock()
	if len(v.verdicts) >= maxVerdicts {
		clear(v.verdicts)
	}
	v.verdicts[name] = may
	return may
}
