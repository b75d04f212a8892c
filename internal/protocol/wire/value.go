package wire

import (
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// value reads a value, in full or by reference. What comes from the cache
// shares its parts with the cache: nobody may write to them.
func (d *Decoder) value(v *event.Value) {
	*v = event.Value{}
	if v.Type = d.plain(); v.Type != event.Unknown {
		d.scalar(v)
		return
	}
	h, ok := d.open(kindVal)
	if !ok {
		return
	}
	if h.ref != nil {
		*v = *h.ref.value
	} else {
		t := d.typ()
		d.content(h.class, &t, v)
		if h.slot != nil {
			h.slot.keepValue(v)
			d.kept += valueSize
		}
	}
	d.close(&h)
}

// plain reads at one go what most scalars begin with, and returns their type:
// an object in full, not for the cache, of a type likewise, without a name.
// Where it finds anything else it reads nothing, and returns Unknown.
func (d *Decoder) plain() event.Type {
	const (
		size = 25
		same = 19 // bytes that are never otherwise; then two flags, and an empty name
	)
	if d.err != nil || len(d.in)-d.pos < size || d.depth+2 > d.lim.MaxDepth {
		return event.Unknown
	}
	b := (*[size]byte)(d.in[d.pos:])
	start := plain[b[17]]
	if start == "" || string(b[:same]) != start[:same] || b[19]|b[20] > 1 || [4]byte(b[21:]) != [4]byte{} {
		return event.Unknown
	}
	d.pos += size
	d.deepest = max(d.deepest, d.depth+2)
	return event.Type(b[17])
}

func (o *object) keepValue(v *event.Value) {
	kept := *v
	o.value = &kept
}

// content reads what follows the type of a value.
func (d *Decoder) content(c class, t *typeInfo, v *event.Value) {
	if d.err != nil {
		return
	}
	if !t.complete {
		d.fail("value of a type that is not complete")
		return
	}
	tag := t.tag
	if t.byName {
		tag = d.tagByName(c, t.name)
	}
	if !d.fits(c, tag) {
		return
	}
	v.Type, v.TypeName = tag, t.name
	d.chargeShared(0, len(t.name))
	if !d.scalar(v) {
		d.compound(t, v)
	}
}

// scalar reads what follows the type of a scalar, and reports false, having
// read nothing, where the type is another.
func (d *Decoder) scalar(v *event.Value) bool {
	switch storageOf(v.Type) {
	case storeInt, storeUnsigned:
		d.integer(v)
	case storeDouble:
		v.Bits = d.u64()
	case storeString:
		v.Bytes = d.str()
	case storeAddr:
		d.addr(v)
	case storeSubnet:
		d.subnet(v)
	default:
		return false
	}
	return true
}

// classTags are the tags that go with the classes of values, other than the
// one that is for many.
var classTags = [...]event.Type{
	valInterval &^ maskKind: event.Interval, valPort &^ maskKind: event.Port,
	valAddr &^ maskKind: event.Addr, valSubnet &^ maskKind: event.Subnet,
	valString &^ maskKind: event.String, valPattern &^ maskKind: event.Pattern,
	valList &^ maskKind: event.List, valTable &^ maskKind: event.Table,
	valRecord &^ maskKind: event.Record, valEnum &^ maskKind: event.Enum,
	valVector &^ maskKind: event.Vector,
}

// tagOf returns the tag that goes with a class, or 0.
func tagOf(c class) event.Type {
	if n := c &^ maskKind; int(n) < len(classTags) {
		return classTags[n]
	}
	return 0
}

// fits says whether the class of a value agrees with its type.
func (d *Decoder) fits(c class, tag event.Type) bool {
	if d.err != nil {
		return false
	}
	ok := false
	if c == valScalar {
		// The class of functions, files and types too, and once of what has
		// a class of its own today.
		s := storageOf(tag)
		ok = s >= storeInt && s <= storeSubnet ||
			tag == event.Func || tag == event.File || tag == event.Any || tag == tagType
	} else {
		want := tagOf(c)
		if want == 0 || tag == tagOpaque {
			d.undecodable("value of class 0x%04x", uint16(c))
			return false
		}
		ok = tag == want
	}
	if !ok {
		d.fail("value of class 0x%04x with a type of tag %d", uint16(c), tag)
	}
	return ok
}

// scalarNames are the types that can be told by their names.
var scalarNames = map[string]event.Type{
	"bool": event.Bool, "int": event.Int, "count": event.Count,
	"counter": event.Counter, "double": event.Double, "time": event.Time,
	"interval": event.Interval, "string": event.String, "port": event.Port,
	"addr": event.Addr, "subnet": event.Subnet,
}

// tagByName finds out the tag of a type that only its name was sent of. Bros
// do not do this, only libbroccoli and we do.
func (d *Decoder) tagByName(c class, name string) event.Type {
	if tag, ok := scalarNames[name]; ok {
		return tag
	}
	if tag := tagOf(c); tag != 0 && c != valTable { // that may be a set as well
		return tag
	}
	d.undecodable("value of class 0x%04x with a type known by name only: %.80q", uint16(c), name)
	return 0
}

func (d *Decoder) integer(v *event.Value) {
	v.Bits = d.u64()
	switch v.Type {
	case event.Bool:
		if v.Bits != 0 {
			v.Bits = 1
		}
	case event.Port:
		if v.Bits > portMask|0xffff {
			d.fail("port %#x", v.Bits)
		}
		v.Proto = portProtos[v.Bits&portMask>>16]
		v.Bits &= 0xffff
	}
}

var portProtos = [4]uint8{
	portTCP >> 16:  event.ProtoTCP,
	portUDP >> 16:  event.ProtoUDP,
	portICMP >> 16: event.ProtoICMP,
}

func (d *Decoder) addr(v *event.Value) (words uint32) {
	words = d.u32()
	switch words {
	case 1:
		copy(v.Addr[:], v4Mapped[:])
		copy(v.Addr[12:], d.take(4))
	case 4:
		copy(v.Addr[:], d.take(16))
	default:
		d.fail("address of %d words", words)
	}
	return words
}

// subnet reads an address and the width of the prefix. IPv4 may also come in
// its mapped form, though Bro does not send it; then the width is in bits of
// that.
func (d *Decoder) subnet(v *event.Value) {
	words := d.addr(v)
	width, most := d.u32(), uint32(128)
	if isIPv4(&v.Addr) {
		most = 32
		if words == 4 {
			width -= 96 // below 96 it becomes very large
		}
	}
	if width > most {
		d.fail("subnet of width %d, at most %d", int32(width), most)
	}
	v.Width = uint8(width)
}
