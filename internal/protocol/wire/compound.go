package wire

import (
	"bytes"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// compound reads the content of values that are more than a scalar.
func (d *Decoder) compound(t *typeInfo, v *event.Value) {
	switch v.Type {
	case event.Record:
		d.mutable()
		v.Elems = d.optional("fields", t.fields)
	case event.Vector:
		d.mutable()
		v.Elems = d.optional("elements", nil)
	case event.Table:
		if t.set {
			v.Type = event.Set
		}
		d.mutable()
		v.Elems = d.table(t.set)
	case event.List:
		d.u8() // the tag of the elements
		v.Elems = d.list()
	case event.Pattern:
		v.Bytes = d.matcher()
	case event.Func:
		v.Bytes = d.function()
	case event.File:
		v.Bytes = d.file()
	case event.Any, tagType:
		v.Type = event.Any // there is no content
	}
}

// mutable reads the properties of a value that can change, and the name of the
// global variable that it belongs to.
func (d *Decoder) mutable() {
	d.u8()
	d.raw()
}

// optional reads values each of which may be missing.
func (d *Decoder) optional(what string, names []string) []event.Value {
	n := d.count(what, 1)
	d.charge(n, 0)
	vs := d.values(n)
	for i := range vs {
		if d.flag() {
			d.value(&vs[i])
		}
		if i < len(names) {
			vs[i].Field = names[i]
			d.chargeShared(0, len(names[i])) // which its type has, perhaps by reference
		}
		if d.err != nil {
			return nil
		}
	}
	return vs
}

func (d *Decoder) list() []event.Value {
	n := d.count("elements", 5)
	d.charge(n, 0)
	vs := d.values(n)
	for i := range vs {
		if d.value(&vs[i]); d.err != nil {
			return nil
		}
	}
	return vs
}

// table reads the entries of a table or set, whose number is not announced.
func (d *Decoder) table(set bool) []event.Value {
	d.skip("?A?E?E") // attributes, expiry time and function
	from := len(d.stack)
	for d.flag() {
		d.charge(1, 0)
		var v event.Value
		d.key(&v)
		d.push(v)
		if !set {
			d.charge(1, 0)
			d.value(&v)
			d.push(v)
		}
		d.skip("dd") // last access, expiry
	}
	vs := d.values(len(d.stack) - from)
	copy(vs, d.stack[from:])
	clear(d.stack[from:])
	d.stack = d.stack[:from]
	return vs
}

func (d *Decoder) push(v event.Value) {
	if n := len(d.stack); n == cap(d.stack) && !d.room(n*valueSize) {
		return // it would have had twice the size
	}
	d.stack = append(d.stack, v)
}

// key reads the key of an entry. On the wire it is always a list.
func (d *Decoder) key(v *event.Value) {
	d.value(v)
	switch {
	case d.err != nil:
	case v.Type != event.List:
		d.fail("key of a table is a %v", v.Type)
	case len(v.Elems) == 0:
		d.fail("key of a table without indices")
	case len(v.Elems) == 1:
		if *v = v.Elems[0]; v.Type == event.List {
			d.fail("index of a table is a list")
		}
	}
}

// matcher reads a pattern in its two forms and returns what the script had
// between slashes. A pattern that Bro has put together from others has no such
// thing; that is returned as Bro matches it.
func (d *Decoder) matcher() []byte {
	h, ok := d.open(kindMatcher)
	if !ok {
		return nil
	}
	var text []byte
	if h.ref != nil {
		text = h.ref.text
	} else {
		anywhere := d.raw()
		text = d.str()
		exact, ok := unwrap(text, exactPrefix, exactSuffix)
		if ok {
			if inner, ok := unwrap(anywhere, anywherePrefix, anywhereSuffix); ok && bytes.Equal(inner, exact) {
				text = exact
			}
		}
		if bytes.IndexByte(text, 0) >= 0 {
			d.fail("pattern with a NUL")
		}
		if h.slot != nil {
			h.slot.text = text
		}
	}
	d.close(&h)
	return text
}

func unwrap(b []byte, prefix, suffix string) ([]byte, bool) {
	if len(b) < len(prefix)+len(suffix) ||
		string(b[:len(prefix)]) != prefix || string(b[len(b)-len(suffix):]) != suffix {
		return nil, false
	}
	return b[len(prefix) : len(b)-len(suffix)], true
}

// function reads a function and returns its name.
func (d *Decoder) function() []byte {
	h, ok := d.open(kindFunc)
	if !ok {
		return nil
	}
	var name []byte
	if h.ref != nil {
		name = h.ref.text
	} else {
		d.skip("*BcT") // bodies, what sort of function, type
		name = d.str()
		switch h.class {
		case funcScript:
			d.u32() // size of the stack frame
		case funcBuiltin:
		default:
			d.undecodable("function of class 0x%04x", uint16(h.class))
		}
		if h.slot != nil {
			h.slot.text = name
		}
	}
	d.close(&h)
	return name
}

// Classes of functions.
const (
	funcScript  = kindFunc | 2
	funcBuiltin = kindFunc | 4
)

// file reads a file and returns its name.
func (d *Decoder) file() []byte {
	h, ok := d.open(kindFile)
	if !ok {
		return nil
	}
	var name []byte
	if h.ref != nil {
		name = h.ref.text
	} else {
		name = d.str()
		d.skip("b?sT?A") // buffered, mode, type of what is in it, attributes
		if h.slot != nil {
			h.slot.text = name
		}
	}
	d.close(&h)
	return name
}
