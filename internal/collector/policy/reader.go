package policy

import (
	"fmt"

	"romanesco/internal/collector/script"
)

// reader reads one file into what is known so far.
type reader struct {
	*loader
	file   *script.File
	module string
	// suspect says that a name of the statement may concern us.
	suspect bool
	// doubt is why the last unknown condition is not known.
	doubt error
	// locals are those of statements outside of functions.
	locals map[string]*cell
	// own says that the file is the script of Bro's own that declares destinations: what
	// its functions do is what we do.
	own bool
}

func (r *reader) scope() *scope { return &scope{env: r.env, file: r.file, module: r.module} }

// whole reads the file.
func (r *reader) whole() error {
	split := r.file.Split(script.Asked{
		Condition: r.condition,
		Other:     r.other,
		See:       func(t script.Token) { r.suspect = r.suspect || suspicious(t) },
	})
	for {
		r.suspect = false
		st, err := split.Next()
		if err != nil {
			return err
		}
		if st.What == script.Nothing {
			return nil
		}
		if err := r.statement(st); err != nil {
			return err
		}
		if r.env.exhausted != nil {
			return r.env.exhausted
		}
	}
}

func (r *reader) fail(at int, format string, args ...any) error {
	return r.file.Fail(at, format, args...)
}

// statement does what one says, or notes that it is skipped.
func (r *reader) statement(st script.Statement) error {
	switch st.What {
	case script.Load:
		if st.Doubtful && !harmlessScript(st.Name.Text) {
			return r.doubtful(st, "loads "+st.Name.Text)
		}
		return r.load(st.Name.Text, r.file.Pos(st.From))
	case script.Unload:
		r.unload(st.Name.Text, r.file.Pos(st.From))
		return nil
	case script.Prefixes:
		return r.addPrefixes(st.Name.Text, r.file.Pos(st.From))
	case script.Module:
		r.module = st.Name.Text
		if r.module == "GLOBAL" {
			r.module = ""
		}
		return nil
	case script.Const, script.Global, script.Redef:
		return r.value(st)
	case script.Function, script.EventHandler, script.Hook:
		return r.function(st)
	case script.RedefRecord:
		return r.addFields(st)
	case script.Executed:
		return r.executed(st)
	case script.Type:
		r.env.declared[r.env.declare(st.Name.Text, r.module)] = true
	}
	r.skip(st)
	return nil
}

// doubtful is the error of what concerns us and may not count.
func (r *reader) doubtful(st script.Statement, what string) error {
	return r.fail(st.From, "this %s under a condition that is not known: %v", what, r.doubt)
}

// skip notes a statement that is not ours.
func (r *reader) skip(st script.Statement) {
	r.skipped.add(r.file, string(st.What), st)
}

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
		if op == "=" {
			t.clear()
			op = "+="
		}
		if u, bad := s.combined(t, op, v, at).(unknown); bad {
			return u.err
		}
	default:
		return at.Fail(`expected "{" and destinations, found %s`, describe(v))
	}
	return nil
}

// tableOf returns one of the two tables.
func (e *env) tableOf(full string) *table { return e.vars[full].value.(*table) }

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
	case err == nil && op == "" && st.What == script.Redef:
		return // attributes
	}
	var v value
	switch {
	case err != nil:
		v = unknown{err}
	case op == "":
		v = r.unset(st)
	case op == "=":
		v = s.eval(x)
	case old == nil:
		v = failed(at, "the first value of %s is in a script that has not been read", st.Name.Text)
	default:
		v = s.combined(old.value, op, s.eval(x), at)
	}
	if r.env.grow(1, at) {
		r.env.set(full, cell{v, at})
	}
}

// unset is the value of a variable that has been given none.
func (r *reader) unset(st script.Statement) value {
	all, err := tokensOf(r.file, st.Name.End(), st.To)
	if err != nil || len(all) < 2 {
		return nil
	}
	if all[1].Says("table") || all[1].Says("set") {
		return newTable()
	}
	return nil
}

// misspelt refuses what looks like a setting of ours and is none.
func (r *reader) misspelt(st script.Statement, full string) error {
	if st.What != script.Redef || r.env.vars[full] != nil {
		return nil
	}
	for _, module := range []string{"Remote::", "Communication::"} {
		if len(full) > len(module) && full[:len(module)] == module {
			return r.fail(st.Name.At, "there is no setting %.60q; expected one of %s", full, settingList())
		}
	}
	for _, name := range settingNames() {
		if near(full, name) {
			return r.fail(st.Name.At, "there is no setting %.60q; %s is one", full, name)
		}
	}
	return nil
}

// function keeps a function, hook or handler: what it is for is decided when all has
// been read.
func (r *reader) function(st script.Statement) error {
	full := r.env.declare(st.Name.Text, r.module)
	f := &function{
		name: full, module: r.module, what: st.What, file: r.file, from: st.From, body: st.Body, to: st.To,
		doubt: st.Doubtful,
	}
	if st.What == script.EventHandler {
		f.name = r.env.resolve(st.Name.Text, r.module)
	}
	if r.suspect && !r.own {
		all, err := tokensOf(r.file, st.From, st.To)
		if err != nil {
			return err
		}
		if at, why, ok := r.env.changes(all, r.module); ok {
			f.acts, f.why = &script.Place{File: r.file, At: at}, why
		}
	}
	if f.acts != nil && st.Doubtful {
		return r.doubtful(st, f.why)
	}
	if len(r.bodies) == maxFunctions {
		return r.fail(st.From, "more than %d functions and handlers", maxFunctions)
	}
	r.bodies = append(r.bodies, f)
	r.env.declared[f.name] = true
	if st.What != script.EventHandler {
		r.env.functions[f.name] = f
	}
	return nil
}

const maxFunctions = 200_000

// addFields keeps the names of fields that a script adds to the records of destinations.
func (r *reader) addFields(st script.Statement) error {
	r.skip(st)
	if !isNodeType(r.env.resolve(st.Name.Text, r.module)) {
		return nil
	}
	all, err := tokensOf(r.file, st.Name.End(), st.To)
	if err != nil {
		return err
	}
	for i, t := range all {
		if t.Is(":") && i > 0 {
			r.env.fields[all[i-1].Text] = true
		}
	}
	return nil
}

// executed does a statement that stands outside of functions.
func (r *reader) executed(st script.Statement) error {
	var acts bool
	var why string
	if r.suspect {
		all, err := tokensOf(r.file, st.From, st.To)
		if err != nil {
			return err
		}
		_, why, acts = r.env.changes(all, r.module)
	}
	if acts && st.Doubtful {
		return r.doubtful(st, why)
	}
	if !acts {
		r.skip(st)
	}
	f := &frame{scope: *r.scope()}
	f.locals = r.locals
	p, err := r.file.Parse(st.From, st.To)
	var all []script.Stmt
	if err == nil {
		all, err = p.Statements()
	}
	switch {
	case err != nil && acts:
		return err
	case err != nil, st.Doubtful:
		f.doubt(whole(st), st.To)
	default:
		f.block(all)
	}
	if f.err != nil {
		return f.err
	}
	return nil
}

// whole is a statement of which nothing but the extent is known.
func whole(st script.Statement) script.Stmt { return script.NewOther(st.From, st.To) }

// settingList is for messages.
func settingList() string { return fmt.Sprint(join(settingNames())) }
