package eventlog

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"romanesco/internal/event"
)

func TestEveryTypeIsJSON(t *testing.T) {
	text := event.Value{Type: event.String, Bytes: []byte("a\"\\\n\x01\x7fé")}
	values := []struct {
		v    event.Value
		want string
	}{
		{event.Value{Type: event.Bool, Bits: 1}, `true`},
		{event.Value{Type: event.Int, Bits: 1 << 63}, `-9223372036854775808`},
		{event.Value{Type: event.Count, Bits: math.MaxUint64}, `18446744073709551615`},
		{event.Value{Type: event.Double, Bits: math.Float64bits(0.1)}, `0.1`},
		{event.Value{Type: event.Double, Bits: math.Float64bits(math.Inf(1))}, `null`},
		{event.Value{Type: event.Time, Bits: math.Float64bits(1126645547.25)}, `1126645547.250000`},
		{event.Value{Type: event.Interval, Bits: math.Float64bits(-1.5)}, `-1.500000`},
		{text, `"a\"\\\n\u0001\u007fé"`},
		{event.Value{Type: event.String, Bytes: []byte{0xff}}, `{"base64":"/w=="}`},
		{event.Value{Type: event.Pattern, Bytes: []byte("a.*")}, `"/a.*/"`},
		{event.Value{Type: event.Enum, TypeName: "E", Bits: 2}, `{"enum":"E","value":2}`},
		{event.Value{Type: event.Port, Bits: 22, Proto: 6}, `"22/tcp"`},
		{event.Value{Type: event.Addr, Addr: [16]byte{10: 255, 11: 255, 12: 10, 15: 1}}, `"10.0.0.1"`},
		{event.Value{Type: event.Subnet, Addr: [16]byte{10: 255, 11: 255, 12: 10}, Width: 8}, `"10.0.0.0/8"`},
		{event.Value{}, `null`},
		{event.Value{Type: event.Table, Elems: []event.Value{{Type: event.Count, Bits: 1}, text}}, `[[1,"a\"\\\n\u0001\u007fé"]]`},
		{event.Value{Type: event.Record, Elems: []event.Value{{Type: event.Count, Bits: 1, Field: "f"}, {}}}, `{"f":1,"1":null}`},
	}
	for _, c := range values {
		got := string(appendValue(nil, &c.v))
		require.Equal(t, c.want, got)
		require.True(t, json.Valid([]byte(got)))
	}
}
