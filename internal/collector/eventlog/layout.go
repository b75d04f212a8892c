package eventlog

import (
	"slices"
	"strconv"

	"github.com/romanesco-broccoli/romanesco/internal/event"
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

// heading returns how long the names of the columns are, behind a prefix.
func (n *node) heading(prefix int) (size int) {
	prefix += len(n.name) + 1
	if n.kind != event.Record {
		return prefix
	}
	for i := range n.fields {
		size += n.fields[i].heading(prefix)
	}
	return size
}

// node appends the columns of v, if they are those of n.
func (w *writer) node(n *node, v *event.Value, end int) result {
	if n.kind == event.Record {
		return w.fields(n, v, end)
	}
	fits := true
	room := w.column(end, func(end int) (room bool) {
		room, fits = w.leaf(n, v, end)
		return room
	})
	switch {
	case !fits:
		return misfit
	case !room:
		return noRoom
	}
	return written
}

// fields appends the columns of a record, which may not be set.
func (w *writer) fields(n *node, v *event.Value, end int) result {
	unset := v.Type == event.Unknown
	if !unset && !n.sameFields(v) {
		return misfit
	}
	for i := range n.fields {
		field := v
		if !unset {
			field = &v.Elems[i]
		}
		if r := w.node(&n.fields[i], field, end); r != written {
			return r
		}
	}
	return written
}

// leaf appends a column. fits reports that it is of n's type.
func (w *writer) leaf(n *node, v *event.Value, end int) (room, fits bool) {
	switch {
	case v.Type == event.Unknown:
		from := len(w.b)
		w.b = append(w.b, unsetField...)
		return w.within(from, end), true
	case n.kind == asJSON:
		return w.json(func(end int) bool { return w.value(v, end) }, end), true
	case v.Type != n.kind:
		return false, false
	case n.kind == event.Set || n.kind == event.Vector:
		return w.elements(n, v, end)
	}
	return w.atom(v, false, end), true
}

// elements appends a set or vector, and none of its members behind one that was
// cut.
func (w *writer) elements(n *node, v *event.Value, end int) (room, fits bool) {
	for i := range v.Elems {
		if t := v.Elems[i].Type; t != event.Unknown && t != n.elem {
			return false, false
		}
	}
	from := len(w.b)
	if len(v.Elems) == 0 {
		w.b = append(w.b, emptyField...)
		return w.within(from, end), true
	}
	before := w.cut
	w.cut = false
	for i := 0; i < len(v.Elems) && !w.cut; i++ {
		at := len(w.b)
		if i > 0 {
			w.b = append(w.b, setSeparator)
		}
		if w.element(&v.Elems[i], w.share(end)) {
			continue
		}
		if w.b = w.b[:at]; !w.fair || i == 0 {
			w.b = w.b[:from]
			return false, true
		}
		w.cut = true
	}
	w.cut = w.cut || before
	return true, true
}

func (w *writer) element(v *event.Value, end int) bool {
	if v.Type != event.Unknown {
		return w.atom(v, true, end)
	}
	from := len(w.b)
	w.b = append(w.b, unsetField...)
	return w.within(from, end)
}
