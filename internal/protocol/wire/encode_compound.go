package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// appendCompound appends what follows the type of a value of several parts.
func (e *Encoder) appendCompound(dst []byte, v *event.Value, depth int) ([]byte, error) {
	if depth > maxEncodeDepth {
		return dst, fmt.Errorf("%w: nested deeper than %d", ErrUnencodable, maxEncodeDepth)
	}
	switch v.Type {
	case event.Pattern:
		return appendPattern(dst, v)
	case event.List:
		return e.appendList(dst, v.Elems, depth)
	case event.Set, event.Table:
		return e.appendTable(appendMutable(dst), v, depth)
	case event.Record, event.Vector:
		dst = binary.BigEndian.AppendUint32(appendMutable(dst), uint32(len(v.Elems)))
		return e.appendOptional(dst, v, depth)
	}
	return dst, fmt.Errorf("%w: it is of type %v", ErrUnencodable, v.Type)
}

// appendMutable appends the properties of a value that can change, and the
// name of the global variable that it belongs to: none.
func appendMutable(dst []byte) []byte { return append(dst, 0, 0, 0, 0, 0) }

// appendOptional appends the fields of a record or the elements of a vector.
func (e *Encoder) appendOptional(dst []byte, v *event.Value, depth int) ([]byte, error) {
	var err error
	var filled *event.Value
	if v.Type == event.Vector {
		filled = firstFilled(v.Elems, 0, 1)
	}
	for i := range v.Elems {
		f := &v.Elems[i]
		dst = appendBool(dst, f.Type != event.Unknown)
		if f.Type == event.Unknown {
			continue
		}
		if dst, err = e.appendValueLike(dst, f, typeFor(f, filled), depth+1); err != nil {
			return dst, fmt.Errorf("element %d %s: %w", i, f.Field, err)
		}
	}
	return dst, nil
}

func (e *Encoder) appendList(dst []byte, elems []event.Value, depth int) ([]byte, error) {
	dst = append(dst, byte(event.Any))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(elems)))
	var err error
	for i := range elems {
		if dst, err = e.appendValue(dst, &elems[i], depth+1); err != nil {
			return dst, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return dst, nil
}

// appendTable appends the entries, each with the times of its last access and
// of its expiry. Nothing expires from a table without attributes, so that Bro
// never looks at these.
func (e *Encoder) appendTable(dst []byte, v *event.Value, depth int) ([]byte, error) {
	dst = append(dst, 0, 0, 0) // no attributes, expiry time, expiry function
	step := 1
	if v.Type == event.Table {
		step = 2
	}
	if len(v.Elems)%step != 0 {
		return dst, fmt.Errorf("%w: table with a key but no value", ErrUnencodable)
	}
	var err error
	filled := firstFilled(v.Elems, 1, 2)
	for i := 0; i < len(v.Elems); i += step {
		dst = append(dst, 1)
		dst = appendObject(dst, valList)
		key := indices(v.Elems[i:])
		if dst, err = e.appendListType(dst, key, depth+1); err != nil {
			return dst, fmt.Errorf("type of key %d: %w", i/step, err)
		}
		if dst, err = e.appendList(dst, key, depth+1); err != nil {
			return dst, fmt.Errorf("key %d: %w", i/step, err)
		}
		if step == 2 {
			val := &v.Elems[i+1]
			if dst, err = e.appendValueLike(dst, val, typeFor(val, filled), depth+1); err != nil {
				return dst, fmt.Errorf("value of key %d: %w", i/step, err)
			}
		}
		dst = appendFloat(appendFloat(dst, 0), 0)
	}
	return append(dst, 0), nil
}

// A pattern goes as the two expressions that Bro makes of it: one that
// matches it anywhere, one that matches it exactly.
const (
	anywherePrefix = `^?(.|\n)*(`
	anywhereSuffix = `)`
	exactPrefix    = `^?(`
	exactSuffix    = `)$?`
)

func appendPattern(dst []byte, v *event.Value) ([]byte, error) {
	for _, b := range v.Bytes {
		if b == 0 {
			return dst, fmt.Errorf("%w: pattern with a NUL", ErrUnencodable)
		}
	}
	dst = append(dst, 1, 0, 0, 0, 0, byte(kindMatcher>>8), 1)
	for _, affix := range [...][2]string{{anywherePrefix, anywhereSuffix}, {exactPrefix, exactSuffix}} {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(affix[0])+len(v.Bytes)+len(affix[1])))
		dst = append(dst, affix[0]...)
		dst = append(dst, v.Bytes...)
		dst = append(dst, affix[1]...)
	}
	return dst, nil
}
