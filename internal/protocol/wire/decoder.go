package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unsafe"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Decoder decodes what SERIAL messages carry. A connection has one: it keeps
// the objects that the peer may refer back to. It is not for concurrent use.
type Decoder struct {
	lim      Limits
	cache    cache
	names    map[string]string
	interned int    // memory that they take
	last     string // of the names, what was asked for last

	// The payload at hand. The first error sticks: after it every read
	// returns zeros, and callers look at err where they loop.
	in  []byte
	pos int
	err error

	depth   int // how deep we are, and have been since someone last asked
	deepest int
	owner   *object // that the cache keeps, if we are inside one
	kept    int     // memory for that object so far
	elems   int     // values and objects so far, see Limits.MaxElems
	bytes   int     // bytes of strings so far
	shared  int     // of these, and of elems, what is from the cache, see Limits.MaxFromCache

	arena []event.Value // elements of compound values
	stack []event.Value // elements whose number is not known yet
	field []string      // field names of record types

	memory Account
	fresh  int // memory that this payload has made us take
}

// NewDecoder returns a Decoder for one connection.
func NewDecoder(lim Limits) *Decoder {
	lim = lim.withDefaults()
	return &Decoder{lim: lim, cache: newCache(lim), names: map[string]string{}, memory: Account{budget: lim.Budget}}
}

// Release gives the memory of a Decoder back, which is then of no use any more.
func (d *Decoder) Release() {
	d.cache, d.names, d.arena, d.stack, d.field = newCache(d.lim), map[string]string{}, nil, nil, nil
	d.interned = 0
	d.memory.Hold(0)
}

// Size returns roughly what the last event is of: bytes of strings, and its values.
func (d *Decoder) Size() int { return d.bytes + d.elems*valueSize }

// resting is the memory that is held between payloads.
func (d *Decoder) resting() int {
	return d.cache.bytes + d.cache.dropped + d.interned + (cap(d.arena)+cap(d.stack))*valueSize
}

// more accounts for memory before it is made.
func (d *Decoder) more(bytes int) bool {
	d.fresh += bytes
	return d.room(0)
}

// room does so before something grows that is accounted for by itself.
func (d *Decoder) room(bytes int) bool { return d.err == nil && d.hold(bytes) }

// hold does so whether the payload is sound or not.
func (d *Decoder) hold(bytes int) bool {
	if d.memory.Hold(d.resting() + d.fresh + bytes) {
		return true
	}
	d.failAs(ErrLimit, "no memory is left for so large an event; other peers have it")
	return false
}

// SetCacheSize tells how much the peer remembers of what it has sent: the
// CacheSize of its Version. Remembering less than the peer, we would be unable
// to follow its references; Limits.MaxCache is the most all the same.
func (d *Decoder) SetCacheSize(n uint32) { d.cache.setSize(n, d.lim.MaxCache) }

// keepElems is how many elements a Decoder holds on to between messages.
const keepElems = 4 << 10

// begin starts on a payload.
func (d *Decoder) begin(payload []byte) {
	d.in, d.pos, d.err = payload, 0, nil
	d.depth, d.deepest, d.owner, d.kept, d.elems, d.bytes, d.shared, d.fresh = 0, 0, nil, 0, 0, 0, 0, 0
	d.arena, d.stack, d.field = d.arena[:0], d.stack[:0], d.field[:0]
	if cap(d.arena) > keepElems {
		d.arena = nil
	}
	if cap(d.stack) > keepElems {
		d.stack = nil
	}
	if cap(d.field) > keepElems {
		d.field = nil
	}
}

// finish ends with a payload, all of which must have been used.
func (d *Decoder) finish() error {
	if rest := len(d.in) - d.pos; rest > 0 && d.err == nil {
		d.fail("%d bytes left over", rest)
	}
	d.cache.end()
	d.in, d.owner = nil, nil
	if !d.hold(0) { // the event has what is fresh until the next one
		d.Release()
	}
	return d.err
}

// fail records that the payload is malformed.
func (d *Decoder) fail(format string, args ...any) { d.failAs(ErrMalformed, format, args...) }

func (d *Decoder) failAs(kind error, format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s at offset %d of %d", kind, fmt.Sprintf(format, args...), d.pos, len(d.in))
	}
}

// undecodable records that the payload may well be sound, but is beyond us.
func (d *Decoder) undecodable(format string, args ...any) {
	if d.err == nil {
		d.err = &UndecodableError{What: fmt.Sprintf(format, args...), Offset: d.pos}
	}
}

// take returns the next n bytes, or nil.
func (d *Decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n > len(d.in)-d.pos {
		d.fail("%d bytes needed, %d there", n, len(d.in)-d.pos)
		return nil
	}
	d.pos += n
	return d.in[d.pos-n : d.pos : d.pos]
}

func (d *Decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *Decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *Decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *Decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *Decoder) f64() float64 { return math.Float64frombits(d.u64()) }

// flag reads a boolean. Nobody sends others than 0 and 1, so that one is a
// sign of being out of step.
func (d *Decoder) flag() bool {
	b := d.u8()
	if b > 1 {
		d.fail("flag of value %d", b)
	}
	return b == 1
}

// count reads a number of things that take at least size bytes each.
func (d *Decoder) count(what string, size int) int {
	n := d.u32()
	if d.err == nil && uint64(n)*uint64(size) > uint64(len(d.in)-d.pos) {
		d.fail("%d %s in %d bytes", n, what, len(d.in)-d.pos)
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

// raw reads a string as the payload has it.
func (d *Decoder) raw() []byte {
	n := d.u32()
	if d.err == nil && uint64(n) > uint64(len(d.in)-d.pos) {
		d.fail("string of %d bytes in %d", n, len(d.in)-d.pos)
	}
	return d.take(int(n))
}

// str reads a string for a value. It aliases the payload, unless it becomes
// part of an object that the cache keeps.
func (d *Decoder) str() []byte {
	b := d.raw()
	d.charge(0, len(b))
	if d.owner != nil && d.more(len(b)) {
		d.kept += len(b)
		b = append(make([]byte, 0, len(b)), b...)
	}
	return b
}

// Names are interned up to a number and a length, so that a peer cannot make
// us keep many or long ones; beyond that each becomes a string of its own.
const (
	maxNames   = 4 << 10
	maxNameLen = 256
	nameSize   = 64 // in a map, about, without its bytes
)

// name reads a string that C will see as one.
func (d *Decoder) name(what string) string {
	b := d.raw()
	if string(b) == d.last { // events come in bursts
		return d.last
	}
	if s, ok := d.names[string(b)]; ok {
		d.last = s
		return s
	}
	s := string(b)
	if strings.IndexByte(s, 0) >= 0 {
		d.fail("%s with a NUL: %.40q", what, s)
		return ""
	}
	if len(s) <= maxNameLen && len(d.names) < maxNames {
		d.names[s] = s
		d.interned += nameSize + len(s)
	} else if d.owner != nil {
		d.kept += len(s)
	}
	return s
}

// enter and leave bound how deep objects nest.
func (d *Decoder) enter() bool {
	d.depth++
	d.deepest = max(d.deepest, d.depth)
	if d.depth > d.lim.MaxDepth {
		d.failAs(ErrLimit, "nested deeper than %d", d.lim.MaxDepth)
	}
	return d.err == nil
}

func (d *Decoder) leave() { d.depth-- }

// charge counts values, objects and bytes of strings.
func (d *Decoder) charge(elems, bytes int) {
	if d.elems += elems; d.elems > d.lim.MaxElems {
		d.failAs(ErrLimit, "more than %d elements", d.lim.MaxElems)
	}
	if d.bytes += bytes; d.bytes > d.lim.MaxBytes {
		d.failAs(ErrLimit, "more than %d bytes in strings", d.lim.MaxBytes)
	}
}

// expansion is by how much references may make an event longer than it is, and
// elemCost what a value counts for there.
const (
	expansion = 16
	elemCost  = 16
)

// chargeShared counts what comes from the cache, beside what charge does.
func (d *Decoder) chargeShared(elems, bytes int) {
	d.charge(elems, bytes)
	if d.shared += elems*elemCost + bytes; d.shared > d.lim.MaxFromCache+expansion*len(d.in) {
		d.failAs(ErrLimit, "references to %d bytes in all, at most %d and %d times the length", d.shared, d.lim.MaxFromCache, expansion)
	}
}

const valueSize = int(unsafe.Sizeof(event.Value{}))

// values returns room for n elements. It must have been charged for.
func (d *Decoder) values(n int) []event.Value {
	switch {
	case n == 0 || d.err != nil:
		return nil
	case d.owner != nil:
		if !d.more(n * valueSize) {
			return nil
		}
		d.kept += n * valueSize
		return make([]event.Value, n)
	case n > cap(d.arena)-len(d.arena):
		size := max(n, min(2*cap(d.arena), keepElems), 64)
		if !d.more(size * valueSize) {
			return nil
		}
		// What is in use stays where it is.
		d.arena = make([]event.Value, 0, size)
	}
	from := len(d.arena)
	d.arena = d.arena[:from+n]
	vs := d.arena[from : from+n : from+n]
	clear(vs)
	return vs
}
