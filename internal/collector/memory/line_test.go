package memory

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// TestLineSize is never less than a line takes.
func TestLineSize(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	ev := &event.Event{Name: "e\x01", Time: -1e300, Args: []event.Value{
		{Type: event.String, Bytes: bytes.Repeat([]byte{1}, 1000)}, {Type: event.String, Bytes: bytes.Repeat(all, 10)},
		{Type: event.String, Bytes: bytes.Repeat([]byte{0xff}, 1000)}, {Type: event.Double, Bits: 1},
		{Type: event.Record, Elems: []event.Value{{Field: "a\x02\x03", Type: event.Enum, TypeName: "\x04\x05", Bits: 1 << 63}, {}}},
		{Type: event.Vector, Elems: make([]event.Value, 100)}, {Type: event.Interval, Bits: 0xffefffffffffffff},
	}}
	for _, line := range []eventlog.Line{eventlog.JSON, eventlog.Summary} {
		b, cut := line(nil, ev, eventlog.Peer{Addr: "192.0.2.1:4241"}, nil, 0)
		require.False(t, cut)
		require.LessOrEqual(t, len(b), LineSize(ev))
	}
}
