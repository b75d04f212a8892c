package policy

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"romanesco/internal/collector/script"
)

// start executes what Bro does when it starts, bro_init() and zeek_init(), if any of
// that changes communication. Functions and handlers that would do so later are errors:
// a collector does not execute scripts while it runs.
func (l *loader) start() error {
	if err := l.reach(); err != nil {
		return err
	}
	var initial []*function
	acts := false
	for _, f := range l.bodies {
		switch {
		case isInitial(f):
			f.prio = l.priority(f)
			initial = append(initial, f)
			acts = acts || f.acts != nil
		case f.acts != nil && f.what != script.Function:
			return f.acts.Fail("the %v %s while Bro runs: a collector does not; say it at the top, or in bro_init()", f, f.why)
		}
	}
	l.draft.Events = l.handled()
	for _, f := range l.bodies {
		if f.acts == nil || f.what == script.Function {
			l.skipped.add(f.file, string(f.what), script.Statement{From: f.from, Name: script.Token{Text: f.name}})
		}
	}
	if !acts {
		return nil
	}
	slices.SortStableFunc(initial, func(a, b *function) int { return cmp.Compare(b.prio, a.prio) })
	for _, f := range initial {
		if err := l.execute(f); err != nil {
			return err
		}
	}
	return nil
}

// handled returns the events that the files have handlers for.
func (l *loader) handled() map[string][]string {
	all := map[string][]string{}
	for _, f := range l.bodies {
		own := strings.HasPrefix(f.name, "bro_") || strings.HasPrefix(f.name, "zeek_") || strings.HasPrefix(f.name, "remote_")
		if f.what != script.EventHandler || own || f.doubt || len(all) == maxEvents {
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
func (l *loader) priority(f *function) int64 {
	all, err := tokensOf(f.file, f.from, f.body)
	for i, t := range all {
		if err != nil || t.Text != "&priority" {
			continue
		}
		p, err := f.file.Parse(t.End(), f.body)
		if err != nil || i+1 >= len(all) || p.Want("=") != nil {
			return 0
		}
		x, err := p.Expr()
		if err != nil {
			return 0
		}
		n, _ := (&scope{env: l.env, file: f.file, module: f.module}).eval(x).(int64)
		return n
	}
	return 0
}

// execute runs a handler.
func (l *loader) execute(f *function) error {
	r := &frame{scope: scope{env: l.env, file: f.file, module: f.module, locals: map[string]*cell{}}}
	err := f.parse()
	switch {
	case err != nil && f.acts != nil:
		return err
	case err != nil, f.doubt:
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
