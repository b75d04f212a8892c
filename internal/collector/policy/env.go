package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// env is what names mean, and how much has been done for it.
type env struct {
	vars      map[string]*variable
	functions map[string]*function
	hooks     map[string][]*function
	maybe     map[string]bool // declared under a condition that is not known
	declared  map[string]bool // types, events and the like
	fields    map[string]bool // that scripts add to destinations
	seq       int
	work                       // for what concerns us
	others    work             // for the values of what does not
	calls     int              // in each other
	patterns  map[string]value // by their texts: compiling one takes its time
	exhausted error
	cut       bool        // the last of what does not concern us was too much
	listened  []listening // by listen()
	controls  []string    // the events of Bro's control that are asked for
	bro1      bool        // a script of Bro 1 has been loaded
	scripts   map[string]bool
}

// work is what has been done.
type work struct{ steps, cells int }

// aside evaluates what does not concern us: too much of it is unknown, and no error.
func (e *env) aside(evaluate func() value) value {
	ours := e.work
	e.work, e.cut = e.others, false
	v := evaluate()
	if e.exhausted != nil {
		v, e.exhausted = unknown{e.exhausted}, nil
		e.cut = true
	}
	e.others, e.work = e.work, ours
	return v
}

// variable is a constant or a variable.
type variable struct {
	cell
	given bool // by a file
}

// function is one of a file's own. file is nil for those that Bro has.
type function struct {
	name   string
	module string
	what   script.What
	file   *script.File
	from   int // of its header
	body   int
	to     int
	acts   *script.Place // where it changes communication
	why    string
	runs   bool // it has been parsed
	params []string
	stmts  []script.Stmt
	err    error
	prio   int64 // of a handler
	doubt  bool
	later  bool // it is executed while Bro runs
}

// Bounds of what a file can have us do.
const (
	maxSteps = 1_000_000
	maxCells = 500_000
	maxText  = 8 << 10 // of a string
	// maxPatterns is how many different ones are compiled.
	maxPatterns = 5000
	maxCalls    = 50
)

func newEnv() *env {
	e := &env{
		vars: map[string]*variable{}, functions: map[string]*function{}, hooks: map[string][]*function{}, maybe: map[string]bool{}, declared: map[string]bool{},
		fields: map[string]bool{}, scripts: map[string]bool{}, patterns: map[string]value{},
	}
	for name, v := range standardValues() {
		e.vars[name] = &variable{cell: cell{value: v}}
	}
	for name, s := range settings {
		if s.initial != nil {
			e.vars[name] = &variable{cell: cell{value: s.initial()}}
		}
	}
	return e
}

// resolve returns the full name of what a name means in a module.
func (e *env) resolve(name, module string) string {
	if global, ok := strings.CutPrefix(name, "GLOBAL::"); ok {
		return global
	}
	if module != "" && !strings.Contains(name, "::") {
		if full := module + "::" + name; e.has(full) {
			return full
		}
	}
	return name
}

func (e *env) has(full string) bool {
	return e.vars[full] != nil || e.functions[full] != nil || e.declared[full] || concerns(full) || isNodeType(full)
}

// declare returns the full name of what a module declares.
func (e *env) declare(name, module string) string {
	if global, ok := strings.CutPrefix(name, "GLOBAL::"); ok {
		return global
	}
	if module == "" || strings.Contains(name, "::") {
		return name
	}
	return module + "::" + name
}

// declares notes that there is a name, if it is certain.
func (e *env) declares(full string, doubtful bool) {
	e.declared[full] = true
	e.maybe[full] = doubtful
}

// set gives a variable a value.
func (e *env) set(full string, c cell) {
	e.vars[full] = &variable{cell: c, given: true}
}

// spend counts what is done; it reports false when that is too much.
func (e *env) spend(n int, at script.Place) bool {
	if e.steps += n; e.steps > maxSteps && e.exhausted == nil {
		e.exhausted = at.Fail("what these files compute takes more than %d steps", maxSteps)
	}
	return e.exhausted == nil
}

// grow counts what is kept.
func (e *env) grow(n int, at script.Place) bool {
	if e.cells += n; e.cells > maxCells && e.exhausted == nil {
		e.exhausted = at.Fail("these files have more than %d values", maxCells)
	}
	return e.exhausted == nil
}

// next returns the next number that orders things.
func (e *env) next() int {
	e.seq++
	return e.seq
}

// scope is where an expression stands.
type scope struct {
	*env
	file   *script.File
	module string
	locals map[string]*cell // nil outside of functions
}

func (s *scope) place(x interface{ Where() int }) script.Place {
	return script.Place{File: s.file, At: x.Where()}
}

// lookup returns what a name means. Records and tables are the things themselves.
func (s *scope) lookup(name string, at script.Place) value {
	if c := s.locals[name]; c != nil {
		return c.value
	}
	full := s.resolve(name, s.module)
	if v := s.vars[full]; v != nil {
		if kind, ok := strings.CutPrefix(full, "Control::contro"); ok {
			s.control(kind)
		}
		if v.value == nil {
			return failed(at, "%s has no value", name)
		}
		return v.value
	}
	if strings.HasPrefix(full, "Cluster::") {
		return symbol(full)
	}
	if f := s.functions[full]; f != nil {
		return f
	}
	return failed(at, "%.60q is not defined in what has been read", name)
}

// control makes the events known that Bro's own script for its control handles.
func (s *scope) control(kind string) {
	suffix := "_request"
	if strings.HasPrefix(kind, "llee_") {
		suffix = "_response"
	}
	for _, command := range []string{"id_value", "peer_status", "net_stats", "configuration_update", "shutdown"} {
		if name := command + suffix; !slices.Contains(s.controls, name) {
			s.controls = append(s.controls, name)
		}
	}
}

// assign gives a name a value: a local one if there is one.
func (s *scope) assign(name string, c cell) {
	if l := s.locals[name]; l != nil {
		*l = c
		return
	}
	full := s.resolve(name, s.module)
	if v := s.vars[full]; v != nil {
		v.cell, v.given = c, true
		return
	}
	s.set(full, c)
}

func (f *function) String() string {
	return fmt.Sprintf("%s %s", strings.TrimSuffix(string(f.what), "s"), f.name)
}
