package eventlog

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

func TestEveryTypeIsJSON(t *testing.T) {
	text := str("a\"\\\né")
	values := []struct {
		v    event.Value
		want string
	}{
		{event.Value{Type: event.Bool, Bits: 1}, `true`},
		{event.Value{Type: event.Int, Bits: 1 << 63}, `-9223372036854775808`},
		{event.Value{Type: event.Count, Bits: math.MaxUint64}, `18446744073709551615`},
		{event.Value{Type: event.Double, Bits: math.Float64bits(0.1)}, `0.1`},
		{event.Value{Type: event.Double, Bits: math.Float64bits(5)}, `5.0`},
		{event.Value{Type: event.Double, Bits: math.Float64bits(-1e300)}, `-1e+300`},
		{event.Value{Type: event.Double, Bits: math.Float64bits(math.Inf(1))}, `null`},
		{event.Value{Type: event.Double, Bits: math.Float64bits(math.NaN())}, `null`},
		{event.Value{Type: event.Time, Bits: math.Float64bits(math.NaN())}, `null`},
		{event.Value{Type: event.Time, Bits: math.Float64bits(1126645547.25)}, `1126645547.250000`},
		{event.Value{Type: event.Interval, Bits: math.Float64bits(-1.5)}, `-1.500000`},
		{text, `"a\"\\\né"`},
		{str("\xff"), `"\\xff"`},
		{event.Value{Type: event.Pattern, Bytes: []byte("a.*")}, `"/a.*/"`},
		{event.Value{Type: event.Enum, TypeName: "E", Bits: 2}, `"E(2)"`},
		{event.Value{Type: event.Enum, Bytes: []byte("E::A")}, `"E::A"`},
		{event.Value{Type: event.Port, Bits: 22, Proto: 6}, `"22/tcp"`},
		{event.Value{Type: event.Addr, Addr: [16]byte{10: 255, 11: 255, 12: 10, 15: 1}}, `"10.0.0.1"`},
		{event.Value{Type: event.Subnet, Addr: [16]byte{10: 255, 11: 255, 12: 10}, Width: 8}, `"10.0.0.0/8"`},
		{event.Value{}, `null`},
		{event.Value{Type: event.Table, Elems: []event.Value{{Type: event.Count, Bits: 1}, text}}, `[{"key":1,"value":"a\"\\\né"}]`},
		{many(event.Set, many(event.List, count(1), str("x"))), `[{"0":1,"1":"x"}]`},
		{many(event.Table, many(event.List, count(1), str("x")), count(2)), `[{"key":{"0":1,"1":"x"},"value":2}]`},
		{event.Value{Type: event.Record, Elems: []event.Value{{Type: event.Count, Bits: 1, Field: "f"}, {}}}, `{"f":1,"1":null}`},
	}
	for _, c := range values {
		var w writer
		require.True(t, w.value(&c.v, DefaultMaxLine))
		got := string(w.b)
		require.Equal(t, c.want, got)
		require.True(t, json.Valid([]byte(got)))
	}
}
