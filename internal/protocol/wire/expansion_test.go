package wire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

func text(id uint32, s string) blob {
	return obj(id, valString).add(typ(0, typeBase, event.String, "")).str(s)
}

// TestReferencesDoNotExpandWithoutBounds: an event of a few bytes does not become
// one of megabytes, be it by one large object or by many.
func TestReferencesDoNotExpandWithoutBounds(t *testing.T) {
	lim := Limits{MaxFromCache: 10_000}
	for size, fits := range map[int]bool{9_000: true, 5 << 20: false} {
		d := NewDecoder(lim)
		args, err := decodeWith(d, call(text(1, strings.Repeat("\x01", size))))
		require.NoError(t, err)
		require.Len(t, args[0].Bytes, size)
		args, err = decodeWith(d, call(ref(1)))
		if fits {
			require.NoError(t, err)
			require.Len(t, args[0].Bytes, size)
		} else {
			require.ErrorIs(t, err, ErrLimit)
		}
	}
	many := func(n int) []blob {
		refs := make([]blob, n)
		for i := range refs {
			refs[i] = ref(1)
		}
		return refs
	}
	d := NewDecoder(lim)
	_, err := decodeWith(d, call(text(1, strings.Repeat("x", 200))))
	require.NoError(t, err)
	_, err = decodeWith(d, call(many(40)...))
	require.NoError(t, err)
	_, err = decodeWith(d, call(many(1000)...))
	require.ErrorIs(t, err, ErrLimit, "1000 references of 5 bytes to 200")
	// A long event may have as much again from the cache.
	_, err = decodeWith(d, call(append(many(100), text(0, strings.Repeat("x", 4000)))...))
	require.NoError(t, err)
	_, err = decodeWith(d, call(append([]blob{text(2, strings.Repeat("x", 4000))}, ref(2), ref(2))...))
	require.NoError(t, err, "nor is what the event has itself anything else")
}

// TestNamesOfTypesDoNotExpand: neither those of fields nor those of types, which a
// value has as often as it refers to its type.
func TestNamesOfTypesDoNotExpand(t *testing.T) {
	long := strings.Repeat("n", 5000)
	enum := func(typ blob) blob { return obj(0, valEnum).add(typ).u64(1) }
	record := func(typ blob) blob { return obj(0, valRecord).add(typ, mutable()).u32(1).u8(0) }
	enumType := typ(1, typeEnum, event.Enum, long).u64(0).u32(0).u8(0)
	recordType := typ(2, typeRecord, event.Record, "").u32(1).u8(1).u32(1).u8(0).add(countType()).str(long)
	for id, c := range map[uint32]struct {
		value func(blob) blob
		full  blob
	}{1: {enum, enumType}, 2: {record, recordType}} {
		d := NewDecoder(Limits{MaxFromCache: 10_000})
		_, err := decodeWith(d, call(c.value(c.full)))
		require.NoError(t, err)
		_, err = decodeWith(d, call(c.value(refType(id))))
		require.NoError(t, err)
		var many []blob
		for range 100 {
			many = append(many, c.value(refType(id)))
		}
		_, err = decodeWith(d, call(many...))
		require.ErrorIs(t, err, ErrLimit)
	}
}
