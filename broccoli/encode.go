package broccoli

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// maxDepth is how deep values may nest.
const maxDepth = 60

// toEvent returns the event that has been sent, with a copy of all that it has.
func toEvent(ev *Event) (*event.Event, error) {
	at := ev.Time
	if at.IsZero() {
		at = time.Now()
	}
	out := &event.Event{Name: ev.Name, Time: seconds(at), Args: make([]event.Value, len(ev.Args))}
	for i, arg := range ev.Args {
		v, err := toValue(reflect.ValueOf(arg), maxDepth)
		if err != nil {
			return nil, fmt.Errorf("argument %d of %s: %w", i+1, ev.Name, err)
		}
		out.Args[i] = v
	}
	return out, nil
}

// seconds returns a time as Bro counts it.
func seconds(t time.Time) float64 { return float64(t.Unix()) + float64(t.Nanosecond())/1e9 }

func number(t event.Type, bits uint64) event.Value { return event.Value{Type: t, Bits: bits} }

func real(t event.Type, f float64) event.Value { return number(t, math.Float64bits(f)) }

func text(t event.Type, s string) event.Value { return event.Value{Type: t, Bytes: []byte(s)} }

// toValue returns what a Go value is in Bro.
func toValue(v reflect.Value, depth int) (event.Value, error) {
	if depth == 0 {
		return event.Value{}, fmt.Errorf("%w: nested deeper than %d", ErrValue, maxDepth)
	}
	if !v.IsValid() {
		return event.Value{}, nil // nil: not set
	}
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return event.Value{}, nil
		}
		return toValue(v.Elem(), depth-1)
	}
	if known, ok, err := fromKnown(v, depth); ok {
		return known, err
	}
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return number(event.Bool, 1), nil
		}
		return number(event.Bool, 0), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return number(event.Int, uint64(v.Int())), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return number(event.Count, v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return real(event.Double, v.Float()), nil
	case reflect.String:
		return text(event.String, v.String()), nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return text(event.String, string(v.Bytes())), nil
		}
		return fromList(event.Vector, v, depth)
	case reflect.Array:
		return fromList(event.Vector, v, depth)
	case reflect.Map:
		return fromMap(v, depth)
	case reflect.Struct:
		return fromStruct(v, depth)
	}
	return event.Value{}, fmt.Errorf("%w: Bro has no counterpart of %v", ErrValue, v.Type())
}

// fromKnown returns what values are of the types that have a meaning of their own.
func fromKnown(v reflect.Value, depth int) (out event.Value, known bool, err error) {
	switch x := v.Interface().(type) {
	case time.Time:
		return real(event.Time, seconds(x)), true, nil
	case time.Duration:
		return real(event.Interval, x.Seconds()), true, nil
	case netip.Addr:
		out, err = fromAddr(x)
		return out, true, err
	case netip.Prefix:
		if !x.IsValid() {
			return out, true, fmt.Errorf("%w: the subnet is not valid", ErrValue)
		}
		out, err = fromAddr(x.Addr())
		out.Type, out.Width = event.Subnet, uint8(x.Bits())
		return out, true, err
	case Port:
		return event.Value{Type: event.Port, Bits: uint64(x.Number), Proto: uint8(x.Proto)}, true, nil
	case Enum:
		return event.Value{Type: event.Enum, TypeName: x.Type, Bits: uint64(x.Number), Bytes: []byte(x.Name)}, true, nil
	case Pattern:
		return text(event.Pattern, string(x)), true, nil
	case Record:
		out, err = fromRecord(x, depth)
		return out, true, err
	case Set:
		out, err = fromList(event.Set, v, depth)
		return out, true, err
	case Index:
		out, err = fromList(event.List, v, depth)
		return out, true, err
	case Table:
		out, err = fromTable(x, depth)
		return out, true, err
	}
	return out, false, nil
}

func fromAddr(a netip.Addr) (event.Value, error) {
	if !a.IsValid() {
		return event.Value{}, fmt.Errorf("%w: the address is not valid", ErrValue)
	}
	return event.Value{Type: event.Addr, Addr: a.As16()}, nil
}

func fromList(t event.Type, v reflect.Value, depth int) (event.Value, error) {
	out := event.Value{Type: t, Elems: make([]event.Value, v.Len())}
	for i := range out.Elems {
		elem, err := toValue(v.Index(i), depth-1)
		if err != nil {
			return out, fmt.Errorf("element %d: %w", i, err)
		}
		out.Elems[i] = elem
	}
	return out, nil
}

func fromTable(t Table, depth int) (event.Value, error) {
	out := event.Value{Type: event.Table}
	for _, e := range t {
		key, err := toValue(reflect.ValueOf(e.Key), depth-1)
		if err != nil {
			return out, fmt.Errorf("key %v: %w", e.Key, err)
		}
		val, err := toValue(reflect.ValueOf(e.Value), depth-1)
		if err != nil {
			return out, fmt.Errorf("value of key %v: %w", e.Key, err)
		}
		out.Elems = append(out.Elems, key, val)
	}
	return out, nil
}

var nothing = reflect.TypeFor[struct{}]()

// fromMap returns a set, of a map without values, or a table.
func fromMap(m reflect.Value, depth int) (event.Value, error) {
	out := event.Value{Type: event.Table}
	isSet := m.Type().Elem() == nothing
	if isSet {
		out.Type = event.Set
	}
	for it := m.MapRange(); it.Next(); {
		key, err := toKey(it.Key(), depth-1)
		if err != nil {
			return out, fmt.Errorf("key %v: %w", it.Key(), err)
		}
		out.Elems = append(out.Elems, key)
		if isSet {
			continue
		}
		val, err := toValue(it.Value(), depth-1)
		if err != nil {
			return out, fmt.Errorf("value of key %v: %w", it.Key(), err)
		}
		out.Elems = append(out.Elems, val)
	}
	return out, nil
}

// toKey returns a key: a struct is one of several values.
func toKey(v reflect.Value, depth int) (event.Value, error) {
	out, err := toValue(v, depth)
	if err == nil && out.Type == event.Record {
		out.Type, out.TypeName = event.List, ""
		for i := range out.Elems {
			out.Elems[i].Field = ""
		}
	}
	return out, err
}

func fromStruct(v reflect.Value, depth int) (event.Value, error) {
	l, err := layoutOf(v.Type())
	if err != nil {
		return event.Value{}, err
	}
	out := event.Value{Type: event.Record, TypeName: l.name, Elems: make([]event.Value, len(l.fields))}
	for i, f := range l.fields {
		field, err := toValue(v.Field(f.index), depth-1)
		if err != nil {
			return out, fmt.Errorf("field %s: %w", f.name, err)
		}
		field.Field = f.name
		out.Elems[i] = field
	}
	return out, nil
}

func fromRecord(r Record, depth int) (event.Value, error) {
	out := event.Value{Type: event.Record, TypeName: r.Type, Elems: make([]event.Value, len(r.Fields))}
	for i, f := range r.Fields {
		field, err := toValue(reflect.ValueOf(f.Value), depth-1)
		if err != nil {
			return out, fmt.Errorf("field %s: %w", f.Name, err)
		}
		field.Field = f.Name
		out.Elems[i] = field
	}
	return out, nil
}
