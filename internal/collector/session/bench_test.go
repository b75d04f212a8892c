package session

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// BenchmarkLine is what a line of a session costs here, beside the log of events.
func BenchmarkLine(b *testing.B) {
	path := b.TempDir()
	dir, err := logfile.OpenDir(path, nil)
	require.NoError(b, err)
	never, err := eventlog.ParseSync("never")
	require.NoError(b, err)
	l, err := Open(dir, path, nothing{}, Settings{Events: eventlog.Settings{Format: eventlog.FormatJSON, Sync: never}, Memory: 64 << 20})
	require.NoError(b, err)
	batch := l.Batch(b.Context(), eventlog.Peer{Addr: "192.0.2.1:1"}, nil)
	ev := &event.Event{Name: prefix + "data_rx", Args: []event.Value{
		{Type: event.Time}, {Type: event.String, Bytes: []byte("login1_22_1764057133")}, {Type: event.Count, Bits: 1}, {Type: event.Count},
		{Type: event.String, Bytes: make([]byte, 80)},
	}}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		ev.Args[0].Bits = math.Float64bits(float64(n))
		if batch.Add(ev, nil); n%300 == 0 {
			require.NoError(b, batch.Flush())
		}
	}
}

// BenchmarkLogin is what a connection of two events costs.
func BenchmarkLogin(b *testing.B) {
	path := b.TempDir()
	dir, err := logfile.OpenDir(path, nil)
	require.NoError(b, err)
	never, err := eventlog.ParseSync("never")
	require.NoError(b, err)
	l, err := Open(dir, path, nothing{}, Settings{Events: eventlog.Settings{Format: eventlog.FormatJSON, Sync: never}, Memory: 64 << 20})
	require.NoError(b, err)
	batch := l.Batch(b.Context(), eventlog.Peer{Addr: "192.0.2.1:1"}, nil)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		for _, ev := range connection(uint64(n), float64(n)) {
			batch.Add(ev, nil)
		}
		if n%100 == 0 {
			require.NoError(b, batch.Flush())
		}
	}
}

// BenchmarkOther is what an event costs that is not of sshd.
func BenchmarkOther(b *testing.B) {
	path := b.TempDir()
	dir, err := logfile.OpenDir(path, nil)
	require.NoError(b, err)
	l, err := Open(dir, path, nothing{}, Settings{Memory: 64 << 20})
	require.NoError(b, err)
	batch := l.Batch(b.Context(), eventlog.Peer{Addr: "192.0.2.1:1"}, nil)
	ev := connection(1, 1)[0]
	ev.Name = "other"
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if batch.Add(ev, nil); n%100 == 0 {
			require.NoError(b, batch.Flush())
		}
	}
}
