package wire

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

func builtin(id uint32, name string) blob {
	return obj(id, funcBuiltin).u32(0).u8(1).add(funcType()).str(name)
}

func funcType() blob {
	args := typ(0, typeRecord, event.Record, "").u32(0).u8(1).u32(0)
	list := typ(0, typeList, event.List, "").u8(0).u32(0)
	return typ(0, typeFunc, event.Func, "").u8(1).add(countType(), args, list).u32(0)
}

// expr begins an expression with what all of them have.
func expr(n class) blob { return obj(0, kindExpr|n).u8(1).u32(0).u8(0) }

func stmt(n class) blob { return obj(0, kindStmt|n).u8(1).u64(0).u32(0) }

func nameOf(global string) blob { return expr(2).u8('n').str(global).u8(0) }

func constant(v blob) blob { return expr(3).add(v) }

func identifier(id uint32, name string, value blob) blob {
	b := obj(id, kindID).str(name).u8(2, 0).u32(1).u32(0).u32(0).u32(0).u8(0, 0)
	b = b.add(countType()).u8(0)
	if value == nil {
		return b.u8(0)
	}
	return b.u8(1).add(value)
}

func setOfCounts(fromScript blob, attrs blob, entries ...uint64) blob {
	indices := typ(0, typeList, event.List, "").u8(0).u32(1).add(countType())
	b := obj(0, valTable).add(typ(0, typeSet, event.Table, "")).u8(0).add(indices)
	if fromScript != nil {
		b = b.u8(1).add(fromScript)
	} else {
		b = b.u8(0)
	}
	b = b.add(mutable(), attrs)
	for _, n := range entries {
		key := obj(0, valList).add(indices).u8(15).u32(1).add(count(n))
		b = b.u8(1).add(key).u64(0).u64(0)
	}
	return b.u8(0)
}

func TestFunctionsAndFilesKeepTheirNames(t *testing.T) {
	function := obj(0, valScalar).add(funcType())
	body := stmt(15).u32(6).add( // a list of statements
		stmt(5).u8(1).add(expr(32).add(nameOf("print_it"), expr(34).u32(1).add(constant(count(1))))),
		stmt(6).u8(1).add(expr(16).add(nameOf("a"), nameOf("b")), stmt(14).u8(0), stmt(18)),
		stmt(7).u8(1).add(nameOf("x")).u32(1).add(obj(0, kindCase|1).add(expr(34).u32(0), stmt(13))).u32(0),
		stmt(11).u8(1).add(nameOf("t")).u32(1).add(identifier(0, "i", nil), stmt(12)),
		stmt(17).u32(1).add(identifier(0, "l", count(3))),
		stmt(16).u32(0).u8(1),
	)
	script := obj(0, funcScript).u32(1).add(body).u32(0).u8(0).add(funcType()).str("Mod::fun").u32(8)
	fileOf := typ(0, typeFile, event.File, "").add(countType())
	file := obj(0, valScalar).add(fileOf, obj(0, kindFile|1)).str("/dev/stdout").u8(1, 1).str("w").add(fileOf).u8(0)

	args, err := decode(call(function.add(builtin(0, "fmt")), function.add(script), file, count(9)))
	require.NoError(t, err)
	assert.Equal(t, []event.Value{
		{Type: event.Func, Bytes: []byte("fmt")},
		{Type: event.Func, Bytes: []byte("Mod::fun")},
		{Type: event.File, Bytes: []byte("/dev/stdout")},
		vCount(9),
	}, args)
}

func TestExpressionsAreSteppedOver(t *testing.T) {
	decl := blob{0}.add(countType()).str("f")
	attrs := obj(0, kindAttrs|1).add(countType()).u32(1).u8(1).add(constant(count(1))).u8(1)
	elements := []blob{
		constant(count(1)),
		expr(9).add(constant(count(1))),                                              // -x
		expr(10).add(nameOf("a"), nameOf("b")),                                       // a + b
		expr(18).add(nameOf("a"), nameOf("b"), nameOf("c")),                          // a ? b : c
		expr(20).add(nameOf("a"), nameOf("b")).u8(1).add(count(1)).u32(0),            // a = b
		expr(22).add(nameOf("r")).str("f").u32(0).add(decl),                          // r$f
		expr(23).add(nameOf("r")).u8(0).str("f").u32(0),                              // r?$f
		expr(28).add(nameOf("r")).u32(2).u32(0).u32(1),                               // coercion
		expr(29).add(nameOf("r")).u32(2),                                             // flattened
		expr(30).add(nameOf("t"), expr(33).str("ev").str("ev").add(expr(34).u32(0))), // schedule
		expr(41).add(expr(34).u32(0)).u8(1).add(attrs),                               // set()
		expr(2).u8('f').add(identifier(0, "local", count(2))).u8(0),
	}
	list := expr(34).u32(uint32(len(elements))).add(elements...)
	table := blob{1}.add(attrs).u8(1).add(nameOf("timeout")).u8(1).add(nameOf("expire"))
	args, err := decode(call(setOfCounts(list, table, 4, 5)))
	require.NoError(t, err)
	assert.Equal(t, []event.Value{vMany(event.Set, vCount(4), vCount(5))}, args)
}

func TestOtherForms(t *testing.T) {
	byName := func(c class, name string) blob { return obj(0, c).u8(0).str(name) }
	withPlace := obj(0, valScalar)
	withPlace = withPlace[:len(withPlace)-1].u8(1).add(obj(0, kindLocation|1)).str("x.bro").u32(1).u32(2).u32(3).u32(4)
	for name, c := range map[string]struct {
		arg  blob
		want event.Value
	}{
		"location": {withPlace.add(countType()).u64(3), vCount(3)},
		"vector with holes": {
			obj(0, valVector).add(vectorOf(3)).u8(0, 1).add(count(2)).u8(0),
			vMany(event.Vector, event.Value{}, vCount(2), event.Value{})},
		"empty vector": {obj(0, valVector).add(vectorOf(0)), event.Value{Type: event.Vector}},
		"type by name": {byName(valInterval, "interval").u64(floatBits(2)),
			event.Value{Type: event.Interval, TypeName: "interval", Bits: floatBits(2)}},
		"string by name": {byName(valScalar, "string").str("x"),
			event.Value{Type: event.String, TypeName: "string", Bytes: []byte("x")}},
		"record by name": {byName(valRecord, "R").add(mutable()).u32(1).u8(1).add(count(1)),
			event.Value{Type: event.Record, TypeName: "R", Elems: []event.Value{vCount(1)}}},
		"type": {obj(0, valScalar).add(typ(0, typeBase, tagType, "")), event.Value{Type: event.Any}},
		"IPv4 as IPv6": {
			obj(0, valSubnet).add(typ(0, typeSubnet, event.Subnet, "")).u32(4).u64(0).u32(0xffff).u32(0x0a000000).u32(104),
			vSubnet("10.0.0.0/8")},
		"pattern from several": {
			obj(0, valPattern).add(typ(0, typeBase, event.Pattern, ""), obj(0, kindMatcher|1)).
				str(`(^?(.|\n)*(a))|(^?(.|\n)*(b))`).str(`(^?(a)$?)|(^?(b)$?)`),
			vPattern(`(^?(a)$?)|(^?(b)$?)`)},
	} {
		args, err := decode(call(c.arg))
		if assert.NoError(t, err, name) {
			assert.Equal(t, []event.Value{c.want}, args, name)
		}
	}
}

func TestIdentifierAgain(t *testing.T) {
	d := NewDecoder(DefaultLimits())
	first, err := d.ID(identifier(7, "x", count(5)))
	require.NoError(t, err)
	assert.Equal(t, "x", first.Name)
	assert.Equal(t, vCount(5), first.Value)
	again, err := d.ID(ref(7))
	require.NoError(t, err)
	assert.Equal(t, first, again)
	_, err = d.ID(ref(8))
	assert.ErrorIs(t, err, ErrMalformed)
}

func TestCachedValuesOwnTheirMemory(t *testing.T) {
	d := NewDecoder(DefaultLimits())
	str := typ(0, typeBase, event.String, "")
	vec := obj(9, valVector).add(typ(0, typeVector, event.Vector, ""), str, mutable()).u32(1).
		u8(1).add(obj(0, valString).add(str).str("keep me"))
	payload := []byte(call(vec))
	_, err := decodeWith(d, payload)
	require.NoError(t, err)
	clear(payload)
	_, err = decodeWith(d, call(count(1), count(2)))
	require.NoError(t, err)
	args, err := decodeWith(d, call(ref(9)))
	require.NoError(t, err)
	assert.Equal(t, []event.Value{vMany(event.Vector, vString("keep me"))}, args)
}

func cachedCount(id uint32) blob { return obj(id, valScalar).add(countType()).u64(uint64(id)) }

func TestCacheDropsTheOldest(t *testing.T) {
	d := NewDecoder(DefaultLimits())
	d.SetCacheSize(3)
	_, err := decodeWith(d, call(cachedCount(1), cachedCount(2), cachedCount(3)))
	require.NoError(t, err)
	// More than the size may be there until the event is over; 1 is used.
	args, err := decodeWith(d, call(cachedCount(4), ref(1), ref(2), ref(1)))
	require.NoError(t, err)
	assert.Equal(t, []event.Value{vCount(4), vCount(1), vCount(2), vCount(1)}, args)
	for id, there := range map[uint32]bool{1: true, 2: true, 3: false, 4: true} {
		_, err := decodeWith(d, call(ref(id)))
		assert.Equal(t, there, err == nil, id)
	}
	assert.Len(t, d.cache.byID, 3)
}

func TestCacheIsBounded(t *testing.T) {
	d := NewDecoder(Limits{MaxCache: 4})
	d.SetCacheSize(0) // without bounds, says the peer
	for id := range uint32(100) {
		_, err := decodeWith(d, call(cachedCount(id+1)))
		require.NoError(t, err)
	}
	assert.Len(t, d.cache.byID, 4)
	d.SetCacheSize(1 << 30)
	assert.Equal(t, 4, d.cache.size)

	d = NewDecoder(Limits{MaxCacheBytes: 1 << 20})
	for id := range uint32(100) {
		str := obj(id+1, valScalar).add(typ(0, typeBase, event.String, "")).str(string(make([]byte, 1<<16)))
		_, err := decodeWith(d, call(str))
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, d.cache.bytes, 1<<20)
	assert.InDelta(t, 15, len(d.cache.byID), 1)
}

// TestCachedPartsAreAccountedFor: elements and the fields of types.
func TestCachedPartsAreAccountedFor(t *testing.T) {
	fields := blob{}.u32(0).u8(1).u32(1000)
	for range 1000 {
		fields = fields.u8(0).add(countType()).str("f")
	}
	for name, object := range map[string]func(id uint32) blob{
		"elements": func(id uint32) blob { return obj(id, valVector).add(vectorOf(1000), make(blob, 1000)) },
		"fields": func(id uint32) blob {
			return obj(0, valRecord).add(typ(id, typeRecord, event.Record, ""), fields, mutable()).u32(0)
		},
	} {
		d := NewDecoder(Limits{MaxCacheBytes: 200 << 10})
		for id := range uint32(100) {
			_, err := decodeWith(d, call(object(id+1)))
			require.NoError(t, err, name)
		}
		assert.Positive(t, len(d.cache.byID), name)
		assert.LessOrEqual(t, len(d.cache.byID), 15, name)
	}
}

// TestInternedNamesAreBounded in number and length.
func TestInternedNamesAreBounded(t *testing.T) {
	d := NewDecoder(DefaultLimits())
	long := string(bytes.Repeat([]byte("n"), maxNameLen+1))
	var ev event.Event
	require.NoError(t, d.Event(blob{}.str(long).u64(0).u32(0), &ev))
	require.Equal(t, long, ev.Name)
	require.Empty(t, d.names)
	for i := range maxNames + 10 {
		require.NoError(t, d.Event(blob{}.str(fmt.Sprintf("event_%d", i)).u64(0).u32(0), &ev))
	}
	require.Len(t, d.names, maxNames)
}

// TestWhatIsNotKeptEndsWithItsEvent: nobody may refer to it later.
func TestWhatIsNotKeptEndsWithItsEvent(t *testing.T) {
	d := NewDecoder(DefaultLimits())
	brief := blob{1}.u32(7).u8(byte(valScalar>>8), byte(valScalar&0xff), 0).add(countType()).u64(7)
	args, err := decodeWith(d, call(brief, ref(7)))
	require.NoError(t, err)
	assert.Equal(t, []event.Value{vCount(7), vCount(7)}, args)
	assert.Empty(t, d.cache.byID)
	assert.Zero(t, d.cache.bytes)
	_, err = decodeWith(d, call(ref(7)))
	assert.ErrorIs(t, err, ErrMalformed)
}
