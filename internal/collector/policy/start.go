package policy

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// start executes what Bro does when it starts, bro_init() and zeek_init(), if any of
// that changes communication. Functions and handlers that would do so later are errors:
// a collector does not execute scripts while it runs.
func (l *loader) start() error {
	if err := l.reach(); err != nil {
		return err
	}
	initial, err := l.split()
	if err != nil {
		return err
	}
	l.draft.Events = l.handled()
	for _, f := range l.bodies {
		if f.acts == nil || f.what == script.Function {
			l.skipped.add(f.file, string(f.what), script.Statement{From: f.from, Name: script.Token{Text: f.name}})
		}
	}
	for i := range l.deferred {
		if err := l.deferred[i].execute(); err != nil {
			return err
		}
	}
	if !l.mentioned {
		return nil
	}
	slices.SortStableFunc(initial, func(a, b *function) int { return cmp.Compare(b.prio, a.prio) })
	for _, f := range initial {
		l.spoilUnread()
		if err := l.execute(f); err != nil {
			return err
		}
	}
	l.spoilUnread()
	return l.aliases()
}

// connects is the priority at which Bro connects: what is done later does not count.
const connects = -10

// split returns what is executed when Bro starts. What else changes communication is an
// error.
func (l *loader) split() (initial []*function, err error) {
	for _, f := range l.bodies {
		first := isInitial(f)
		if first {
			if f.prio, err = l.priority(f); err != nil && (f.acts != nil || l.mentioned) {
				return nil, err
			}
		}
		switch {
		case first && f.prio > connects:
			initial = append(initial, f)
		case f.acts == nil || f.what == script.Function:
		case first:
			return nil, f.acts.Fail("the %v with priority %d %s after Bro has connected: give it one above %d", f, f.prio, f.why, connects)
		default:
			return nil, f.acts.Fail("the %v %s while Bro runs: a collector does not; say it at the top, or in bro_init()", f, f.why)
		}
		f.later = f.what != script.Function && !(first && f.prio > connects)
	}
	return initial, nil
}

// spoilUnread has be unknown what a handler may set that may not be there: at which time
// is not known either.
func (l *loader) spoilUnread() {
	for i := range l.unread {
		u := &l.unread[i]
		u.poison(u.from, u.to, u.why)
	}
}

// aliases refuses what changes destinations later through variables that have them too.
func (l *loader) aliases() error {
	names := l.shared()
	names[remoteTable], names[nodesTable] = true, true
	for _, f := range l.bodies {
		all, err := tokensOf(f.file, f.from, f.to)
		if err != nil {
			return err
		}
		if at, ok := l.env.changesShared(newRegion(all), f.module, names); ok && f.acts == nil {
			f.acts, f.why = &script.Place{File: f.file, At: at}, "changes a destination"
		}
	}
	if err := l.reach(); err != nil {
		return err
	}
	for _, f := range l.bodies {
		if f.later && f.acts != nil {
			return f.acts.Fail("the %v %s while Bro runs: a collector does not; say it at the top, or in bro_init()", f, f.why)
		}
	}
	return l.env.exhausted
}

func (e *env) changesShared(r *region, module string, names map[string]bool) (at int, ok bool) {
	first := -1
	for i, t := range r.all {
		if !r.isName(i) {
			if first >= 0 && r.setsField(i) {
				return t.At, true
			}
			continue
		}
		if !names[e.resolve(t.Text, module)] {
			continue
		}
		if how := r.written(i); how == inside || how == updated || r.given(i) || e.handsOn(r, i, module) {
			return t.At, true
		}
		first = i
	}
	return 0, false
}

// handsOn reports whether an entry of what is named is given to a function that sets
// fields.
func (e *env) handsOn(r *region, i int, module string) bool {
	o := r.open[i]
	if o < 1 || !r.is(o, "(") || r.all[o-1].Kind != script.Name || !r.is(i+1, "[") {
		return false
	}
	if end := r.close[i+1]; !r.is(end+1, ")") && !r.is(end+1, ",") {
		return false
	}
	f := e.functions[e.resolve(r.all[o-1].Text, module)]
	if f == nil {
		return false
	}
	all, err := tokensOf(f.file, f.body, f.to)
	if err != nil || !e.spend(len(all)/4, script.Place{File: f.file, At: f.body}) {
		return true
	}
	inner := newRegion(all)
	for i := range all {
		if inner.setsField(i) {
			return true
		}
	}
	return false
}

// shared returns the variables that have a destination in them, or a table of them.
func (l *loader) shared() map[string]bool {
	ours := map[value]bool{}
	for _, name := range []string{remoteTable, nodesTable} {
		l.env.within(l.env.vars[name].value, ours, nil)
	}
	names := map[string]bool{}
	none := map[value]bool{}
	for name, v := range l.env.vars {
		if !isTable(name) && l.env.within(v.value, none, ours) {
			names[name] = true
			clear(none)
		}
	}
	return names
}

// within walks all that a value has in it, and stops at what is looked for.
func (e *env) within(v value, seen, wanted map[value]bool) bool {
	todo := []value{v}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch {
		case !isContainer(v) || seen[v]:
			continue
		case wanted[v]:
			return true
		}
		seen[v] = true
		switch v := v.(type) {
		case *table:
			for _, i := range v.order {
				todo = append(todo, i.value)
			}
		case *record:
			for _, m := range v.fields {
				todo = append(todo, m.value)
			}
		case *vector:
			todo = append(todo, v.list...)
		}
	}
	return false
}

// handled returns the events that the files have handlers for.
func (l *loader) handled() map[string][]string {
	all := map[string][]string{}
	for _, f := range l.bodies {
		if f.what != script.EventHandler || ofBro[f.name] || f.doubt || len(all) == maxEvents {
			continue // of Bro itself, and never sent
		}
		if _, again := all[f.name]; !again {
			all[f.name] = parameters(f.file, f.from, f.body)
		}
	}
	for _, name := range l.env.controls {
		all["Control::"+name] = nil
	}
	return all
}

// ofBro are events that each Bro has for itself.
var ofBro = func() map[string]bool {
	all := map[string]bool{}
	for name := range strings.FieldsSeq(`bro_init bro_done bro_script_loaded zeek_init zeek_done zeek_script_loaded
		remote_capture_filter remote_connection_closed remote_connection_error remote_connection_established
		remote_connection_handshake_done remote_event_registered remote_log remote_log_peer remote_pong
		remote_state_access_performed remote_state_inconsistency`) {
		all[name] = true
	}
	return all
}()

// maxEvents is how many a file can make known.
const maxEvents = 2000

func isInitial(f *function) bool {
	return f.what == script.EventHandler && (f.name == "bro_init" || f.name == "zeek_init")
}

// reach finds out what changes communication through a function that it calls.
func (l *loader) reach() error {
	if !slices.ContainsFunc(l.bodies, func(f *function) bool { return f.acts != nil && f.what != script.EventHandler }) {
		return nil
	}
	callers := map[*function][]*function{}
	for _, f := range l.bodies {
		all, err := tokensOf(f.file, f.body, f.to)
		if err != nil {
			return err
		}
		for _, called := range l.env.names(all, f.module) {
			if n := len(callers[called]); n == 0 || callers[called][n-1] != f {
				callers[called] = append(callers[called], f)
			}
		}
	}
	var todo []*function
	for _, f := range l.bodies {
		if f.acts != nil {
			todo = append(todo, f)
		}
	}
	for len(todo) > 0 {
		f := todo[0]
		todo = todo[1:]
		for _, caller := range callers[f] {
			if caller.acts == nil {
				caller.acts, caller.why = &script.Place{File: caller.file, At: caller.from}, "calls "+f.name+", which "+f.why
				todo = append(todo, caller)
			}
		}
	}
	return nil
}

// priority is that of &priority=5, or 0.
func (l *loader) priority(f *function) (int64, error) {
	all, err := tokensOf(f.file, f.from, f.body)
	if err != nil {
		return 0, err
	}
	for _, t := range all {
		if t.Text != "&priority" {
			continue
		}
		p, err := f.file.Parse(t.End(), f.body)
		if err == nil {
			err = p.Want("=")
		}
		if err != nil {
			return 0, err
		}
		x, err := p.Expr()
		if err != nil {
			return 0, err
		}
		s := &scope{env: l.env, file: f.file, module: f.module}
		return wanted[int64](cell{s.eval(x), s.place(x)}, "a number as the priority")
	}
	return 0, nil
}

// execute runs a handler.
func (l *loader) execute(f *function) error {
	r := &frame{scope: scope{env: l.env, file: f.file, module: f.module, locals: map[string]*cell{}}}
	err := f.parse()
	switch {
	case err != nil && f.acts != nil:
		return err
	case err != nil:
		r.pass(script.NewOther(f.body, f.to), f.to, err)
	case f.doubt:
		r.doubt(script.NewOther(f.body, f.to), f.to)
	default:
		r.block(f.stmts)
	}
	return cmp.Or(r.err, l.env.exhausted)
}

// takeOver gives the settings and the tables to the draft.
func (l *loader) takeOver() error {
	for _, name := range settingNames() {
		v := l.env.vars[name]
		if s := settings[name]; v == nil || !v.given || s.read == nil {
			continue
		} else if err := s.read(l.draft, v.cell); err != nil {
			return err
		}
	}
	for _, name := range []string{remoteTable, nodesTable} {
		t, ok := l.env.vars[name].value.(*table)
		if !ok {
			return errors.New(name + " is no table any more")
		}
		if err := l.draft.readTable(name, t, l.env.fields); err != nil {
			return err
		}
	}
	slices.SortStableFunc(l.draft.entries, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	l.tellFields()
	l.draft.listened = l.env.listened
	return nil
}

// tellFields says of each field that has no meaning here once where it stands.
func (l *loader) tellFields() {
	told := map[string]bool{}
	for _, e := range l.draft.entries {
		for _, n := range e.notes {
			if !told[n] {
				told[n] = true
				l.note(e.At, "%s", n)
			}
		}
	}
}
