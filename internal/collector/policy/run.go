package policy

import (
	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// jump is how a statement ends what it is in.
type jump uint8

const (
	goesOn jump = iota
	next
	leaves
	returns
)

// frame is a function that runs.
type frame struct {
	scope
	result value
	// doubtful says why it is not known whether this is executed.
	doubtful *unknown
	// mayReturn says that it is until the end of the function.
	mayReturn bool
	err       error // what concerns communication and cannot be done
}

// parse reads the body of a function, once.
func (f *function) parse() error {
	if f.runs {
		return f.err
	}
	f.runs = true
	p, err := f.file.Parse(f.body+1, f.to-1)
	if err == nil {
		f.stmts, err = p.Statements()
	}
	f.params = parameters(f.file, f.from, f.body)
	f.err = err
	return err
}

// parameters returns the names of what a function takes.
func parameters(file *script.File, from, to int) (names []string) {
	all, err := tokensOf(file, from, to)
	depth := 0
	for i, t := range all {
		switch {
		case t.Is("("), t.Is("["), t.Is("{"):
			depth++
		case t.Is(")"), t.Is("]"), t.Is("}"):
			if depth--; depth == 0 {
				return names
			}
		case err == nil && depth == 1 && t.Is(":") && i > 0:
			names = append(names, all[i-1].Text)
		}
	}
	return names
}

// run calls a function of a file. What comes back is unknown where it cannot be told.
func (s *scope) run(f *function, args []value, at script.Place) value {
	if s.calls == maxCalls {
		s.fatal(at.Fail("functions call each other deeper than %d", maxCalls))
		return unknown{s.exhausted}
	}
	err := f.parse()
	if err == nil && f.doubt {
		err = at.Fail("%s depends on a condition that is not known", f.name)
	}
	if err != nil {
		(&poison{env: s.env, why: err, done: map[*function]bool{}}).function(f)
		for _, a := range args {
			s.spoil(a, err)
		}
		return unknown{err}
	}
	s.calls++
	defer func() { s.calls-- }()
	r := &frame{scope: scope{env: s.env, file: f.file, module: f.module, locals: map[string]*cell{}}}
	for i, name := range f.params {
		if i < len(args) {
			r.locals[name] = &cell{args[i], at}
		}
	}
	r.block(f.stmts)
	switch {
	case r.err != nil && s.exhausted == nil:
		s.env.fatal(r.err)
		return unknown{r.err}
	case r.doubtful != nil:
		return *r.doubtful
	case r.result == nil:
		return true // of a function that returns nothing
	}
	return r.result
}

// fatal keeps the first error that nothing can go on with.
func (e *env) fatal(err error) {
	if e.exhausted == nil {
		e.exhausted = err
	}
}

func (r *frame) block(list []script.Stmt) jump {
	for _, st := range list {
		if j := r.statement(st); j != goesOn || r.err != nil || r.exhausted != nil {
			return j
		}
	}
	return goesOn
}

func (r *frame) statement(st script.Stmt) jump {
	at := r.place(st)
	if !r.spend(1, at) {
		return returns
	}
	if r.doubtful != nil {
		r.uncertain(st, st.End(), *r.doubtful)
		return goesOn
	}
	switch st := st.(type) {
	case *script.Block:
		return r.block(st.List)
	case *script.Do:
		r.do(st)
	case *script.Local:
		r.local(st, at)
	case *script.If:
		return r.choose(st)
	case *script.For:
		return r.loop(st)
	case *script.Jump:
		return r.jump(st)
	case *script.Change:
		r.change(st)
	case *script.Other:
		r.other(st)
	}
	return goesOn
}

// local makes a local variable. One without a first value is made once for each call, as
// in Bro: in a loop it keeps what it has.
func (r *frame) local(st *script.Local, at script.Place) {
	switch {
	case st.X != nil:
		v := r.declaredAs(st.X, st.Type)
		r.need(v, st)
		r.locals[st.Name] = &cell{v, at}
	case r.locals[st.Name] == nil:
		r.locals[st.Name] = &cell{empty(st.Type, at), at}
	}
}

// touches returns where a statement changes communication.
func (r *frame) touches(from, to int) (at script.Place, why string, ok bool) {
	all, err := tokensOf(r.file, from, to)
	if err != nil || !r.spend(len(all)/2, script.Place{File: r.file, At: from}) {
		return at, "", false
	}
	offset, why, ok := r.changes(all, r.module)
	if !ok {
		for _, f := range r.names(all, r.module) {
			if f.acts != nil {
				return script.Place{File: r.file, At: from}, f.why, true
			}
		}
	}
	return script.Place{File: r.file, At: offset}, why, ok
}

// doubt passes over statements that are not understood or may not be executed: what
// they assign is not known any more, and communication they may not change.
func (r *frame) doubt(st script.Stmt, to int) {
	r.pass(st, to, r.place(st).Fail("what is done here is not understood"))
}

func (r *frame) pass(st script.Stmt, to int, reason error) {
	from := r.place(st)
	if at, why, ok := r.touches(from.At, to); ok {
		r.err = at.Fail("this %s in a way that is not understood", why)
		return
	}
	r.poison(from.At, to, reason)
}

// other passes over a statement that is not understood.
func (r *frame) other(st *script.Other) {
	if r.doubt(st, st.End()); r.err == nil {
		r.ends(st, st.End(), failed(r.place(st), "whether this returns is not known"))
	}
}

// do evaluates an expression for what it does.
func (r *frame) do(st *script.Do) {
	if c, ok := st.X.(*script.Call); ok {
		if name, ok := c.F.(*script.Ident); ok && (name.Name == "terminate" || name.Name == "exit") {
			r.err = r.place(st).Fail("%s() is called here: a Bro would end", name.Name)
			return
		}
	}
	r.need(r.eval(st.X), st)
}

// need has what a statement makes of communication be known, and that it is executed.
func (r *frame) need(v value, st script.Stmt) {
	u, bad := v.(unknown)
	if !bad || r.exhausted != nil {
		return
	}
	if _, _, ok := r.touches(st.Where(), st.End()); ok {
		r.err = u.err
	}
}

func (r *frame) choose(st *script.If) jump {
	switch c := r.eval(st.Cond).(type) {
	case bool:
		if c {
			return r.statement(st.Then)
		}
		if st.Else != nil {
			return r.statement(st.Else)
		}
		return goesOn
	case unknown:
		to := st.Then.End()
		if st.Else != nil {
			to = st.Else.End()
		}
		r.uncertain(st, to, c)
	default:
		r.uncertain(st, st.Then.End(), failed(r.place(st.Cond), "expected T or F as a condition, found %s", describe(c)))
	}
	return goesOn
}

// uncertain passes over a branch of which it is not known whether it is executed.
func (r *frame) uncertain(st script.Stmt, to int, why unknown) {
	if r.pass(st, to, why.err); r.err != nil {
		r.err = why.err
		return
	}
	r.ends(st, to, why)
}

// ends finds out whether a statement that may be executed ends what it is in: then what
// follows may not be executed.
func (r *frame) ends(st script.Stmt, to int, why unknown) {
	all, _ := tokensOf(r.file, st.Where(), to)
	_, is := st.(*script.Other)
	_, loops := st.(*script.For)
	for _, t := range all {
		if t.Says("return") {
			r.mayReturn = true
		} else if is && all[0].Says("switch") && t.Says("next") {
		} else if is || loops || !t.Says("next") && !t.Says("break") {
			continue
		}
		r.doubtful = &why
	}
}

func (r *frame) loop(st *script.For) jump {
	over := r.eval(st.X)
	if u, bad := doubted(over); bad {
		over = u
	}
	outer := r.doubtful
	defer func() {
		if outer == nil && !r.mayReturn {
			r.doubtful = nil // it was about this loop alone
		}
	}()
	switch v := over.(type) {
	case *table:
		return r.eachKey(st, v)
	case *vector:
		return r.eachIndex(st, v)
	case unknown:
		r.uncertain(st, st.Do.End(), v)
		return goesOn
	default:
		r.uncertain(st, st.Do.End(), failed(r.place(st.X), "expected a table or a set, found %s", describe(over)))
	}
	return goesOn
}

// eachKey loops over a table. Which keys come is not certain once the loop adds some, or
// deletes some that have not come yet.
func (r *frame) eachKey(st *script.For, t *table) jump {
	items, added := t.present(), t.added
	if !r.spend(len(items), r.place(st)) {
		return goesOn
	}
	for _, i := range items {
		if i.gone || t.doubt != nil {
			return r.changedWithin(st, t)
		}
		if j, ends := r.round(st, i.keys, t); ends {
			return j
		}
	}
	if t.added != added || t.doubt != nil {
		return r.changedWithin(st, t)
	}
	return goesOn
}

// eachIndex loops over a vector, over what the loop itself appends to it too.
func (r *frame) eachIndex(st *script.For, v *vector) jump {
	for i := 0; i < len(v.list) && r.spend(1, r.place(st)); i++ {
		if j, ends := r.round(st, []value{int64(i)}, v); ends {
			return j
		}
		if v.doubt != nil {
			return r.changedWithin(st, v)
		}
	}
	return goesOn
}

// round executes what is in a loop once, and says whether that ends the loop.
func (r *frame) round(st *script.For, keys []value, over value) (j jump, ends bool) {
	r.bind(st, keys, over)
	switch j := r.statement(st.Do); {
	case j == returns:
		return j, true
	case j == leaves, r.err != nil, r.exhausted != nil:
		return goesOn, true
	}
	return goesOn, false
}

// changedWithin is for rounds that may come or not.
func (r *frame) changedWithin(st *script.For, over value) jump {
	u, bad := doubted(over)
	if !bad {
		u = failed(r.place(st), "a loop over a table that it adds to or deletes from is not understood")
	}
	r.uncertain(st, st.Do.End(), u)
	return goesOn
}

// bind gives the names of a loop their values for one round.
func (r *frame) bind(st *script.For, keys []value, over value) {
	for i, name := range st.Names {
		if i < len(keys) {
			r.locals[name] = &cell{keys[i], r.place(st)}
		}
	}
	if st.Value == "" {
		return
	}
	var v value = failed(r.place(st), "%s has no value", st.Value)
	if t, ok := over.(*table); ok && t.find(keys) != nil {
		v = t.find(keys).value
	}
	r.locals[st.Value] = &cell{v, r.place(st)}
}

func (r *frame) jump(st *script.Jump) jump {
	switch st.Word {
	case "next":
		return next
	case "break":
		return leaves
	}
	if st.X != nil {
		r.result = r.eval(st.X)
		r.need(r.result, st)
	}
	if r.doubtful != nil {
		r.result = *r.doubtful
	}
	return returns
}

// change is add or delete.
func (r *frame) change(st *script.Change) {
	x, ok := st.X.(*script.Index)
	if !ok || len(x.Keys) == 0 {
		r.doubt(st, st.End())
		return
	}
	in, keys := r.eval(x.X), r.values(x.Keys)
	t, ok := in.(*table)
	if !ok {
		u, bad := in.(unknown)
		if !bad {
			u = failed(r.place(st), "expected a table or a set")
		}
		r.changedUnknown(x.X, u)
		r.need(u, st)
		return
	}
	for _, k := range keys {
		if u, bad := doubted(k); bad {
			r.spoil(t, u.err)
			r.need(u, st)
			return
		}
	}
	at := r.place(x.Keys[0])
	if st.Word == "delete" {
		t.remove(keys)
	} else if r.grow(1, at) {
		t.put(keys, at, r.env.next())
		t.set = true
	}
}
