package flat

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// sevenArgs is an event of the size that a sensor sends.
func sevenArgs() *event.Event {
	v4 := [16]byte{10: 255, 11: 255, 12: 10, 15: 1}
	return &event.Event{Name: "sensor_sshd_conn_new", Time: 1126645547.75, Args: []event.Value{
		{Type: event.Time, Bits: 0x41d0c95d6ad00000}, {Type: event.String, Bytes: []byte("login1_22")},
		{Type: event.Count, Bits: 1}, {Type: event.Addr, Addr: v4}, {Type: event.Port, Bits: 4241, Proto: 6},
		{Type: event.Addr, Addr: v4}, {Type: event.Port, Bits: 22, Proto: 6},
	}}
}

func BenchmarkDecode(b *testing.B) {
	rec, err := AppendEvent(nil, sevenArgs())
	require.NoError(b, err)
	var dec Decoder
	var ev event.Event
	b.ReportAllocs()
	for b.Loop() {
		if err := dec.Event(rec, &ev); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	ev := sevenArgs()
	var rec []byte
	b.ReportAllocs()
	for b.Loop() {
		rec, _ = AppendEvent(rec[:0], ev)
	}
}
