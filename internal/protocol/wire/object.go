package wire

import "unsafe"

// objectHead is what every serialized object begins with: a flag, an id, and
// either a reference ends there or the class and the content follow.
type objectHead struct {
	class class
	// ref is the object referred to, when there is no content.
	ref *object
	// slot is the place of a new object in the cache, if the peer keeps it.
	slot *object

	// As it was when the object began.
	owner                       *object
	elems, bytes, deepest, kept int
}

// open reads the head of an object of that kind, and goes into it. Every
// successful open has its close.
func (d *Decoder) open(kind class) (objectHead, bool) {
	if !d.enter() {
		d.leave()
		return objectHead{}, false
	}
	full := d.flag()
	id := d.u32()
	var h objectHead
	switch {
	case d.err != nil:
	case !full:
		h.ref = d.lookup(id, kind)
		if h.ref != nil {
			h.class = h.ref.class & maskExact
		}
	default:
		c := class(d.u16())
		h.class = c & maskExact
		if d.err == nil && c&maskKind != kind {
			d.fail("class 0x%04x where a %s was due", uint16(c), kindNames[kind])
		}
		d.openFull(&h, id, c)
	}
	if d.err != nil {
		d.leave()
		return objectHead{}, false
	}
	return h, true
}

// openFull notes where an object begins, and enters it into the cache if it
// has an id. What it takes is seen from the totals when it ends.
func (d *Decoder) openFull(h *objectHead, id uint32, c class) {
	if d.err != nil {
		return
	}
	if id != 0 {
		d.charge(1, 0)
		h.slot = d.cache.add(id, c)
		d.own(h.slot)
		d.room(0) // the cache has grown
		h.elems, h.bytes, h.kept = d.elems, d.bytes, d.kept
		h.deepest, d.deepest = d.deepest, d.depth
		h.owner, d.owner = d.owner, h.slot
	}
	// Whether Bro counts references of it decides about its location too.
	switch c & maskKind {
	case kindLocation, kindMatcher, kindAccess:
	default:
		d.location()
	}
}

// close goes out of an object. A caller that decoded it has filled in what
// its slot keeps.
func (d *Decoder) close(h *objectHead) {
	if o := h.slot; o != nil {
		d.owner = h.owner
		o.elems, o.bytes, o.height = d.elems-h.elems, d.bytes-h.bytes, d.deepest-d.depth
		d.deepest = max(d.deepest, h.deepest)
		o.done = d.err == nil
		d.cache.grow(o, d.kept-h.kept)
		d.kept = h.kept // what is around it shares it
	}
	d.leave()
}

// lookup finds what a reference refers to, and pays for it.
func (d *Decoder) lookup(id uint32, kind class) *object {
	o := d.cache.get(id)
	switch {
	case o == nil:
		d.fail("reference to object %d, which is not in the cache", id)
	case o.class&maskKind != kind:
		d.fail("reference to object %d of class 0x%04x where a %s was due",
			id, uint16(o.class), kindNames[kind])
	case !o.done && kind != kindType:
		// A type may contain itself, nothing else can.
		d.fail("reference to object %d, which is not complete", id)
	case d.depth+o.height > d.lim.MaxDepth:
		d.failAs(ErrLimit, "nested deeper than %d by way of object %d", d.lim.MaxDepth, id)
	default:
		d.deepest = max(d.deepest, d.depth+o.height)
		d.charge(1, 0)
		if kind != kindType { // what is in a type does not become part of a value
			d.chargeShared(o.elems, o.bytes)
		}
		d.own(o)
		return o
	}
	return nil
}

// own notes that an object becomes a part of the one that is being decoded.
func (d *Decoder) own(part *object) {
	if d.owner != nil {
		part.shared = true
		d.owner.parts = append(d.owner.parts, part)
		d.kept += 2 * int(unsafe.Sizeof(part)) // append takes up to twice as much
	}
}

// location reads where in a script an object comes from. Bro leaves this out
// towards peers, but the format has it.
func (d *Decoder) location() {
	if !d.flag() {
		return
	}
	h, ok := d.open(kindLocation)
	if !ok {
		return
	}
	if h.ref == nil {
		d.name("file name")
		d.take(4 * 4) // lines and columns
	}
	d.close(&h)
}
