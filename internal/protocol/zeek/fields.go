package zeek

import (
	"fmt"
	"iter"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Events returns the events that are declared, with the names of their arguments.
func (t *Types) Events() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for name, params := range t.events {
			args := make([]string, len(params))
			for i, p := range params {
				args[i] = p.name
			}
			if !yield(name, args) {
				return
			}
		}
	}
}

// NameFields gives the fields of records the names that are declared, where the peer
// has sent none: of libbroccoli a record may have no more than the name of its type.
// What does not fit its declaration is left as it is, and misfit is told what is declared
// otherwise and why: no more names than there are declarations. It appends the values
// that it has named.
func (t *Types) NameFields(ev *event.Event, named []*event.Value, misfit func(declared string, why func() string)) []*event.Value {
	if t == nil || !hasParts(ev.Args) {
		return named
	}
	n := namer{t, misfit, named}
	params := t.fit(t.events[ev.Name], len(ev.Args))
	for i := range ev.Args {
		var of *declared
		if len(params) == len(ev.Args) {
			of = params[i].of
		}
		n.value(&ev.Args[i], of)
	}
	return n.named
}

func hasParts(vs []event.Value) bool {
	for i := range vs {
		if len(vs[i].Elems) > 0 {
			return true
		}
	}
	return false
}

// namer names the fields of one event.
type namer struct {
	types  *Types
	misfit func(declared string, why func() string)
	named  []*event.Value
}

// value names what is in a value; of is nil where nothing is declared.
func (n *namer) value(v *event.Value, of *declared) {
	if len(v.Elems) == 0 {
		return
	}
	name := ""
	if of != nil {
		name = of.name
	}
	if of = n.types.resolve(of); of == nil {
		of = &declared{kind: event.Any}
	}
	switch v.Type {
	case event.Record:
		n.record(v, of, name)
	case event.Vector, event.List:
		n.each(v.Elems, 1, of.yield)
	case event.Set:
		n.indices(v.Elems, 1, of)
	case event.Table:
		n.indices(v.Elems, 2, of)
		n.each(v.Elems[1:], 2, of.yield)
	}
}

// each names what is in every step-th value.
func (n *namer) each(vs []event.Value, step int, of *declared) {
	for i := 0; i < len(vs); i += step {
		n.value(&vs[i], of)
	}
}

// indices names what is in every step-th value, which is an index of a set or table.
func (n *namer) indices(vs []event.Value, step int, of *declared) {
	for i := 0; i < len(vs); i += step {
		switch index := of.index; {
		case len(index) == 1:
			n.value(&vs[i], index[0])
		case vs[i].Type == event.List && len(index) == len(vs[i].Elems):
			for j := range index {
				n.value(&vs[i].Elems[j], index[j])
			}
		default:
			n.value(&vs[i], nil)
		}
	}
}

// record names the fields of a record that is declared as of, under that name. A type
// that the record itself names counts instead.
func (n *namer) record(v *event.Value, of *declared, name string) {
	if v.TypeName != "" && v.TypeName != name {
		name = v.TypeName
		of = n.types.resolve(n.types.declared[name])
	}
	var fields []field
	if of != nil && of.kind == event.Record {
		fields = n.types.fit(of.fields, len(v.Elems))
		if why := n.types.misfits(fields, v.Elems); why != nil {
			n.misfit(name, why)
			fields = nil
		}
	}
	for i := range v.Elems {
		var of *declared
		if fields != nil {
			of = fields[i].of
			if v.Elems[i].Field == "" {
				v.Elems[i].Field = fields[i].name
				n.named = append(n.named, &v.Elems[i])
			}
		}
		n.value(&v.Elems[i], of)
	}
}

// misfits returns what says why values are not those of the fields; nil: they are. A
// peer may send many of them, and they are told once.
func (t *Types) misfits(fields []field, vs []event.Value) func() string {
	if len(fields) != len(vs) {
		return func() string {
			return fmt.Sprintf("it is declared with %d fields, and has come with %d", len(fields), len(vs))
		}
	}
	for i, f := range fields {
		v := &vs[i]
		if v.Field != "" && v.Field != f.name {
			return func() string {
				return fmt.Sprintf("its field %d is declared as %s, and has come under another name", i, f.name)
			}
		}
		if kind := t.kind(f); !accepts(kind, v.Type) {
			return func() string {
				return fmt.Sprintf("its field %s is declared as %v, and has come as %v", f.name, kind, v.Type)
			}
		}
	}
	return nil
}

// accepts reports whether what is declared as one type may come as another: an optional
// that is not set comes as none, and a counter is a count.
func accepts(declared, came event.Type) bool {
	if came == event.Counter {
		came = event.Count
	}
	return declared == event.Any || came == event.Unknown || came == declared
}
