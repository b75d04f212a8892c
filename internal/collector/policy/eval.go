package policy

import (
	"net/netip"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// eval returns the value of an expression. What cannot be known is a value too: it
// does harm only where it is needed.
func (s *scope) eval(x script.Expr) value {
	at := s.place(x)
	if !s.spend(1, at) {
		return unknown{s.exhausted}
	}
	switch x := x.(type) {
	case *script.Literal:
		if !s.spend(len(x.Text)/16, at) {
			return unknown{s.exhausted}
		}
		if x.Kind == script.Pattern {
			return s.pattern(x.Text, at)
		}
		return literal(x.Token, at)
	case *script.Ident:
		return s.lookup(x.Name, at)
	case *script.Bracket:
		return s.bracket(x, at)
	case *script.Brace:
		return s.braces(x.List, at)
	case *script.Index:
		return s.index(x, at)
	case *script.Field:
		return s.field(x, at)
	case *script.Call:
		return s.call(x, at)
	case *script.Unary:
		return s.unary(x, at)
	case *script.Binary:
		return s.binary(x, at)
	case *script.Choice:
		switch c := s.eval(x.If).(type) {
		case bool:
			if c {
				return s.eval(x.Then)
			}
			return s.eval(x.Else)
		case unknown: // what comes out may be either
			s.spoil(s.eval(x.Then), c.err)
			s.spoil(s.eval(x.Else), c.err)
			return c
		}
		return failed(at, "expected T or F before the ?")
	case *script.Opaque:
		u := failed(at, "this is not understood")
		if x.To > at.At {
			s.poison(at.At, x.To, u.err)
		}
		return u
	}
	return failed(at, "this is not understood")
}

// bracket is a record, or a vector.
func (s *scope) bracket(x *script.Bracket, at script.Place) value {
	if !s.grow(len(x.List)+1, at) {
		return unknown{s.exhausted}
	}
	if len(x.List) == 0 || isGiven(x.List[0]) {
		return s.record(x.List, at, x.Close)
	}
	return &vector{list: s.values(x.List)}
}

// fresh evaluates what is assigned: a record that stands there has no other name.
func (s *scope) fresh(x script.Expr) value {
	v := s.eval(x)
	if r, ok := v.(*record); ok {
		if _, literal := x.(*script.Bracket); literal {
			r.untyped = false
		}
	}
	return v
}

// declaredAs evaluates the first value of a variable of a type.
func (s *scope) declaredAs(x script.Expr, typ string) value {
	if _, literal := x.(*script.Bracket); literal && typ != "" && typ != "record" && typ != "any" {
		return typedRecord(s.eval(x), s.resolve(typ, s.module))
	}
	v := s.eval(x)
	switch v := v.(type) {
	case *table:
		if typ == "vector" {
			return listed(v, s.place(x))
		}
	case int64:
		if typ == "double" {
			return float64(v)
		}
	}
	return v
}

// listed returns the vector that braces mean.
func listed(t *table, at script.Place) value {
	switch {
	case t.doubt != nil:
		return unknown{t.doubt}
	case t.twice != nil:
		return failed(at, "a vector that has a value twice is not understood")
	case !t.set && len(t.order) > 0:
		return failed(at, "expected a vector, found a table")
	}
	v := &vector{}
	for _, i := range t.present() {
		v.list = append(v.list, i.keys...)
	}
	return v
}

func isGiven(x script.Expr) bool {
	_, ok := x.(*script.Given)
	return ok
}

// record returns one of its fields.
func (s *scope) record(list []script.Expr, at script.Place, end int) value {
	r := &record{fields: map[string]member{}, at: at, end: script.Place{File: at.File, At: end}, untyped: true}
	for _, in := range list {
		name, x := "", in // a function for a field has no name here
		switch in := in.(type) {
		case *script.Given:
			name, x = in.Name, in.X
		case *script.Opaque:
		default:
			return failed(s.place(in), "expected a field such as $host=10.1.2.3")
		}
		if _, twice := r.fields[name]; twice && name != "" {
			return failed(s.place(in), "the field $%s is there already", name)
		}
		r.set(name, member{cell{s.eval(x), s.place(x)}, s.place(in)})
	}
	return r
}

// set gives a field a value.
func (r *record) set(name string, m member) {
	if _, ok := r.fields[name]; !ok {
		r.order = append(r.order, name)
	}
	r.fields[name] = m
}

// braces is a table or a set.
func (s *scope) braces(list []script.Expr, at script.Place) value {
	if !s.grow(len(list)+1, at) {
		return unknown{s.exhausted}
	}
	t := newTable()
	t.set = len(list) > 0
	for _, in := range list {
		s.element(t, in)
	}
	return t
}

// element adds "[key] = value" to a table, or a member to a set.
func (s *scope) element(t *table, in script.Expr) {
	keyed, value := in, script.Expr(nil)
	if b, ok := in.(*script.Binary); ok && b.Op == "=" {
		keyed, value, t.set = b.X, b.Y, false
	}
	keys, at := s.keys(keyed)
	i, isNew := t.put(keys, at, s.next())
	if !isNew && t.twice == nil {
		t.twice = &item{keys: keys, key: at}
	}
	i.at = at
	if value != nil {
		i.cell = cell{s.fresh(value), s.place(value)}
	}
}

// keys returns the keys of [a, b], or of a.
func (s *scope) keys(x script.Expr) ([]value, script.Place) {
	if b, ok := x.(*script.Bracket); ok && len(b.List) > 0 && !isGiven(b.List[0]) {
		return s.values(b.List), s.place(b.List[0])
	}
	return []value{s.eval(x)}, s.place(x)
}

func (s *scope) values(list []script.Expr) []value {
	all := make([]value, len(list))
	for i, x := range list {
		all[i] = s.eval(x)
	}
	return all
}

func (s *scope) index(x *script.Index, at script.Place) value {
	if len(x.Keys) == 0 {
		return failed(at, "expected a key between the brackets")
	}
	v, keys := s.eval(x.X), s.values(x.Keys)
	for _, k := range append(keys, v) {
		if u, bad := doubted(k); bad {
			return u
		}
	}
	switch v := v.(type) {
	case *table:
		i, err := v.get(keys, at)
		if err != nil {
			return unknown{err}
		}
		if i != nil && i.value != nil {
			return i.value
		}
		return failed(s.place(x.Keys[0]), "the table has no such entry")
	case *vector:
		if n, ok := keys[0].(int64); ok && n >= 0 && n < int64(len(v.list)) {
			return v.list[n]
		}
		return failed(at, "the vector has no such entry")
	}
	return failed(at, "expected a table before the [, found %s", describe(v))
}

func (s *scope) field(x *script.Field, at script.Place) value {
	v := s.eval(x.X)
	if u, bad := doubted(v); bad {
		return u
	}
	r, ok := v.(*record)
	if !ok {
		return failed(at, "expected a record before $%s, found %s", x.Name, describe(v))
	}
	c, ok := r.fields[x.Name]
	if initial, has := s.initial(r, x.Name); !ok && has {
		if x.Has && r.node != "" {
			return true
		}
		return initial(at)
	}
	switch {
	case x.Has && !ok && r.node == "":
		return failed(at, "whether the record has a $%s depends on its type", x.Name)
	case x.Has:
		return ok
	case !ok:
		return failed(at, "the record has no $%s", x.Name)
	}
	return c.value
}

func (s *scope) unary(x *script.Unary, at script.Place) value {
	if x.Op == "++" || x.Op == "--" {
		return s.count(x, at)
	}
	v := s.eval(x.X)
	if u, bad := doubted(v); bad {
		return u
	}
	switch v := v.(type) {
	case bool:
		if x.Op == "!" {
			return !v
		}
	case int64:
		switch x.Op {
		case "-":
			return -v
		case "+", "|":
			return max(v, -v)
		}
	case float64:
		if x.Op == "-" {
			return -v
		}
	case *table:
		if x.Op == "|" {
			return int64(len(v.items))
		}
	case *vector:
		if x.Op == "|" {
			return int64(len(v.list))
		}
	case string:
		if x.Op == "|" {
			return int64(len(v))
		}
	}
	return failed(at, "%s of %s is not understood", x.Op, describe(v))
}

// in reports whether a value is in another.
func (s *scope) in(x, y value, at script.Place) value {
	switch y := y.(type) {
	case *table:
		keys := []value{x}
		if v, ok := x.(*vector); ok { // [a, b] in t
			keys = v.list
		}
		for _, k := range keys {
			if u, bad := doubted(k); bad {
				return u
			}
		}
		i, err := y.get(keys, at)
		if err != nil {
			return unknown{err}
		}
		return i != nil
	case netip.Prefix:
		if a, ok := x.(netip.Addr); ok {
			return y.Contains(a)
		}
	case *vector: // it is about the index
		if n, ok := x.(int64); ok {
			return n >= 0 && n < int64(len(y.list))
		}
	}
	return failed(at, "\"in\" is not understood for %s", describe(y))
}

// count is ++x and --x.
func (s *scope) count(x *script.Unary, at script.Place) value {
	one := &script.Literal{Token: script.Token{Kind: script.Count, Text: "1", At: at.At}}
	return s.store(&script.Binary{Op: x.Op[:1] + "=", X: x.X, Y: one}, at)
}

// initial returns what makes the default of a field of a destination, if it may have one.
func (s *scope) initial(r *record, name string) (func(script.Place) value, bool) {
	if fields[name] == nil {
		return nil, false
	}
	if r.node == "" { // its type is not known
		return func(at script.Place) value {
			return failed(at, "whether the record has a $%s depends on its type", name)
		}, true
	}
	switch name {
	case "connect", "ssl", "auth", "request_logs", "connected", "hand_over", "accept_logs", "accept_state", "cache":
		return func(script.Place) value { return false }, true
	case "accept_input":
		return func(script.Place) value { return true }, true
	case "sync":
		return func(script.Place) value { return r.node == remoteTable }, true
	case "retry":
		return func(script.Place) value { return time.Duration(0) }, true
	case "compression":
		return func(at script.Place) value { return failed(at, "the default of $compression is not known yet") }, true
	}
	return nil, false
}
