package zeek

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// sevenArgs is like what sshd reports of a new connection.
func sevenArgs() *event.Event {
	return &event.Event{Name: "sensor_sshd_conn_new", Time: 1126645547.123456, Args: []event.Value{
		float(event.Time, 1126645547.25), text("sshd_22"), count(1),
		addr(192, 0, 2, 1), port(41000, event.ProtoTCP), addr(192, 0, 2, 2), port(22, event.ProtoTCP),
	}}
}

// benchmarked are the events that the benchmarks take.
func benchmarked() map[string]*event.Event {
	return map[string]*event.Event{
		"seven": sevenArgs(),
		"4 KiB": {Name: "sensor_sshd_conn_line", Args: []event.Value{text(strings.Repeat("x", 4096))}},
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, ev := range benchmarked() {
		for version, d := range map[string]Dialect{"Broker 2.7": DialectOf("2.7.0"), "Zeek 8": Current} {
			b.Run(name+"/"+version, func(b *testing.B) {
				e := NewEncoder("/sshd/events", d)
				out, err := e.AppendEvent(nil, ev)
				require.NoError(b, err)
				b.SetBytes(int64(len(out)))
				b.ReportAllocs()
				for b.Loop() {
					if out, err = e.AppendEvent(out[:0], ev); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, ev := range benchmarked() {
		b.Run(name, func(b *testing.B) {
			in, err := NewEncoder("/sshd/events", Dialect{}).AppendEvent(nil, ev)
			require.NoError(b, err)
			d := NewDecoder(Limits{})
			var got event.Event
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(in, &got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestEncodeAllocatesNothing: the buffer and the encoder are used again.
func TestEncodeAllocatesNothing(t *testing.T) {
	e := NewEncoder("/sshd/events", Dialect{})
	ev := sevenArgs()
	out, err := e.AppendEvent(nil, ev)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { out, err = e.AppendEvent(out[:0], ev) }))
	require.NoError(t, err)
}
