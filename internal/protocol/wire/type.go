package wire

import (
	"slices"
	"unsafe"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// typeInfo is what we keep of a type: values bring their own types all the way
// down, so that what a type says of its parts is of no use.
type typeInfo struct {
	tag    event.Type
	set    bool // a table without values
	byName bool // only the name is known
	// complete is false while the type is being read: it may contain itself.
	complete bool
	name     string
	fields   []string // the names, of a record
}

// typ reads a type: by its name, by reference, or in full.
func (d *Decoder) typ() typeInfo {
	if !d.flag() {
		if d.err != nil {
			return typeInfo{}
		}
		return typeInfo{name: d.name("type name"), byName: true, complete: true}
	}
	h, ok := d.open(kindType)
	if !ok {
		return typeInfo{}
	}
	if h.ref != nil {
		d.close(&h)
		if h.ref.typ == nil {
			return typeInfo{} // of an enclosing type, as yet without content
		}
		return *h.ref.typ
	}
	var t typeInfo
	d.typeBase(&t)
	if h.slot != nil {
		known := t
		h.slot.typ = &known
	}
	d.typeRest(h.class, &t)
	t.complete = d.err == nil
	if h.slot != nil {
		t.fields = slices.Clone(t.fields)
		*h.slot.typ = t
		d.kept += int(unsafe.Sizeof(t)) + len(t.fields)*int(unsafe.Sizeof(""))
	}
	d.close(&h)
	return t
}

// typeBase reads what all types have.
func (d *Decoder) typeBase(t *typeInfo) {
	tag := d.u8()
	store := storage(d.u8())
	d.flag() // in network order
	d.flag() // one of Bro's basic types
	t.tag = event.Type(tag)
	t.name = d.name("type name")
	if want := storageOf(t.tag); d.err == nil && store != want {
		d.fail("type of tag %d stored as %d", tag, store)
	}
}

// typeRest reads what a class of types has beyond that.
func (d *Decoder) typeRest(c class, t *typeInfo) {
	tag := tagOpaque
	switch c {
	case typeBase, typeSubnet:
		return
	case typeList:
		tag = event.List
		d.listType()
	case typeTable, typeSet:
		tag = event.Table
		t.set = !d.flag()
		if !t.set {
			d.typ()
		}
		d.typ()
		if c == typeSet && d.flag() {
			d.skip("E") // the list of elements that the script made it from
		}
	case typeRecord:
		tag = event.Record
		t.fields = d.recordType()
	case typeFunc:
		tag = event.Func
		if d.flag() {
			d.typ()
		}
		d.skip("TTi") // arguments, once more as a list, flavour
	case typeFile:
		tag = event.File
		d.typ()
	case typeVector:
		tag = event.Vector
		d.typ()
	case typeEnum:
		tag = event.Enum
		d.enumType()
	case typeOpaque:
		d.name("type name")
	default:
		d.undecodable("type of class 0x%04x", uint16(c))
	}
	if t.tag != tag && d.err == nil {
		d.fail("type of class 0x%04x with tag %d", uint16(c), t.tag)
	}
}

func (d *Decoder) listType() {
	if d.flag() {
		d.typ()
	}
	for n := d.count("types", 5); n > 0 && d.err == nil; n-- {
		d.typ()
	}
}

// recordType returns the names of the fields, which hold until the next
// message.
func (d *Decoder) recordType() []string {
	d.u32() // the number of fields, which comes again
	if !d.flag() {
		return nil
	}
	n := d.count("fields", 10)
	d.charge(n, 0)
	from := len(d.field)
	for i := range n {
		name := d.typeDecl()
		if d.err != nil {
			return nil
		}
		// Record types inside have left their names behind; nobody needs them.
		d.field = append(d.field[:from+i], name)
	}
	return d.field[from : from+n : from+n]
}

// typeDecl reads a field of a record type and returns its name.
func (d *Decoder) typeDecl() string {
	if d.flag() {
		d.attributes()
	}
	d.typ()
	return d.name("field name")
}

func (d *Decoder) enumType() {
	d.u64() // the next number to give
	n := d.count("names", 12)
	d.flag() // of no use, says Bro
	for ; n > 0 && d.err == nil; n-- {
		d.skip("sl")
	}
}

// attributes reads what has been said of a variable or field, &optional for
// instance.
func (d *Decoder) attributes() {
	h, ok := d.open(kindAttrs)
	if !ok {
		return
	}
	if h.ref == nil {
		d.typ()
		for n := d.count("attributes", 2); n > 0 && d.err == nil; n-- {
			if d.flag() {
				d.skip("E")
			}
			d.u8()
		}
	}
	d.close(&h)
}
