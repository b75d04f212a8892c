package zeek

import (
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Types is what Zeek's scripts declare and its messages leave out: the names
// and fields of records, and the numbers of enum values. A nil Types knows
// nothing.
type Types struct {
	declared map[string]*declared // by the name of the type
	values   map[string]enumValue // by the name of the value
	events   map[string][]field   // the parameters of an event
}

// enumValue is the number of an enum value, and whose it is.
type enumValue struct {
	enum   string
	number int64
}

// declared is a type as it was declared.
type declared struct {
	kind   event.Type // Any where nothing is known, or name says more
	name   string     // of a type declared elsewhere
	fields []field    // of a record
	index  []*declared
	yield  *declared // of a vector or table
	values []string  // of an enum, by number; "" for none
}

type field struct {
	name string
	of   *declared
}

// EnumName returns the name of a value of an enum type.
func (t *Types) EnumName(enum string, number int64) (string, bool) {
	if t == nil {
		return "", false
	}
	e := t.declared[enum]
	if e == nil || e.kind != event.Enum || number < 0 || number >= int64(len(e.values)) || e.values[number] == "" {
		return "", false
	}
	return e.values[number], true
}

// resolve follows names to what they stand for.
func (t *Types) resolve(d *declared) *declared {
	for range 64 { // a name may stand for a name
		if d == nil || d.name == "" {
			break
		}
		d = t.declared[d.name]
	}
	return d
}

// shape makes the arguments of an event what its declaration says: vectors
// records, names of enum values numbers. Without one it does the latter only.
func (t *Types) shape(ev *event.Event) error {
	if t == nil {
		return nil
	}
	params := t.fit(t.events[ev.Name], len(ev.Args))
	if params != nil && len(params) != len(ev.Args) {
		return fmt.Errorf("%w: event %s has %d arguments, its declaration %d", ErrMalformed, ev.Name, len(ev.Args), len(params))
	}
	for i := range ev.Args {
		var of *declared
		if params != nil {
			of = params[i].of
		}
		if err := t.value(&ev.Args[i], of); err != nil {
			return fmt.Errorf("event %s, argument %d: %w", ev.Name, i, err)
		}
	}
	return nil
}

// fit returns which of the declared fields n values are of. Where times are exact, a
// script that Zeek loads too declares an interval behind each, and what came as such a
// pair is one value by now.
func (t *Types) fit(fields []field, n int) []field {
	if len(fields) == n {
		return fields
	}
	joined := make([]field, 0, len(fields))
	for i, f := range fields {
		if i == 0 || t.kind(f) != event.Interval || t.kind(fields[i-1]) != event.Time {
			joined = append(joined, f)
		}
	}
	if len(joined) != n {
		return fields
	}
	return joined
}

func (t *Types) kind(f field) event.Type {
	if of := t.resolve(f.of); of != nil {
		return of.kind
	}
	return event.Any
}

// value shapes one value; of is nil where nothing is declared.
func (t *Types) value(v *event.Value, of *declared) error {
	name := ""
	if of != nil {
		name = of.name
	}
	if of = t.resolve(of); of == nil {
		of = &declared{kind: event.Any}
	}
	switch v.Type {
	case event.Enum:
		if known, ok := t.values[string(v.Bytes)]; ok {
			v.TypeName, v.Bits, v.Bytes = known.enum, uint64(known.number), nil
		}
	case event.String:
		if of.kind == event.File {
			v.Type = event.File
		}
	case event.Vector, event.List:
		switch of.kind {
		case event.Record:
			return t.record(v, of, name)
		case event.Func:
			if len(v.Elems) == 1 && v.Elems[0].Type == event.String {
				*v = event.Value{Type: event.Func, Bytes: v.Elems[0].Bytes, Field: v.Field}
			}
			return nil
		case event.Vector:
			v.Type = event.Vector
		}
		return t.each(v.Elems, of.yield)
	case event.Set:
		return t.indices(v.Elems, 1, of)
	case event.Table:
		if err := t.indices(v.Elems, 2, of); err != nil {
			return err
		}
		for i := 1; i < len(v.Elems); i += 2 {
			if err := t.value(&v.Elems[i], of.yield); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Types) each(vs []event.Value, of *declared) error {
	for i := range vs {
		if err := t.value(&vs[i], of); err != nil {
			return err
		}
	}
	return nil
}

func (t *Types) record(v *event.Value, of *declared, name string) error {
	fields := t.fit(of.fields, len(v.Elems))
	if len(v.Elems) != len(fields) {
		return fmt.Errorf("%w: %d fields, record %s has %d", ErrMalformed, len(v.Elems), name, len(of.fields))
	}
	v.Type, v.TypeName = event.Record, name
	for i := range v.Elems {
		if err := t.value(&v.Elems[i], fields[i].of); err != nil {
			return fmt.Errorf("field %s: %w", fields[i].name, err)
		}
		v.Elems[i].Field = fields[i].name
	}
	return nil
}

// indices shapes every step-th value, which is an index of a set or table.
func (t *Types) indices(vs []event.Value, step int, of *declared) error {
	for i := 0; i < len(vs); i += step {
		var err error
		switch {
		case len(of.index) == 1:
			err = t.value(&vs[i], of.index[0])
		case vs[i].Type == event.List && len(of.index) == len(vs[i].Elems):
			for j := range vs[i].Elems {
				if err == nil {
					err = t.value(&vs[i].Elems[j], of.index[j])
				}
			}
		default:
			err = t.value(&vs[i], nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
