package policy

import (
	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// What is not certainly executed makes everything unknown that it writes. That is
// decided by its tokens, so that it holds for what is not understood too.

// poison has all that a part of a file writes be unknown.
func (s *scope) poison(from, to int, why error) {
	(&poison{env: s.env, why: why, done: map[*function]bool{}}).part(s, from, to)
}

// poisonAll has all be unknown that any function of the files writes.
func (s *scope) poisonAll(why error) {
	p := &poison{env: s.env, why: why, done: map[*function]bool{}}
	for _, f := range s.functions {
		p.function(f)
	}
	for _, hooks := range s.hooks {
		for _, f := range hooks {
			p.function(f)
		}
	}
}

// poison is one walk over tokens and over the functions that they name.
type poison struct {
	*env
	why  error
	done map[*function]bool
}

func (p *poison) function(f *function) {
	if p.done[f] {
		return
	}
	p.done[f] = true
	if f.acts != nil {
		p.spoilTables()
	}
	p.part(&scope{env: p.env, file: f.file, module: f.module}, f.body, f.to)
}

func (p *poison) spoilTables() {
	for _, name := range []string{remoteTable, nodesTable} {
		p.spoil(p.vars[name].value, p.why)
	}
}

func (p *poison) part(s *scope, from, to int) {
	all, err := tokensOf(s.file, from, to)
	at := script.Place{File: s.file, At: from}
	if err != nil {
		p.fatal(err)
		return
	}
	if !p.spend(len(all)/4, at) {
		return
	}
	r := newRegion(all)
	inner := p.declare(s, all)
	through := false // something of the region's own is another name, and is changed
	for i, t := range all {
		switch {
		case r.callsUnknown(i) || r.callsVariable(s, i):
			p.everyFunction()
		case !r.isName(i):
			continue
		}
		for _, f := range p.named(s, t.Text) {
			p.function(f)
		}
		how := r.written(i)
		if how == untouched && !p.handedOver(s, r, i) {
			continue
		}
		through = through || inner[t.Text] && how == inside
		p.name(s, t.Text, how)
	}
	if !through {
		return
	}
	for i, t := range all {
		if r.isName(i) {
			p.spoil(s.known(t.Text), p.why)
		}
	}
}

func (p *poison) everyFunction() {
	for _, f := range p.functions {
		p.function(f)
	}
}

// named returns the functions and hooks that a name means.
func (p *poison) named(s *scope, name string) []*function {
	full := p.resolve(name, s.module)
	if f := p.functions[full]; f != nil {
		return []*function{f}
	}
	return p.hooks[full]
}

// declare makes the names unknown that a region declares, and returns those that it
// gives values.
func (p *poison) declare(s *scope, all []script.Token) map[string]bool {
	names := map[string]bool{}
	loop := false
	for i, t := range all {
		switch {
		case i > 1 && t.Is("(") && all[i-1].Says("for"), i == 1 && t.Is("(") && all[0].Says("for"):
			loop = true
		case t.Says("in"), t.Is(")"):
			loop = false
		case t.Kind != script.Name:
		case loop, i > 0 && (all[i-1].Says("local") || all[i-1].Says("const")):
			names[t.Text] = true
			if s.locals != nil {
				s.locals[t.Text] = &cell{unknown{p.why}, script.Place{File: s.file, At: t.At}}
			}
		case i+1 < len(all) && all[i+1].Is("="):
			names[t.Text] = true
		}
	}
	return names
}

// name makes unknown what a name means.
func (p *poison) name(s *scope, name string, how change) {
	v := s.known(name)
	if how != replaced {
		p.spoil(v, p.why)
	}
	if how == untouched || isTable(p.resolve(name, s.module)) && s.locals[name] == nil {
		return
	}
	if isContainer(v) && how == inside {
		return // the thing itself is unknown now
	}
	if s.locals[name] != nil || p.vars[p.resolve(name, s.module)] != nil {
		s.assign(name, cell{unknown{p.why}, script.Place{File: s.file}})
	}
}

// handedOver reports whether a name is in the arguments of a function that may change it.
func (p *poison) handedOver(s *scope, r *region, i int) bool {
	for o := r.open[i]; o >= 0; o = r.open[o] {
		if !r.all[o].Is("(") || o == 0 || r.all[o-1].Kind != script.Name {
			continue
		}
		name := r.all[o-1].Text
		full := p.resolve(name, s.module)
		if !harmless[name] && (builtin[full] == nil || full == "clear_table") && !isNodeType(full) && !plainWords[name] {
			return isContainer(s.known(r.all[i].Text))
		}
	}
	return false
}

var plainWords = map[string]bool{"for": true, "when": true, "in": true, "set": true, "table": true, "vector": true, "record": true}

// known is what a name means, nil if it means nothing.
func (s *scope) known(name string) value {
	if c := s.locals[name]; c != nil {
		return c.value
	}
	if v := s.vars[s.resolve(name, s.module)]; v != nil {
		return v.value
	}
	return nil
}

func isContainer(v value) bool {
	switch v.(type) {
	case *table, *record, *vector:
		return true
	}
	return false
}

// spoil makes what has other values in it unknown, and what it has in it.
func (e *env) spoil(v value, why error) {
	todo := []value{v}
	seen := map[value]bool{}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !isContainer(v) || seen[v] {
			continue
		}
		seen[v] = true
		e.steps++
		switch v := v.(type) {
		case *table:
			v.doubt = why
			e.steps += len(v.order) / 16
			for _, i := range v.order {
				todo = append(todo, i.value)
			}
		case *record:
			v.doubt = why
			for _, m := range v.fields {
				todo = append(todo, m.value)
			}
		case *vector:
			v.doubt = why
			todo = append(todo, v.list...)
		}
	}
}

// spoilEverything is for a change of which it is not known what is changed.
func (s *scope) spoilEverything(why error) {
	for _, c := range s.locals {
		s.spoil(c.value, why)
	}
	if !s.spend(len(s.vars), script.Place{File: s.file}) {
		return
	}
	for _, v := range s.vars {
		s.spoil(v.value, why)
	}
}

// doubted is the reason why a value is not known.
func doubted(v value) (u unknown, bad bool) {
	var why error
	switch v := v.(type) {
	case unknown:
		return v, true
	case *table:
		why = v.doubt
	case *record:
		why = v.doubt
	case *vector:
		why = v.doubt
	}
	return unknown{why}, why != nil
}

// changedUnknown is for a change of something that is not known: it may be part of
// anything, unless nothing that has been read has its name.
func (s *scope) changedUnknown(x script.Expr, u unknown) {
	for {
		switch in := x.(type) {
		case *script.Index:
			x = in.X
		case *script.Field:
			x = in.X
		case *script.Ident:
			if s.known(in.Name) != nil {
				s.spoilEverything(u.err)
			}
			return
		default:
			s.spoilEverything(u.err)
			return
		}
	}
}

// region is a part of a file, with the brackets of each token.
type region struct {
	all   []script.Token
	open  []int // of the innermost bracket around, -1 for none
	close []int // of the bracket that closes this one
}

func newRegion(all []script.Token) *region {
	r := &region{all: all, open: make([]int, len(all)), close: make([]int, len(all))}
	in := -1
	for i, t := range all {
		r.close[i] = len(all)
		if (t.Is(")") || t.Is("]") || t.Is("}")) && in >= 0 {
			r.close[in] = i
			in = r.open[in]
		}
		r.open[i] = in
		if t.Is("(") || t.Is("[") || t.Is("{") {
			in = i
		}
	}
	return r
}

// isName reports whether there is the name of a variable or a function.
func (r *region) isName(i int) bool {
	return r.all[i].Kind == script.Name && (i == 0 || !r.all[i-1].Is("$") && !r.all[i-1].Is("?$"))
}

func (r *region) is(i int, mark string) bool { return i >= 0 && i < len(r.all) && r.all[i].Is(mark) }

// callsUnknown reports whether what is called there has no name.
func (r *region) callsUnknown(i int) bool {
	if !r.is(i, "(") || i == 0 {
		return false
	}
	return r.is(i-1, ")") && !r.conditional(i-1) || r.is(i-1, "]") || i > 1 && r.all[i-1].Kind == script.Name && r.is(i-2, "$")
}

// conditional reports whether a parenthesis closes that of "if ( ... )" and its like.
func (r *region) conditional(i int) bool {
	o := i - 1
	for ; o >= 0 && r.close[o] != i; o-- {
	}
	if o < 1 {
		return o == 0
	}
	word := r.all[o-1].Text
	return word == "if" || word == "while" || word == "for" || word == "switch" || word == "when"
}

// callsVariable reports whether a variable is called there.
func (r *region) callsVariable(s *scope, i int) bool {
	return r.isName(i) && r.is(i+1, "(") && s.known(r.all[i].Text) != nil
}

// change is how tokens change what they name.
type change uint8

const (
	untouched change = iota
	replaced         // x = y
	updated          // x += y, ++x
	inside           // x[y] = z, x$y = z, add x[y]
)

// written says how what is named at i is changed there.
func (r *region) written(i int) change {
	before := i - 1
	for r.is(before, "(") && before > 0 && r.all[before-1].Kind != script.Name {
		before-- // add (x)[y]
	}
	if before >= 0 && (r.all[before].Says("delete") || r.all[before].Says("add")) {
		return inside
	}
	counted := r.is(before, "++") || r.is(before, "--")
	direct := true
	for i++; i < len(r.all); i++ {
		switch t := r.all[i]; {
		case t.Is("="), t.Is("+="), t.Is("-="), t.Is("++"), t.Is("--"):
			return howOf(direct, t.Is("="))
		case t.Is("["):
			i, direct = r.close[i], false
		case t.Is("$"):
			i, direct = i+1, false
		default:
			i = len(r.all)
		}
	}
	if counted {
		return howOf(direct, false)
	}
	return untouched
}

func howOf(direct, plain bool) change {
	switch {
	case !direct:
		return inside
	case plain:
		return replaced
	}
	return updated
}
