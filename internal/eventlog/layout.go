package eventlog

import (
	"slices"
	"strconv"

	"romanesco/internal/event"
)

const (
	// maxDepth is how deep records are taken apart, maxColumns into how many
	// columns those of an event. What is beyond becomes a column of JSON.
	maxDepth   = 4
	maxColumns = 256
	// maxFieldName is how long the name of a field may be that becomes one of a
	// column: it is kept.
	maxFieldName = 256
)

// asJSON marks a node that is a column of JSON.
const asJSON = event.Any

// node is how an argument, or a field of a record, is laid out: in a column or,
// if it is a record, in those of its fields.
type node struct {
	name   string
	kind   event.Type // Unknown as long as nothing but unset values has come
	elem   event.Type // of the members of a set or vector, likewise
	fields []node     // of a record
}

func layOut(name string, v *event.Value, depth int) node {
	n := node{name: name, kind: v.Type}
	switch v.Type {
	case event.Record:
		if depth == maxDepth || len(v.Elems) == 0 || len(v.Elems) > maxColumns || slices.ContainsFunc(v.Elems, longName) {
			n.kind = asJSON
			return n
		}
		n.fields = make([]node, len(v.Elems))
		for i := range v.Elems {
			n.fields[i] = layOut(fieldName(&v.Elems[i], i), &v.Elems[i], depth+1)
		}
	case event.Set, event.Vector:
		var same bool
		if n.elem, same = common(v.Elems); !same {
			n.kind = asJSON
		}
	default:
		if v.Type != event.Unknown && !isAtom(v.Type) {
			n.kind = asJSON
		}
	}
	return n
}

func longName(field event.Value) bool { return len(field.Field) > maxFieldName }

// fieldName returns the name of a field, which is the decoder's, as a string
// that may be kept.
func fieldName(v *event.Value, i int) string {
	if v.Field == "" {
		return strconv.Itoa(i)
	}
	return string([]byte(v.Field))
}

func isAtom(t event.Type) bool {
	switch t {
	case event.Bool, event.Int, event.Count, event.Counter, event.Double, event.Time, event.Interval,
		event.String, event.Pattern, event.Enum, event.Port, event.Addr, event.Subnet, event.Func, event.File:
		return true
	}
	return false
}

// common returns the type of all that is set among elems, if it is one, and one
// of a column's.
func common(elems []event.Value) (t event.Type, same bool) {
	for i := range elems {
		switch e := elems[i].Type; {
		case e == event.Unknown || e == t:
		case t == event.Unknown && isAtom(e):
			t = e
		default:
			return event.Unknown, false
		}
	}
	return t, true
}

// with returns the layout for v, and for what n was for as far as they agree: so
// that the values which are not always set do not change it each time.
func (n node) with(v *event.Value, depth int) node {
	switch {
	case v.Type == event.Unknown || n.kind == asJSON:
		return n
	case n.kind == event.Record && n.sameFields(v):
		fields := make([]node, len(n.fields))
		for i := range fields {
			fields[i] = n.fields[i].with(&v.Elems[i], depth+1)
		}
		n.fields = fields
		return n
	case n.kind == v.Type && (n.kind == event.Set || n.kind == event.Vector):
		if t, same := common(v.Elems); same && (t == event.Unknown || t == n.elem) {
			return n
		}
	}
	return layOut(n.name, v, depth)
}

func (n *node) sameFields(v *event.Value) bool {
	if v.Type != event.Record || len(v.Elems) != len(n.fields) {
		return false
	}
	for i := range n.fields {
		if f := v.Elems[i].Field; n.fields[i].name != f && (f != "" || n.fields[i].name != strconv.Itoa(i)) {
			return false
		}
	}
	return true
}

// width returns the number of columns.
func (n *node) width() int {
	if n.kind != event.Record {
		return 1
	}
	w := 0
	for i := range n.fields {
		w += n.fields[i].width()
	}
	return w
}

// append appends the columns of v, or reports that they are not those of n.
func (n *node) append(b []byte, v *event.Value) (_ []byte, fits bool) {
	if v.Type == event.Unknown {
		return n.appendUnset(b), true
	}
	switch n.kind {
	case asJSON:
		return asCell(appendValue(b, v), len(b)), true
	case event.Record:
		if !n.sameFields(v) {
			return b, false
		}
		for i := range n.fields {
			if i > 0 {
				b = append(b, separator)
			}
			if b, fits = n.fields[i].append(b, &v.Elems[i]); !fits {
				return b, false
			}
		}
		return b, true
	case event.Set, event.Vector:
		return n.appendMembers(b, v)
	}
	if v.Type != n.kind {
		return b, false
	}
	return appendAtom(b, v, false), true
}

func (n *node) appendUnset(b []byte) []byte {
	for i := range n.width() {
		if i > 0 {
			b = append(b, separator)
		}
		b = append(b, unsetField...)
	}
	return b
}

func (n *node) appendMembers(b []byte, v *event.Value) (_ []byte, fits bool) {
	if v.Type != n.kind {
		return b, false
	}
	if len(v.Elems) == 0 {
		return append(b, emptyField...), true
	}
	for i := range v.Elems {
		if i > 0 {
			b = append(b, setSeparator)
		}
		switch v.Elems[i].Type {
		case event.Unknown:
			b = append(b, unsetField...)
		case n.elem:
			b = appendAtom(b, &v.Elems[i], true)
		default:
			return b, false
		}
	}
	return b, true
}
