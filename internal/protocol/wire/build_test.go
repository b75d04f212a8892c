package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// blob builds serializations by hand, for what no recording has.
type blob []byte

func (b blob) u8(n ...uint8) blob { return append(b, n...) }
func (b blob) u32(n uint32) blob  { return binary.BigEndian.AppendUint32(b, n) }
func (b blob) u64(n uint64) blob  { return binary.BigEndian.AppendUint64(b, n) }
func (b blob) str(s string) blob  { return appendString(b, s) }
func (b blob) add(more ...blob) blob {
	for _, m := range more {
		b = append(b, m...)
	}
	return b
}

// ref is a reference to an object; a type has a flag before it.
func ref(id uint32) blob     { return blob{0}.u32(id) }
func refType(id uint32) blob { return blob{1}.add(ref(id)) }

// obj begins an object, without location if it could have one.
func obj(id uint32, c class) blob {
	b := blob{1}.u32(id)
	if k := c & maskKind; k == kindMatcher || k == kindLocation {
		return append(b, byte(c>>8), byte(c))
	}
	c |= flagKept
	return append(b, byte(c>>8), byte(c), 0)
}

func typ(id uint32, c class, tag event.Type, name string) blob {
	return blob{1}.add(obj(id, c)).u8(byte(tag), byte(storageOf(tag)), 0, 0).str(name)
}

func countType() blob     { return typ(0, typeBase, event.Count, "") }
func count(n uint64) blob { return obj(0, valScalar).add(countType()).u64(n) }
func mutable() blob       { return blob{0}.str("") }
func vectorOf(n uint32) blob {
	return typ(0, typeVector, event.Vector, "").add(countType(), mutable()).u32(n)
}

// call is an event with these arguments: what follows the kind byte.
func call(args ...blob) blob {
	return blob{}.str("e").u64(0).u32(uint32(len(args))).add(args...)
}

func decode(payload []byte) ([]event.Value, error) {
	return decodeWith(NewDecoder(DefaultLimits()), payload)
}

func decodeWith(d *Decoder, payload []byte) ([]event.Value, error) {
	var ev event.Event
	err := d.Event(payload, &ev)
	return ev.Args, err
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// damage changes some bytes of b.
func damage(rng *rand.Rand, b []byte) {
	for range 1 + rng.IntN(4) {
		i := rng.IntN(len(b))
		switch rng.IntN(4) {
		case 0:
			b[i] = byte(rng.Uint32())
		case 1:
			b[i] ^= 1 << rng.IntN(8)
		case 2:
			b[i] = 0xff
		case 3:
			b[i] = 0
		}
	}
}
