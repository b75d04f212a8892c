package broccoli

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"time"
)

// Event is an event that has come, or that is to be sent. What each of Args is of is in
// the documentation of the package: of numbers that have come int64, uint64 and float64,
// of records Record, of vectors []any, of sets and tables Set and Table.
type Event struct {
	Name string
	// Time is when the event was made; the zero Time stands for now when it is sent.
	Time time.Time
	Args []any
}

// Scan puts the arguments into what dst points to, one for each. A pointer to a pointer
// takes what may not be set, a pointer to an any whatever it is.
func (e *Event) Scan(dst ...any) error {
	if len(dst) != len(e.Args) {
		return fmt.Errorf("%w: event %s has %d arguments, not %d", ErrValue, e.Name, len(e.Args), len(dst))
	}
	for i, d := range dst {
		p := reflect.ValueOf(d)
		if p.Kind() != reflect.Pointer || p.IsNil() {
			return fmt.Errorf("%w: Scan wants pointers, argument %d is %T", ErrValue, i+1, d)
		}
		if err := assign(p.Elem(), e.Args[i]); err != nil {
			return fmt.Errorf("argument %d of %s: %w", i+1, e.Name, err)
		}
	}
	return nil
}

// assign puts a value that has come into a variable.
func assign(dst reflect.Value, src any) error {
	if dst.Kind() == reflect.Interface && dst.NumMethod() == 0 {
		dst.SetZero()
		if src != nil {
			dst.Set(reflect.ValueOf(src))
		}
		return nil
	}
	if dst.Kind() == reflect.Pointer {
		return assignPointer(dst, src)
	}
	if src == nil {
		return fmt.Errorf("%w: it is not set, and %v cannot say so: use a pointer", ErrValue, dst.Type())
	}
	if v := reflect.ValueOf(src); v.Type() == dst.Type() {
		dst.Set(v)
		return nil
	}
	switch x := src.(type) {
	case bool:
		if dst.Kind() == reflect.Bool {
			dst.SetBool(x)
			return nil
		}
	case int64:
		return assignInt(dst, x)
	case uint64:
		return assignUint(dst, x)
	case float64:
		if dst.Kind() == reflect.Float64 || dst.Kind() == reflect.Float32 && float64(float32(x)) == x {
			dst.SetFloat(x)
			return nil
		}
	case string:
		return assignString(dst, x)
	case []any:
		return assignList(dst, x)
	case Index:
		return assignList(dst, x)
	case Set:
		return assignSet(dst, x)
	case Table:
		return assignTable(dst, x)
	case Record:
		return assignRecord(dst, x)
	}
	return misfit(dst, src)
}

func misfit(dst reflect.Value, src any) error {
	return fmt.Errorf("%w: %s into %v", ErrValue, kindOf(src), dst.Type())
}

// kindOf is what Bro calls the type of a value that has come.
func kindOf(src any) string {
	switch src.(type) {
	case nil:
		return "what is not set"
	case int64:
		return "int"
	case uint64:
		return "count"
	case float64:
		return "double"
	case time.Time:
		return "time"
	case time.Duration:
		return "interval"
	case netip.Addr:
		return "addr"
	case netip.Prefix:
		return "subnet"
	case []any:
		return "vector"
	case Index:
		return "a key of several values"
	case Record:
		return "record"
	case Set:
		return "set"
	case Table:
		return "table"
	}
	return reflect.TypeOf(src).String()
}

func assignPointer(dst reflect.Value, src any) error {
	if src == nil {
		dst.SetZero()
		return nil
	}
	p := reflect.New(dst.Type().Elem())
	if err := assign(p.Elem(), src); err != nil {
		return err
	}
	dst.Set(p)
	return nil
}

// isNumber reports whether a variable is a plain number: a Duration or a Proto is not.
func isNumber(dst reflect.Value) bool {
	switch dst.Interface().(type) {
	case time.Duration:
		return false
	}
	return dst.CanInt() || dst.CanUint()
}

func assignInt(dst reflect.Value, n int64) error {
	switch {
	case !isNumber(dst):
		return misfit(dst, n)
	case dst.CanInt() && !dst.OverflowInt(n):
		dst.SetInt(n)
	case dst.CanUint() && n >= 0 && !dst.OverflowUint(uint64(n)):
		dst.SetUint(uint64(n))
	default:
		return fmt.Errorf("%w: %d into %v", ErrValue, n, dst.Type())
	}
	return nil
}

func assignUint(dst reflect.Value, n uint64) error {
	switch {
	case !isNumber(dst):
		return misfit(dst, n)
	case dst.CanUint() && !dst.OverflowUint(n):
		dst.SetUint(n)
	case dst.CanInt() && n <= math.MaxInt64 && !dst.OverflowInt(int64(n)):
		dst.SetInt(int64(n))
	default:
		return fmt.Errorf("%w: %d into %v", ErrValue, n, dst.Type())
	}
	return nil
}

func assignString(dst reflect.Value, s string) error {
	switch {
	case dst.Kind() == reflect.String && dst.Type() != reflect.TypeFor[Pattern]():
		dst.SetString(s)
	case dst.Kind() == reflect.Slice && dst.Type().Elem().Kind() == reflect.Uint8:
		dst.SetBytes([]byte(s))
	default:
		return misfit(dst, s)
	}
	return nil
}

// assignList puts a vector into a slice, or into a struct by the order of its fields: a
// Zeek sends records so.
func assignList(dst reflect.Value, list []any) error {
	switch dst.Kind() {
	case reflect.Struct:
		r := Record{Fields: make([]Field, len(list))}
		for i := range list {
			r.Fields[i].Value = list[i]
		}
		return assignRecord(dst, r)
	case reflect.Slice:
		out := reflect.MakeSlice(dst.Type(), len(list), len(list))
		for i := range list {
			if err := assign(out.Index(i), list[i]); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		dst.Set(out)
		return nil
	}
	return misfit(dst, list)
}

func assignSet(dst reflect.Value, set Set) error {
	if dst.Kind() == reflect.Slice {
		return assignList(dst, set)
	}
	if dst.Kind() != reflect.Map || dst.Type().Elem() != nothing {
		return misfit(dst, set)
	}
	out := reflect.MakeMapWithSize(dst.Type(), len(set))
	for _, member := range set {
		key, err := keyOf(dst.Type().Key(), member)
		if err != nil {
			return err
		}
		out.SetMapIndex(key, reflect.Zero(nothing))
	}
	dst.Set(out)
	return nil
}

func assignTable(dst reflect.Value, table Table) error {
	if dst.Kind() != reflect.Map || dst.Type().Elem() == nothing {
		return misfit(dst, table)
	}
	out := reflect.MakeMapWithSize(dst.Type(), len(table))
	for _, e := range table {
		key, err := keyOf(dst.Type().Key(), e.Key)
		if err != nil {
			return err
		}
		val := reflect.New(dst.Type().Elem()).Elem()
		if err := assign(val, e.Value); err != nil {
			return fmt.Errorf("value of key %v: %w", e.Key, err)
		}
		out.SetMapIndex(key, val)
	}
	dst.Set(out)
	return nil
}

func keyOf(t reflect.Type, src any) (reflect.Value, error) {
	key := reflect.New(t).Elem()
	if err := assign(key, src); err != nil {
		return key, fmt.Errorf("key: %w", err)
	}
	if !key.Comparable() {
		return key, fmt.Errorf("%w: %s cannot be a key in Go", ErrValue, kindOf(src))
	}
	return key, nil
}

// assignRecord puts fields into a struct by their names or, if they have none, by their
// order; then there have to be as many.
func assignRecord(dst reflect.Value, r Record) error {
	if dst.Kind() != reflect.Struct || dst.Type() == reflect.TypeFor[time.Time]() {
		return misfit(dst, r)
	}
	l, err := layoutOf(dst.Type())
	if err != nil {
		return err
	}
	named := len(r.Fields) > 0 && r.Fields[0].Name != ""
	if !named && len(r.Fields) != len(l.fields) {
		return fmt.Errorf("%w: the record has %d fields without names, %v has %d", ErrValue, len(r.Fields), dst.Type(), len(l.fields))
	}
	for i, f := range l.fields {
		at := i
		if named {
			at = indexOf(r.Fields, f.name)
		}
		var src any
		if at >= 0 {
			src = r.Fields[at].Value
		}
		if err := assign(dst.Field(f.index), src); err != nil {
			return fmt.Errorf("field %s: %w", f.name, err)
		}
	}
	return nil
}

func indexOf(fields []Field, name string) int {
	for i := range fields {
		if fields[i].Name == name {
			return i
		}
	}
	return -1
}
