package policy

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// binary returns what an operator makes of two values.
func (s *scope) binary(x *script.Binary, at script.Place) value {
	switch x.Op {
	case "=", "+=", "-=":
		return s.store(x, at)
	case "&&", "||":
		return s.logical(x, at)
	}
	a, b := s.eval(x.X), s.eval(x.Y)
	if !s.spend(costOf(a), at) {
		return unknown{s.exhausted}
	}
	for _, v := range []value{a, b} {
		if u, bad := doubted(v); bad {
			return u
		}
	}
	switch x.Op {
	case "in":
		return s.in(a, b, at)
	case "!in":
		v := s.in(a, b, at)
		if is, ok := v.(bool); ok {
			return !is
		}
		return v
	case "==", "!=":
		if v, ok := same(a, b); ok {
			return v == (x.Op == "==")
		}
	}
	if v := operate(x.Op, a, b, at); v != nil {
		return v
	}
	return failed(at, "%s between %s and %s is not understood", x.Op, describe(a), describe(b))
}

// costOf is what it takes to join a value with another one, in steps.
func costOf(v value) int {
	if p, ok := v.(*pattern.Pattern); ok {
		return 500 + len(p.String())
	}
	return 0
}

// logical looks at the second one only where that matters.
func (s *scope) logical(x *script.Binary, at script.Place) value {
	decides := x.Op == "||"
	a := s.eval(x.X)
	if a == decides {
		return a
	}
	b := s.eval(x.Y)
	if b == decides {
		return b
	}
	for _, v := range []value{a, b} {
		if u, ok := v.(unknown); ok {
			return u
		}
	}
	if a == !decides && b == !decides {
		return !decides
	}
	return failed(at, "expected T or F on both sides of %s", x.Op)
}

// same reports whether two values are equal, if that can be told.
func same(a, b value) (equal, ok bool) {
	if numeric(a) && numeric(b) {
		return asFloat(a) == asFloat(b), true
	}
	if p, ok := b.(*pattern.Pattern); ok {
		a, b = p, a
	}
	if p, ok := a.(*pattern.Pattern); ok {
		text, ok := b.(string)
		return ok && p.Match(text), ok
	}
	if reflect.TypeOf(a) != reflect.TypeOf(b) {
		return false, false
	}
	switch a := a.(type) {
	case bool, int64, float64, string, netip.Addr, netip.Prefix, port, time.Duration, symbol:
		return a == b, true
	}
	return false, false
}

func numeric(v value) bool {
	switch v.(type) {
	case int64, float64:
		return true
	}
	return false
}

func asFloat(v value) float64 {
	if n, ok := v.(int64); ok {
		return float64(n)
	}
	f, _ := v.(float64)
	return f
}

func operate(op string, a, b value, at script.Place) value {
	switch a := a.(type) {
	case int64:
		if b, ok := b.(int64); ok {
			return integers(op, a, b)
		}
		if b, ok := b.(time.Duration); ok && op == "*" {
			return scaled(b, float64(a), at)
		}
	case float64:
		if b, ok := b.(time.Duration); ok && op == "*" {
			return scaled(b, a, at)
		}
	case time.Duration:
		return durations(op, a, b, at)
	case string:
		if b, ok := b.(string); ok && op == "+" && len(a)+len(b) <= maxText {
			return a + b
		}
	case *pattern.Pattern:
		if b, ok := b.(*pattern.Pattern); ok && op == "|" {
			return either(at, a, b)
		}
	}
	return nil
}

func either(at script.Place, all ...*pattern.Pattern) value {
	p, err := pattern.Or(all...)
	if err != nil {
		return failed(at, "%v", err)
	}
	return p
}

func integers(op string, a, b int64) value {
	const most = 1 << 40 // far from where it would overflow
	if max(a, -a, b, -b) > most {
		return nil
	}
	switch op {
	case "+":
		return a + b
	case "-":
		if min(a, b) >= 0 && a < b {
			return nil // counts have no sign
		}
		return a - b
	case "*":
		if max(a, -a) < 1<<20 && max(b, -b) < 1<<20 {
			return a * b
		}
	case "/", "%":
		if b == 0 {
			return nil
		}
		if op == "/" {
			return a / b
		}
		return a % b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	case ">=":
		return a >= b
	}
	return nil
}

func scaled(d time.Duration, by float64, at script.Place) value {
	if f := d.Seconds() * by; f >= -maxInterval.Seconds() && f <= maxInterval.Seconds() {
		return time.Duration(f * float64(time.Second))
	}
	return failed(at, "expected an interval of ten years at most")
}

func durations(op string, a time.Duration, b value, at script.Place) value {
	switch b := b.(type) {
	case int64:
		if op == "*" {
			return scaled(a, float64(b), at)
		}
		if op == "/" && b != 0 {
			return scaled(a, 1/float64(b), at)
		}
	case float64:
		if op == "*" {
			return scaled(a, b, at)
		}
	case time.Duration:
		switch op {
		case "+", "-":
			if op == "-" {
				b = -b
			}
			return scaled(a+b, 1, at)
		case "<":
			return a < b
		case ">":
			return a > b
		}
	}
	return nil
}

// store assigns. It returns the value, or what is wrong.
func (s *scope) store(x *script.Binary, at script.Place) value {
	v := s.fresh(x.Y)
	if x.Op != "=" {
		v = s.combined(s.eval(x.X), x.Op, v, at)
	}
	c := cell{v, s.place(x.Y)}
	switch to := x.X.(type) {
	case *script.Ident:
		if full := s.resolve(to.Name, s.module); isTable(full) && s.locals[to.Name] == nil {
			return s.storeTable(full, v, at)
		}
		s.assign(to.Name, c)
		return v
	case *script.Index:
		return s.storeAt(to, c)
	case *script.Field:
		in := s.eval(to.X)
		r, ok := in.(*record)
		if !ok {
			u, bad := in.(unknown)
			if !bad {
				u = failed(at, "expected a record before $%s", to.Name)
			}
			s.changedUnknown(to.X, u)
			return u
		}
		if r.twin != nil {
			s.spoil(r.twin, at.Fail("whether this changes what the record has been assigned to is not known: give it a type"))
		}
		r.set(to.Name, member{c, s.place(to)})
		return v
	}
	u := failed(at, "this cannot be assigned to")
	s.changedUnknown(x.X, u)
	return u
}

// storeTable gives one of the two tables the entries of another one.
func (s *scope) storeTable(full string, v value, at script.Place) value {
	t := s.tableOf(full)
	switch v := v.(type) {
	case unknown:
		s.spoil(t, v.err)
		return v
	case *table:
		if u, bad := doubted(v); bad {
			s.spoil(t, u.err)
			return u
		}
		if v == t {
			return t
		}
		s.replace(full, v, at)
		return v
	}
	return failed(at, "expected a table of destinations, found %s", describe(v))
}

// replace has a table be the one that has the destinations: it may have other names.
func (s *scope) replace(full string, t *table, at script.Place) {
	s.vars[full].value = t
	if !s.spend(len(t.order), at) {
		return
	}
	for _, i := range t.order {
		s.adopt(t, i)
	}
}

// storeAt puts a value into a table.
func (s *scope) storeAt(to *script.Index, c cell) value {
	if len(to.Keys) == 0 {
		return failed(s.place(to), "expected a key between the brackets")
	}
	at := s.place(to.Keys[0])
	in, keys := s.eval(to.X), s.values(to.Keys)
	if v, ok := in.(*vector); ok {
		return s.storeElement(v, keys, c, at)
	}
	t, ok := in.(*table)
	if !ok {
		u, bad := in.(unknown)
		if !bad {
			u = failed(s.place(to), "expected a table before the [")
		}
		s.changedUnknown(to.X, u)
		return u
	}
	for _, k := range keys {
		if u, bad := doubted(k); bad {
			s.spoil(t, u.err)
			return u
		}
	}
	if !s.grow(1, at) {
		return unknown{s.exhausted}
	}
	i, _ := t.put(keys, at, s.next())
	i.cell, i.key = c, at
	t.set = false
	s.adopt(t, i)
	return c.value
}

// adopt has a record be one of the table that it is put into.
func (s *scope) adopt(t *table, i *item) {
	for _, name := range []string{remoteTable, nodesTable} {
		r, ok := i.value.(*record)
		if !ok || value(t) != s.vars[name].value {
			continue
		}
		if r.untyped {
			other := *r
			other.fields, other.order = maps.Clone(r.fields), slices.Clone(r.order)
			other.untyped, other.twin, r.twin = false, r, &other
			r = &other
			i.value = r
		}
		r.node = name
	}
}

// storeElement changes a vector, or makes it one longer.
func (s *scope) storeElement(v *vector, keys []value, c cell, at script.Place) value {
	n, ok := keys[0].(int64)
	switch size := int64(len(v.list)); {
	case !ok || len(keys) != 1 || n < 0 || !s.grow(1, at):
		return s.unknownElement(v, failed(at, "an element of a vector at a place that is not known"))
	case n > size:
		return s.unknownElement(v, failed(at, "a vector with holes is not understood"))
	case n == size:
		v.list = append(v.list, c.value)
	default:
		v.list[n] = c.value
	}
	return c.value
}

func (s *scope) unknownElement(v *vector, u unknown) value {
	s.spoil(v, u.err)
	return u
}

// extended is a vector with more behind its end.
func (s *scope) extended(list *vector, op string, v value, at script.Place) value {
	if t, ok := v.(*table); ok {
		v = listed(t, at)
	}
	switch more, ok := v.(*vector); {
	case op != "+=":
	case ok && s.grow(len(more.list), at):
		list.list = append(list.list, more.list...)
		return list
	case !ok && !isUnknown(v):
		list.list = append(list.list, v)
		return list
	}
	u := failed(at, "%s of a vector is not understood", op)
	s.spoil(list, u.err)
	return u
}

func isUnknown(v value) bool {
	_, bad := doubted(v)
	return bad
}

// combined is the value of += and -=. A table is changed in its place.
func (s *scope) combined(old value, op string, v value, at script.Place) value {
	for _, x := range []value{old, v} {
		if u, bad := doubted(x); bad {
			s.spoil(old, u.err)
			return u
		}
	}
	t, ok := old.(*table)
	if list, is := old.(*vector); is {
		return s.extended(list, op, v, at)
	}
	if !ok {
		if p, ok := old.(*pattern.Pattern); ok && op == "+=" {
			if b, ok := v.(*pattern.Pattern); ok {
				return either(at, p, b)
			}
		}
		if r := operate(strings.TrimSuffix(op, "="), old, v, at); r != nil {
			return r
		}
		return failed(at, "%s between %s and %s is not understood", op, describe(old), describe(v))
	}
	add, ok := v.(*table)
	if !ok {
		add = newTable()
		add.put([]value{v}, at, s.next())
		add.set = true
	}
	if len(t.items) == 0 {
		t.set = add.set
	}
	if !s.spend(len(add.order), at) {
		return unknown{s.exhausted}
	}
	for _, i := range add.order {
		switch {
		case i.gone:
		case op == "-=":
			t.remove(i.keys)
		default:
			mine, _ := t.put(i.keys, i.key, i.seq)
			mine.cell, mine.key = i.cell, i.key
			s.adopt(t, mine)
		}
	}
	return t
}
