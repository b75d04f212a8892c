package wire

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// maxEncodeDepth bounds how deep what we send may nest: what the receiving
// side of another Romanesco takes by default, types inside values included. It
// is more than twice what the C API builds (FLAT_MAX_DEPTH): a set in a set is
// two levels here, a value and the list that is its key.
const maxEncodeDepth = 150

// appendType appends the type of v. A type that has a name goes by it alone, if
// it is not to be told in full, or cannot: the peer knows the rest.
func (e *Encoder) appendType(dst []byte, v *event.Value, depth int) ([]byte, error) {
	name := v.TypeName
	if name != "" && !(e.Named && describable(v)) {
		return appendString(append(dst, 0), name), nil
	}
	if depth > maxEncodeDepth {
		return dst, fmt.Errorf("%w: nested deeper than %d", ErrUnencodable, maxEncodeDepth)
	}
	switch v.Type {
	case event.Record:
		return e.appendRecordType(dst, v, depth)
	case event.Vector:
		dst = appendTypeHead(dst, typeVector, event.Vector, name)
		if y := firstSet(v.Elems); y != nil {
			return e.appendType(dst, typeFor(y, firstFilled(v.Elems, 0, 1)), depth+1)
		}
		return appendTypeHead(dst, typeBase, tagVoid, ""), nil // Bro: "of unspecified type"
	case event.List:
		return e.appendListType(dst, v.Elems, depth)
	case event.Set, event.Table:
		return e.appendTableType(dst, v, depth)
	case event.Enum:
		// libbroccoli sends a plain type, whose names Bro then looks up in
		// memory that is not there. This one has no names.
		dst = appendTypeHead(dst, typeEnum, event.Enum, name)
		return append(dst, 0, 0, 0, 0, 0, 0, 0, 0 /* counter */, 0, 0, 0, 0 /* names */, 0), nil
	case event.Unknown:
		// A field that is not set: this type agrees with every other.
		return appendTypeHead(dst, typeBase, event.Any, ""), nil
	}
	return appendTypeHead(dst, typeBase, v.Type, name), nil
}

// describable says whether we know of a type with a name what it consists of.
// Of an enum we do not know the names of its values, of an empty table what it
// is of, but they can go without: a peer that knows the name takes its own type.
func describable(v *event.Value) bool {
	return v.Type != event.Record || slices.ContainsFunc(v.Elems, func(f event.Value) bool { return f.Field != "" })
}

// appendTypeHead appends what all types have in common: the two tags, whether
// values are in network order, whether this is Bro's own object for a basic
// type, and the name. It never is, but for patterns: Bro 2.5.5 releases the type
// of one twice, and ends itself unless it is its own.
func appendTypeHead(dst []byte, c class, tag event.Type, name string) []byte {
	c |= flagKept
	var order byte
	if tag == event.Port {
		order = 1
	}
	var own byte
	if tag == event.Pattern {
		own = 1
	}
	dst = append(dst, 1 /* in full, not by name */, 1, 0, 0, 0, 0, byte(c>>8), byte(c), 0,
		byte(tag), byte(storageOf(tag)), order, own)
	return appendString(dst, name)
}

func (e *Encoder) appendRecordType(dst []byte, v *event.Value, depth int) ([]byte, error) {
	dst = appendTypeHead(dst, typeRecord, event.Record, v.TypeName)
	n := uint32(len(v.Elems))
	dst = binary.BigEndian.AppendUint32(dst, n)
	dst = binary.BigEndian.AppendUint32(append(dst, 1), n)
	var err error
	for i := range v.Elems {
		f := &v.Elems[i]
		dst = append(dst, 0) // no attributes
		if dst, err = e.appendType(dst, f, depth+1); err != nil {
			return dst, fmt.Errorf("type of field %q: %w", f.Field, err)
		}
		dst = appendString(dst, f.Field)
	}
	return dst, nil
}

// appendListType appends a list of types, as a script spells one out. (One that
// Bro has inferred can be "pure", and then has its type twice.)
func (e *Encoder) appendListType(dst []byte, elems []event.Value, depth int) ([]byte, error) {
	dst = append(appendTypeHead(dst, typeList, event.List, ""), 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(elems)))
	var err error
	for i := range elems {
		if dst, err = e.appendType(dst, &elems[i], depth+1); err != nil {
			return dst, fmt.Errorf("type of element %d: %w", i, err)
		}
	}
	return dst, nil
}

// appendTableType appends the type of a table or set, as its first entry has
// it. That of an empty argument has no indices; Bro calls it unspecified. Inside
// another value Bro 2.5.5 ends itself over that (flatten_type), and takes
// an index of any type.
func (e *Encoder) appendTableType(dst []byte, v *event.Value, depth int) ([]byte, error) {
	c := typeTable
	if v.Type == event.Set {
		c = typeSet
	}
	dst = appendTypeHead(dst, c, event.Table, v.TypeName) // sets are tables to Bro, without a yield
	var err error
	dst = appendBool(dst, v.Type == event.Table)
	if v.Type == event.Table {
		yield := &event.Value{}
		if len(v.Elems) > 1 {
			yield = typeFor(&v.Elems[1], firstFilled(v.Elems, 1, 2))
		}
		if dst, err = e.appendType(dst, yield, depth+1); err != nil {
			return dst, fmt.Errorf("type of the table's values: %w", err)
		}
	}
	var key []event.Value
	if len(v.Elems) > 0 {
		key = indices(v.Elems)
	} else if depth > 1 {
		key = []event.Value{{}}
	}
	if dst, err = e.appendListType(dst, key, depth+1); err != nil {
		return dst, fmt.Errorf("type of the keys: %w", err)
	}
	if c == typeSet {
		dst = append(dst, 0) // not made from a list of elements in a script
	}
	return dst, nil
}

// indices returns the indices of the entry that elems begins with.
func indices(elems []event.Value) []event.Value {
	if elems[0].Type == event.List {
		return elems[0].Elems
	}
	return elems[:1]
}

// typeFor is whose type a value goes by that is in a container with others: an
// empty table or set by that of one which has something.
func typeFor(v, filled *event.Value) *event.Value {
	if filled != nil && v.Type == filled.Type && v.TypeName == "" && len(v.Elems) == 0 {
		return filled
	}
	return v
}

// firstFilled returns the first table or set that is not empty of every
// step-th element, from from on; nil if there is none.
func firstFilled(elems []event.Value, from, step int) *event.Value {
	for i := from; i < len(elems); i += step {
		if t := elems[i].Type; (t == event.Table || t == event.Set) && len(elems[i].Elems) > 0 {
			return &elems[i]
		}
	}
	return nil
}

func firstSet(elems []event.Value) *event.Value {
	for i := range elems {
		if elems[i].Type != event.Unknown {
			return &elems[i]
		}
	}
	return nil
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}
