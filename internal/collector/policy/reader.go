package policy

import (
	"cmp"

	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
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
	if err := r.mention(st); err != nil {
		return err
	}
	switch st.What {
	case script.Load:
		if st.Doubtful && !harmlessScript(st.Name.Text) {
			return r.doubtful(st, "loads "+st.Name.Text)
		}
		return r.load(st.Name.Text, r.file.Pos(st.From))
	case script.Unload:
		if st.Doubtful && !harmlessScript(st.Name.Text) {
			return r.doubtful(st, "unloads "+st.Name.Text)
		}
		r.unload(st.Name.Text, r.file.Pos(st.From))
		return nil
	case script.Prefixes:
		if st.Doubtful {
			return r.doubtful(st, "sets prefixes")
		}
		return r.addPrefixes(st.Name.Text, r.file.Pos(st.From))
	case script.Module:
		if st.Doubtful {
			return r.doubtful(st, "begins the module "+st.Name.Text)
		}
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
		r.env.declares(r.env.declare(st.Name.Text, r.module), st.Doubtful)
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
	if st.What == script.Function && r.env.maybe[f.name] {
		f.doubt = true
	}
	r.env.declares(f.name, st.Doubtful)
	switch st.What {
	case script.Hook:
		r.env.hooks[f.name] = append(r.env.hooks[f.name], f)
	case script.Function:
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

// mention notes whether anything but the settings themselves has to do with destinations:
// then what is done when Bro starts is executed.
func (r *reader) mention(st script.Statement) error {
	_, ours := settings[r.env.resolve(st.Name.Text, r.module)]
	if r.mentioned || !r.suspect || r.own || ours {
		return nil
	}
	all, err := tokensOf(r.file, st.From, st.To)
	for _, t := range all {
		if suspicious(t) {
			full := r.env.resolve(t.Text, r.module)
			r.mentioned = r.mentioned || isTable(full) || isNodeType(full) || acting[full] != ""
		}
	}
	return err
}

// deferred is a statement outside of functions: Bro executes it when all has been read.
type deferred struct {
	*reader
	script.Statement
	module string
	acts   bool
	doubt  error
}

// executed keeps a statement that stands outside of functions.
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
	r.deferred = append(r.deferred, deferred{r, st, r.module, acts, r.doubt})
	return nil
}

func (d *deferred) execute() error {
	r, st := d.reader, d.Statement
	f := &frame{scope: scope{env: r.env, file: r.file, module: d.module, locals: r.locals}}
	p, err := r.file.Parse(st.From, st.To)
	var all []script.Stmt
	if err == nil {
		all, err = p.Statements()
	}
	switch {
	case err != nil && d.acts:
		return err
	case err != nil:
		f.pass(whole(st), st.To, err)
	case st.Doubtful:
		f.pass(whole(st), st.To, d.doubt)
	default:
		f.block(all)
	}
	return cmp.Or(f.err, r.env.exhausted)
}

// whole is a statement of which nothing but the extent is known.
func whole(st script.Statement) script.Stmt { return script.NewOther(st.From, st.To) }
