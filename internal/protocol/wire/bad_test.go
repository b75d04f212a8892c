package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// serials returns the payloads of the SERIAL messages of all recordings.
func serials(t testing.TB) (out [][]byte) {
	for _, folder := range recordings {
		for _, file := range []string{"client.bin", "server.bin"} {
			for _, m := range messages(t, recording(t, folder, file)) {
				if m.typ == MsgSerial {
					out = append(out, m.payload)
				}
			}
		}
	}
	return out
}

func TestTruncatedPayloads(t *testing.T) {
	d := NewDecoder(DefaultLimits())
	for _, payload := range serials(t) {
		for n := 1; n < len(payload); n++ {
			var err error
			if payload[0] == SerialID {
				_, err = d.ID(payload[1:n])
			} else {
				_, err = decodeWith(d, payload[1:n])
			}
			require.ErrorIs(t, err, ErrMalformed, "%d of % x", n, payload)
		}
	}
}

func TestDamagedPayloads(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := NewDecoder(DefaultLimits())
	var enc Encoder
	for _, payload := range serials(t) {
		for range 2000 {
			b := bytes.Clone(payload)
			damage(rng, b)
			if b[0] == SerialID {
				_, _ = d.ID(b[1:])
				continue
			}
			var ev event.Event
			if d.Event(b[1:], &ev) == nil {
				_, _ = enc.AppendEvent(nil, &ev)
			}
		}
	}
}

func TestMalformed(t *testing.T) {
	anyType := typ(0, typeBase, event.Any, "")
	port := typ(0, typeBase, event.Port, "")
	subnet := obj(0, valSubnet).add(typ(0, typeSubnet, event.Subnet, ""))
	for name, c := range map[string]struct {
		payload blob
		want    error
	}{
		"nothing":                {nil, ErrMalformed},
		"no name":                {blob{}.str("").u64(0).u32(0), ErrMalformed},
		"name with a NUL":        {blob{}.str("a\x00b").u64(0).u32(0), ErrMalformed},
		"name of 4 GiB":          {blob{}.u32(0xffffffff), ErrMalformed},
		"4 Gi arguments":         {blob{}.str("e").u64(0).u32(0xffffffff), ErrMalformed},
		"left over":              {call(count(1)).u8(0), ErrMalformed},
		"flag of value 2":        {call(blob{2}.u32(0)), ErrMalformed},
		"type with such a flag":  {call(obj(0, valScalar).u8(1).add(obj(0, typeBase)).u8(3, 2, 2, 0).str("").u64(0)), ErrMalformed},
		"unknown object":         {call(ref(77)), ErrMalformed},
		"type for a value":       {call(obj(0, typeBase)), ErrMalformed},
		"type of tag 200":        {call(obj(0, valScalar).add(typ(0, typeBase, 200, ""))), ErrMalformed},
		"type stored otherwise":  {call(obj(0, valScalar).u8(1).add(obj(0, typeBase)).u8(3, 4, 0, 0).str("").u64(0)), ErrMalformed},
		"type with a NUL":        {call(obj(0, valScalar).add(typ(0, typeBase, event.Count, "\x00")).u64(0)), ErrMalformed},
		"scalar of record type":  {call(obj(0, valScalar).add(typ(0, typeRecord, event.Record, "")).u32(0).u8(0)), ErrMalformed},
		"record of scalar type":  {call(obj(0, valRecord).add(countType())), ErrMalformed},
		"record type, other tag": {call(obj(0, valScalar).add(typ(0, typeRecord, event.Count, "")).u32(0).u8(0)), ErrMalformed},
		"type of no class":       {call(obj(0, valScalar).add(typ(0, kindType|99, event.Count, ""))), ErrUndecodable},
		"value of no class":      {call(obj(0, kindVal|99).add(countType())), ErrUndecodable},
		"opaque":                 {call(obj(0, kindVal|21).add(typ(0, typeOpaque, tagOpaque, "bf")).str("bf").u8(0)), ErrUndecodable},
		"unknown type by name":   {call(obj(0, valScalar).u8(0).str("R").u64(0)), ErrUndecodable},
		"table by name":          {call(obj(0, valTable).u8(0).str("T")), ErrUndecodable},
		"unknown expression":     {call(setOfCounts(expr(26), blob{0, 0, 0})), ErrUndecodable},
		"pattern with a NUL":     {call(obj(0, valPattern).add(typ(0, typeBase, event.Pattern, ""), obj(0, kindMatcher|1)).str("").str("a\x00b")), ErrMalformed},
		"void":                   {call(obj(0, valScalar).add(typ(0, typeBase, tagVoid, ""))), ErrMalformed},
		"port":                   {call(obj(0, valPort).add(port).u64(0x40000)), ErrMalformed},
		"address of 2 words":     {call(obj(0, valAddr).add(typ(0, typeBase, event.Addr, "")).u32(2).u64(0)), ErrMalformed},
		"IPv4 subnet /33":        {call(subnet.add(blob{}.u32(1).u32(0).u32(33))), ErrMalformed},
		"IPv6 subnet /129":       {call(subnet.add(blob{}.u32(4).u64(0).u64(0).u32(129))), ErrMalformed},
		"mapped subnet /95":      {call(subnet.add(blob{}.u32(4).u64(0).u32(0xffff).u32(0).u32(95))), ErrMalformed},
		"4 Gi elements":          {call(obj(0, valVector).add(vectorOf(0xffffffff))), ErrMalformed},
		"string of 4 GiB":        {call(obj(0, valScalar).add(typ(0, typeBase, event.String, "")).u32(0xffffffff)), ErrMalformed},
		"value inside itself":    {call(obj(5, valVector).add(vectorOf(1)).u8(1).add(ref(5))), ErrMalformed},
		"value for a type":       {call(cachedCount(5), obj(0, valScalar).add(refType(5)).u64(1)), ErrMalformed},
		"type for a value by id": {call(obj(0, valScalar).add(typ(5, typeBase, event.Count, "")).u64(1), ref(5)), ErrMalformed},
		"table without key":      {call(setOfCounts(nil, blob{0, 0, 0, 1}.add(count(1)))), ErrMalformed},
		"more of any":            {call(obj(0, valScalar).add(anyType).u8(1)), ErrMalformed},
	} {
		_, err := decode(c.payload)
		assert.ErrorIs(t, err, c.want, name)
		var u *UndecodableError
		assert.Equal(t, c.want == ErrUndecodable, errors.As(err, &u), name)
	}
}

// The stream is in step after an event that could not be decoded, and what
// was in the cache still is.
func TestConnectionSurvivesABadEvent(t *testing.T) {
	d := NewDecoder(DefaultLimits())
	_, err := decodeWith(d, call(cachedCount(3)))
	require.NoError(t, err)
	_, err = decodeWith(d, call(cachedCount(4), obj(5, kindVal|21).add(countType())))
	require.ErrorIs(t, err, ErrUndecodable)
	args, err := decodeWith(d, call(ref(3), ref(4)))
	require.NoError(t, err)
	assert.Equal(t, []event.Value{vCount(3), vCount(4)}, args)
	_, err = decodeWith(d, call(ref(5)))
	assert.ErrorIs(t, err, ErrMalformed, "it was not complete")
}

// A type that contains itself is sent by reference to what is not complete.
func TestTypeInsideItself(t *testing.T) {
	self := typ(5, typeRecord, event.Record, "R").u32(1).u8(1).u32(1).
		u8(0).add(typ(0, typeVector, event.Vector, ""), refType(5)).str("list")
	args, err := decode(call(obj(0, valRecord).add(self, mutable()).u32(1).u8(0)))
	require.NoError(t, err)
	want := vMany(event.Record, named("list", event.Value{}))
	want.TypeName = "R"
	assert.Equal(t, []event.Value{want}, args)
}

func TestDepthBombs(t *testing.T) {
	vectors, types, exprs := blob{}, blob{}, blob{}
	for range 200000 {
		vectors = vectors.add(obj(0, valVector), vectorOf(1)).u8(1)
		types = types.add(typ(0, typeVector, event.Vector, ""))
		exprs = exprs.add(expr(7))
	}
	for name, payload := range map[string]blob{
		"values":      call(vectors),
		"types":       call(obj(0, valVector).add(types)),
		"expressions": call(setOfCounts(exprs, nil)),
	} {
		_, err := decode(payload)
		assert.ErrorIs(t, err, ErrLimit, name)
	}
	// Each of these is flat, but refers to the one before.
	d := NewDecoder(DefaultLimits())
	_, err := decodeWith(d, call(cachedCount(1)))
	for id := uint32(2); err == nil; id++ {
		require.LessOrEqual(t, id, uint32(d.lim.MaxDepth+6))
		_, err = decodeWith(d, call(obj(id, valVector).add(vectorOf(1)).u8(1).add(ref(id-1))))
	}
	assert.ErrorIs(t, err, ErrLimit)
}

// TestLimitsOfAnEvent: what is small by itself counts too.
func TestLimitsOfAnEvent(t *testing.T) {
	list := obj(0, valList).add(typ(0, typeList, event.List, "").u8(0).u32(0)).u8(byte(event.Count)).u32(20)
	named := []blob{obj(0, valScalar).add(typ(5, typeBase, event.Count, string(bytes.Repeat([]byte("n"), 100)))).u64(1)}
	for range 20 {
		list = list.add(count(1))
		named = append(named, obj(0, valScalar).add(refType(5)).u64(1))
	}
	// The type of the record is no deeper than that of the scalar in it.
	record := obj(0, valRecord).add(typ(0, typeRecord, event.Record, "").u32(1).u8(0), mutable()).u32(1).u8(1).add(count(1))
	for name, c := range map[string]struct {
		payload  blob
		low, fit Limits
	}{
		"list":           {call(list), Limits{MaxElems: 20}, Limits{MaxElems: 30}},
		"names of types": {call(named...), Limits{MaxBytes: 2000}, Limits{MaxBytes: 2200}},
		"scalar inside":  {call(record), Limits{MaxDepth: 2}, Limits{MaxDepth: 3}},
	} {
		_, err := decodeWith(NewDecoder(c.low), c.payload)
		assert.ErrorIs(t, err, ErrLimit, name)
		_, err = decodeWith(NewDecoder(c.fit), c.payload)
		assert.NoError(t, err, name)
	}
}

func TestReferenceBombs(t *testing.T) {
	d := NewDecoder(DefaultLimits())
	_, err := decodeWith(d, call(cachedCount(1)))
	require.NoError(t, err)
	var used uint64
	for id := uint32(2); err == nil; id++ { // each ten times the one before
		require.LessOrEqual(t, id, uint32(8))
		b := obj(id, valVector).add(vectorOf(10))
		for range 10 {
			b = b.u8(1).add(ref(id - 1))
		}
		used = allocated(func() { _, err = decodeWith(d, call(b)) })
	}
	assert.ErrorIs(t, err, ErrLimit)
	assert.Less(t, used, uint64(100<<10))

	// Many references to one long string, or to a field of a long name.
	long := string(make([]byte, 1<<20))
	str := obj(1, valScalar).add(typ(0, typeBase, event.String, "")).str(long)
	args := []blob{str}
	for range 100 {
		args = append(args, ref(1))
	}
	_, err = decode(call(args...))
	assert.ErrorIs(t, err, ErrLimit)

	name := string(bytes.Repeat([]byte("n"), 1<<20))
	rec := func(t blob) blob { return obj(0, valRecord).add(t, mutable()).u32(1).u8(0) }
	args = []blob{rec(typ(2, typeRecord, event.Record, "").u32(1).u8(1).u32(1).u8(0).add(countType()).str(name))}
	for range 100 {
		args = append(args, rec(refType(2)))
	}
	_, err = decode(call(args...))
	assert.ErrorIs(t, err, ErrLimit)
}

func TestCountBombs(t *testing.T) {
	zeros := make(blob, 15<<20)
	for name, c := range map[string]struct {
		payload blob
		most    uint64
	}{
		"arguments":     {blob{}.str("e").u64(0).u32(3 << 20).add(zeros), 1 << 20},
		"holes":         {call(obj(0, valVector).add(vectorOf(15 << 20)).add(zeros)), 1 << 20},
		"cached holes":  {call(obj(1, valVector).add(vectorOf(15 << 20)).add(zeros)), 1 << 20},
		"some holes":    {call(obj(0, valVector).add(vectorOf(1<<18 - 2)).add(zeros[:1<<18-2])), 40 << 20},
		"fields":        {call(obj(0, valRecord).add(typ(0, typeRecord, event.Record, "").u32(0).u8(1).u32(1 << 20)).add(zeros)), 1 << 20},
		"some fields":   {call(obj(0, valRecord).add(typ(0, typeRecord, event.Record, "").u32(0).u8(1).u32(1 << 17)).add(zeros)), 20 << 20},
		"nested counts": {nestedCounts(zeros), 40 << 20},
	} {
		d := NewDecoder(DefaultLimits())
		var err error
		used := allocated(func() { _, err = decodeWith(d, c.payload) })
		if name != "some holes" {
			assert.Error(t, err, name)
		}
		assert.LessOrEqual(t, used, c.most, name)
	}
}

// nestedCounts announces many elements on each of many levels.
func nestedCounts(zeros blob) blob {
	b := blob{}
	for range 30 {
		b = b.add(obj(0, valVector), vectorOf(20000)).u8(1)
	}
	return call(b.add(zeros))
}

// What has been announced takes no memory, what has arrived a small multiple.
func TestReaderMemory(t *testing.T) {
	version := (&Version{Protocol: ProtocolVersion}).AppendTo(nil)
	for name, c := range map[string]struct {
		stream []byte
		most   uint64
	}{
		"announced":      {join(version, header(MsgSerial), []byte{0, 0xff, 0xff, 0xff}), 100 << 10},
		"partly arrived": {join(version, header(MsgSerial), []byte{0, 0xff, 0xff, 0xff}, make([]byte, 1<<20)), 5 << 20},
		"4 GiB":          {join(version, header(MsgSerial), []byte{0xff, 0xff, 0xff, 0xff}), 100 << 10},
		"skipped":        {join(version, []byte{0, 0xff, 0xff, 0xff}, make([]byte, 8<<20)), 100 << 10},
		"zeros":          {make([]byte, 8<<20), 100 << 10},
	} {
		src := bytes.NewReader(c.stream)
		used := allocated(func() { _, _ = readAll(NewReader(src, DefaultLimits())) })
		assert.LessOrEqual(t, used, c.most, name)
	}
}

// Many references to large types take time in proportion to the input.
func TestNothingIsQuadratic(t *testing.T) {
	event := func(fields uint32) blob {
		big := typ(1, typeRecord, event.Record, "").u32(0).u8(1).u32(fields)
		for range fields {
			big = big.u8(0).add(countType()).str("f")
		}
		args := []blob{obj(0, valRecord).add(big, mutable()).u32(0)}
		for range 100000 {
			args = append(args, obj(0, valRecord).add(refType(1), mutable()).u32(0))
		}
		return call(args...)
	}
	// The best of several, so that a busy machine makes no difference.
	best := func(payload blob) (least time.Duration) {
		for i := range 5 {
			start := time.Now()
			_, err := decode(payload)
			require.NoError(t, err)
			if took := time.Since(start); i == 0 || took < least {
				least = took
			}
		}
		return least
	}
	few, many := best(event(500)), best(event(10000))
	assert.Less(t, many, 8*few, "twenty times the fields, for the same number of values")
}
