package policy

import (
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// otherValue keeps the value of what is not ours: something that is may need it.
func (r *reader) otherValue(st script.Statement, full string) error {
	if err := r.misspelt(st, full); err != nil {
		return err
	}
	if r.suspect {
		all, err := tokensOf(r.file, st.Name.End(), st.To)
		if err != nil {
			return err
		}
		if at, why, ok := r.env.changes(all, r.module); ok {
			return r.fail(at, "this %s within the value of %s: that is not understood", why, st.Name.Text)
		}
	}
	r.skip(st)
	s := r.scope()
	at := script.Place{File: r.file, At: st.Name.At}
	r.keep(st, s, full, at)
	for _, name := range []string{remoteTable, nodesTable} {
		if t, ok := r.env.vars[full]; ok && t.value == value(r.env.tableOf(name)) {
			return at.Fail("another name for %s is not understood", name)
		}
	}
	return nil
}

func (r *reader) keep(st script.Statement, s *scope, full string, at script.Place) {
	old := r.env.vars[full]
	p, err := r.file.Parse(st.Name.End(), st.To)
	var op string
	var x script.Expr
	if err == nil {
		op, x, err = p.Initial()
	}
	switch {
	case st.Doubtful:
		err = at.Fail("%s depends on a condition that is not known: %v", st.Name.Text, r.doubt)
	case err == nil && op == "" && st.What == script.Redef && p.Token().Is("["):
		if x, err = r.entry(st); err == nil {
			if _, bad := r.env.aside(func() value { return s.eval(x) }).(unknown); !bad {
				return
			}
			err = at.Fail("what is assigned to an entry of %s is not understood", st.Name.Text)
		}
	case err == nil && op == "" && st.What == script.Redef:
		return // attributes
	}
	var v value
	switch {
	case err != nil:
		v = unknown{err}
		if old != nil {
			s.spoil(old.value, err) // it may have another name
		}
	case op == "":
		v = r.unset(st)
	case op == "=":
		typ := r.typeOf(st)
		v = r.env.aside(func() value { return s.declaredAs(x, typ) })
	case old == nil:
		v = failed(at, "the first value of %s is in a script that has not been read", st.Name.Text)
	default:
		v = r.env.aside(func() value { return s.combined(old.value, op, s.eval(x), at) })
	}
	if r.env.cut {
		r.cutShort(st, at)
	}
	r.env.set(full, cell{v, at})
	if st.What != script.Redef {
		r.env.maybe[full] = st.Doubtful
	}
}

// cutShort is for a value that is too much to compute: a function that it calls may have
// done something.
func (r *reader) cutShort(st script.Statement, at script.Place) {
	all, err := tokensOf(r.file, st.From, st.To)
	if err != nil || len(r.env.names(all, r.module)) > 0 {
		r.env.fatal(at.Fail("the value of %s takes too much to compute", st.Name.Text))
	}
}

// typeOf is the first word of the type of a variable, empty if it has none.
func (r *reader) typeOf(st script.Statement) string {
	l := r.file.Lex(st.Name.End(), st.To)
	if t, err := l.Next(); err != nil || !t.Is(":") {
		return ""
	}
	t, _ := l.Next()
	return t.Text
}

// unset is the value of a variable that has been given none.
func (r *reader) unset(st script.Statement) value {
	all, err := tokensOf(r.file, st.Name.End(), st.To)
	if err != nil || len(all) < 2 {
		return nil
	}
	return empty(all[1].Text, script.Place{File: r.file, At: st.Name.At})
}

// misspelt refuses what looks like a setting of ours and is none.
func (r *reader) misspelt(st script.Statement, full string) error {
	if st.What != script.Redef || r.env.vars[full] != nil {
		return nil
	}
	for _, module := range []string{"Remote::", "Communication::"} {
		if len(full) > len(module) && full[:len(module)] == module {
			return r.fail(st.Name.At, "there is no setting %.60q; expected one of %s", full, strings.Join(settingNames(), ", "))
		}
	}
	for _, name := range settingNames() {
		if near(full, name) {
			return r.fail(st.Name.At, "there is no setting %.60q; %s is one", full, name)
		}
	}
	return nil
}
