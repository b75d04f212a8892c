package flat

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Places in a record of an event whose name takes eight bytes.
const (
	atNumArgs = 16
	atValue   = eventHeader + 8
	atPayload = atValue + valueHeader
)

// TestNumbersThatLie: no number in a record is believed that the record is too
// short for, and no memory is taken for it.
func TestNumbersThatLie(t *testing.T) {
	for name, c := range map[string]struct {
		arg event.Value
		at  int
	}{
		"arguments": {event.Value{Type: event.Count}, atNumArgs},
		"elements":  {event.Value{Type: event.Vector, Elems: make([]event.Value, 2)}, atPayload},
		"pairs":     {event.Value{Type: event.Table, Elems: make([]event.Value, 2)}, atPayload},
		"bytes":     {event.Value{Type: event.String, Bytes: []byte("text")}, atPayload},
	} {
		rec, err := AppendEvent(nil, &event.Event{Name: "e", Args: []event.Value{c.arg}})
		require.NoError(t, err)
		native.PutUint32(rec[c.at:], 1<<20)
		var dec Decoder
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.ErrorIs(t, dec.Event(rec, &event.Event{}), ErrMalformed, name)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), name)
	}
	raw := make([]byte, 24)
	native.PutUint64(raw[recordHeader:], 9)
	_, err := Raw(raw)
	require.ErrorIs(t, err, ErrMalformed)
	native.PutUint64(raw[recordHeader:], 8)
	_, err = Raw(raw)
	require.NoError(t, err)
}

// TestShortValues: each type has what it needs, or is refused.
func TestShortValues(t *testing.T) {
	for kind := range event.Type(32) {
		need := payloadSize(kind)
		if need == 0 {
			continue
		}
		rec := make([]byte, atPayload+need-8)
		native.PutUint32(rec[atNumArgs:], 1)
		native.PutUint32(rec[atValue:], uint32(valueHeader+need-8))
		rec[atValue+4] = byte(kind)
		require.ErrorIs(t, new(Decoder).Event(rec, &event.Event{}), ErrMalformed, kind.String())
	}
}

func TestDepthIsBounded(t *testing.T) {
	nested := func(levels int) []byte {
		var b []byte
		for range levels {
			outer := make([]byte, valueHeader+listHeader)
			native.PutUint32(outer, uint32(len(outer)+len(b)))
			outer[4] = byte(event.Vector)
			if b != nil {
				native.PutUint32(outer[valueHeader:], 1)
			}
			b = append(outer, b...)
		}
		rec := make([]byte, atValue)
		native.PutUint32(rec[atNumArgs:], 1)
		return append(rec, b...)
	}
	require.NoError(t, new(Decoder).Event(nested(maxDepth+1), &event.Event{}))
	require.ErrorIs(t, new(Decoder).Event(nested(maxDepth+2), &event.Event{}), ErrMalformed)
}

func TestNamesAreBounded(t *testing.T) {
	var dec Decoder
	for i := range maxNames + 10 {
		rec, err := AppendEvent(nil, &event.Event{Name: fmt.Sprint(i)})
		require.NoError(t, err)
		require.NoError(t, dec.Event(rec, &event.Event{}))
	}
	require.LessOrEqual(t, len(dec.names), maxNames)
}
