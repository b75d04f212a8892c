package flat

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

func sample() *event.Event {
	str := func(s string) event.Value { return event.Value{Type: event.String, Bytes: []byte(s)} }
	rec := event.Value{Type: event.Record, Elems: []event.Value{
		{Type: event.Count, Bits: 7, Field: "n"}, {Field: "unset"},
	}}
	return &event.Event{Name: "mod::sample", Time: 1.5, Raw: []byte("as it came"), Args: []event.Value{
		{Type: event.Bool, Bits: 1},
		{Type: event.Enum, Bits: 2, TypeName: "mod::Color"},
		{Type: event.Double, Bits: math.Float64bits(-2.5)},
		str(""), str("seven b"), str("eight by\x00"),
		{Type: event.Port, Bits: 22, Proto: 6},
		{Type: event.Addr, Addr: [16]byte{1, 15: 2}},
		{Type: event.Subnet, Addr: [16]byte{10: 255, 11: 255}, Width: 32},
		rec,
		{Type: event.Vector, Elems: []event.Value{rec, {}}},
		{Type: event.Table, Elems: []event.Value{str("k"), rec}},
		{Type: event.Set, Elems: []event.Value{{Type: event.List, Elems: []event.Value{str("a"), str("b")}}}},
	}}
}

func TestEventsComeBack(t *testing.T) {
	rec, err := AppendEvent(nil, sample())
	require.NoError(t, err)
	var dec Decoder
	for range 2 { // the second time in used memory
		var got event.Event
		require.NoError(t, dec.Event(rec, &got))
		require.Equal(t, *sample(), got)
	}
}

func TestWhatCannotBeHandedOverIsRefused(t *testing.T) {
	deep := event.Value{}
	for range maxDepth + 2 {
		deep = event.Value{Type: event.Vector, Elems: []event.Value{deep}}
	}
	for name, v := range map[string]event.Value{"any": {Type: event.Any}, "deep": deep} {
		before := []byte{1, 2, 3, 4, 5, 6, 7, 8}
		b, err := AppendEvent(before, &event.Event{Name: "e", Args: []event.Value{v}})
		require.Error(t, err, name)
		require.Equal(t, before, b)
	}
}

func TestTruncatedRecordsAreRefused(t *testing.T) {
	rec, err := AppendEvent(nil, sample())
	require.NoError(t, err)
	var dec Decoder
	for n := range len(rec) - 8 {
		require.ErrorIs(t, dec.Event(rec[:n], &event.Event{}), ErrMalformed, "%d bytes", n)
	}
	_, err = Raw(make([]byte, 12))
	require.ErrorIs(t, err, ErrMalformed)
	aligned := make([]uint64, 2) // as records are in the ring
	_, _, err = Far(unsafe.Slice((*byte)(unsafe.Pointer(&aligned[0])), 16))
	require.ErrorIs(t, err, ErrMalformed)
}

// FuzzEvent: a host that writes over our memory must not take the core down.
func FuzzEvent(f *testing.F) {
	rec, err := AppendEvent(nil, sample())
	require.NoError(f, err)
	f.Add(rec)
	f.Fuzz(func(t *testing.T, rec []byte) {
		var dec Decoder
		var ev event.Event
		if dec.Event(rec, &ev) != nil {
			return
		}
		again, err := AppendEvent(nil, &ev)
		require.NoError(t, err)
		var got event.Event
		require.NoError(t, new(Decoder).Event(again, &got))
		require.Len(t, got.Args, len(ev.Args))
	})
}
