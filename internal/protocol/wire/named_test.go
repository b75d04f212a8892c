package wire

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// TestNamedTypesStayWhole: what has a name keeps it, and its fields, on the way
// from one peer over us to another.
func TestNamedTypesStayWhole(t *testing.T) {
	count := func(field string) event.Value { return event.Value{Type: event.Count, Bits: 7, Field: field} }
	record := event.Value{Type: event.Record, TypeName: "conn_id", Elems: []event.Value{
		count("a"), {Field: "unset"},
		{Type: event.Enum, TypeName: "transport_proto", Bits: 2, Field: "proto"},
		{Type: event.Record, TypeName: "Inner", Field: "inner", Elems: []event.Value{count("b")}},
		{Type: event.Set, TypeName: "string_set", Field: "set", Elems: []event.Value{{Type: event.String, Bytes: []byte("x")}}},
		{Type: event.Table, TypeName: "t", Field: "table", Elems: []event.Value{count(""), count("")}},
		{Type: event.Vector, TypeName: "v", Field: "vector", Elems: []event.Value{count("")}},
		{Type: event.Count, TypeName: "alias", Bits: 1, Field: "alias"},
		{Type: event.Port, TypeName: "p", Bits: 22, Proto: 6, Field: "port"},
		{Type: event.Set, TypeName: "string_set", Field: "empty"},
		{Type: event.Table, TypeName: "t", Field: "empty too"},
		{Type: event.Vector, TypeName: "v", Field: "and this"},
	}}
	sent := &event.Event{Name: "e", Args: []event.Value{record}}
	payload, err := (&Encoder{Named: true}).AppendSerialEvent(nil, sent)
	require.NoError(t, err)
	var got event.Event
	require.NoError(t, NewDecoder(Limits{}).Event(payload[1:], &got))
	require.Equal(t, sent.Args, got.Args)

	// By its name alone goes what we know nothing else of.
	for _, v := range []event.Value{
		{Type: event.Record, TypeName: "conn_id", Elems: []event.Value{count("")}},
		{Type: event.Record, TypeName: "conn_id"},
	} {
		ev := &event.Event{Name: "e", Args: []event.Value{v}}
		named, err := (&Encoder{Named: true}).AppendEvent(nil, ev)
		require.NoError(t, err)
		plain, err := (&Encoder{}).AppendEvent(nil, ev)
		require.NoError(t, err)
		require.Equal(t, plain, named)
	}
}

// TestRecordingsCanBeSentOn: what a Bro has sent arrives as it was.
func TestRecordingsCanBeSentOn(t *testing.T) {
	for _, folder := range recordings {
		for _, ev := range decodeSession(t, recording(t, folder, "server.bin")).events {
			payload, err := (&Encoder{Named: true}).AppendSerialEvent(nil, &ev)
			require.NoError(t, err, folder)
			var got event.Event
			require.NoError(t, NewDecoder(Limits{}).Event(payload[1:], &got), folder)
			ev.Raw, got.Raw = nil, nil
			require.Equal(t, ev, got, folder)
		}
	}
}
