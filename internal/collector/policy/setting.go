package policy

import (
	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// value reads a constant, a variable or a setting.
func (r *reader) value(st script.Statement) error {
	full := r.env.declare(st.Name.Text, r.module)
	if st.What == script.Redef {
		full = r.env.resolve(st.Name.Text, r.module)
	}
	set, ours := settings[full]
	if !ours {
		return r.otherValue(st, full)
	}
	if st.Doubtful {
		return r.doubtful(st, "sets "+full)
	}
	if isTable(full) {
		return r.tableValue(st, full)
	}
	if set.read == nil {
		r.note(r.file.Pos(st.From), "%s has no meaning here: %s", full, set.none)
		return nil
	}
	p, err := r.file.Parse(st.Name.End(), st.To)
	if err != nil {
		return err
	}
	if err := typed(p, set.typ, st.Name.Text); err != nil {
		return err
	}
	if st.What == script.Global && p.Token().Is(";") {
		return nil // it has been declared, and has its default
	}
	if err := p.Want("="); err != nil {
		return err
	}
	return r.give(p, full)
}

// typed reads ": type", which must be the one of the setting.
func typed(p *script.Parser, typ, name string) error {
	if !p.Token().Is(":") {
		return nil
	}
	if err := p.Advance(); err != nil {
		return err
	}
	if t := p.Token(); !t.Says(typ) {
		return p.Fail("expected %s, the type of %s, found %v", typ, name, t)
	}
	return p.Advance()
}

// give reads the value of a setting, and what may follow.
func (r *reader) give(p *script.Parser, full string) error {
	x, err := p.Expr()
	if err != nil {
		return err
	}
	s := r.scope()
	c := cell{s.eval(x), s.place(x)}
	if err := settings[full].read(newDraft(), c); err != nil { // said here rather than at the end
		return err
	}
	if err := ends(p); err != nil {
		return err
	}
	r.env.set(full, c)
	return nil
}

// ends reads &redef and the like, and the semicolon.
func ends(p *script.Parser) error {
	if t := p.Token(); t.Kind == script.Attribute {
		if t.Text != "&redef" {
			return p.Fail("expected &redef, found %v", t)
		}
		if err := p.Advance(); err != nil {
			return err
		}
	}
	if t := p.Token(); !t.Is(";") {
		return p.Fail(`expected ";", found %v`, t)
	}
	return nil
}

// tableValue reads "redef Remote::destinations += { ... };" and its like.
func (r *reader) tableValue(st script.Statement, full string) error {
	p, err := r.file.Parse(st.Name.End(), st.To)
	if err != nil {
		return err
	}
	op, x, err := p.Initial()
	switch {
	case err != nil:
		return err
	case op == "" && st.What != script.Redef:
		r.own = true
		return nil
	case st.What != script.Redef:
		return r.fail(st.Name.At, "%s is a table of Bro's: expected \"redef %s += { ... };\"", full, full)
	case op == "" && p.Token().Is("["):
		return r.entryValue(st)
	case op == "":
		return p.Fail("expected \"+=\", found %v", p.Token())
	}
	if err := ends(p); err != nil {
		return err
	}
	s := r.scope()
	at := s.place(x)
	switch v := s.eval(x).(type) {
	case unknown:
		return v.err
	case *table:
		if r.env.exhausted != nil {
			return r.env.exhausted
		}
		if v.twice != nil && op != "-=" {
			return v.twice.key.Fail("the tag %.60q is there already, further up in this table", tagOf(v.twice))
		}
		t := r.env.tableOf(full)
		if u, bad := doubted(v); bad {
			return u.err
		}
		if op == "=" {
			s.replace(full, v, at)
			return r.env.exhausted
		}
		if u, bad := s.combined(t, op, v, at).(unknown); bad {
			return u.err
		}
	default:
		return at.Fail(`expected "{" and destinations, found %s`, describe(v))
	}
	return nil
}

// entryValue reads "redef Communication::nodes["tag"] = [ ... ];".
func (r *reader) entryValue(st script.Statement) error {
	x, err := r.entry(st)
	if err != nil {
		return err
	}
	s := r.scope()
	if u, bad := s.eval(x).(unknown); bad {
		return u.err
	}
	return r.env.exhausted
}

// entry parses "redef T["key"] = value;".
func (r *reader) entry(st script.Statement) (script.Expr, error) {
	p, err := r.file.Parse(st.Name.At, st.To)
	if err != nil {
		return nil, err
	}
	x, err := p.Expr()
	if err != nil {
		return nil, err
	}
	if b, ok := x.(*script.Binary); !ok || b.Op != "=" {
		return nil, r.fail(st.Name.At, "expected an entry that is assigned to, as in %s[\"tag\"] = [ ... ]", st.Name.Text)
	}
	return x, ends(p)
}

// tableOf returns one of the two tables.
func (e *env) tableOf(full string) *table { return e.vars[full].value.(*table) }
