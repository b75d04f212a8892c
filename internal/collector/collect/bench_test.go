package collect

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// sender is the stream of a peer that shakes hands, then sends an event again
// and again.
type sender struct {
	net.Conn
	said   *bytes.Reader
	events []byte // whole messages
	rounds int    // how often events is still to be sent
}

func (s *sender) Read(b []byte) (int, error) {
	if s.said.Len() == 0 {
		if s.rounds == 0 {
			return 0, io.EOF
		}
		s.rounds--
		s.said.Reset(s.events)
	}
	return s.said.Read(b)
}

func (s *sender) Write(b []byte) (int, error)     { return len(b), nil }
func (s *sender) Close() error                    { return nil }
func (s *sender) SetDeadline(time.Time) error     { return nil }
func (s *sender) SetReadDeadline(time.Time) error { return nil }
func (s *sender) RemoteAddr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4241} }

// perRound is how many events a round of a sender has.
const perRound = 1000

func newSender(b *testing.B, rounds int) *sender {
	b.Helper()
	said := (&wire.Version{Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion}).AppendTo(nil)
	said = wire.PhaseDone{}.AppendTo((&wire.Caps{}).AppendTo(said))
	ev := event.Event{
		Name: "sensor_sshd_conn_new", Time: 1126645547.75,
		Args: []event.Value{
			{Type: event.Time, Bits: 0x41d0ca0c5af00000},
			{Type: event.String, Bytes: []byte("login1_22")},
			{Type: event.Count, Bits: 17},
			{Type: event.Addr, Addr: [16]byte{10: 255, 11: 255, 12: 10, 13: 100, 14: 101, 15: 102}},
			{Type: event.Port, Bits: 4241, Proto: event.ProtoTCP},
			{Type: event.Addr, Addr: [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}},
			{Type: event.Port, Bits: 22, Proto: event.ProtoTCP},
		},
	}
	one, err := new(wire.Encoder).AppendEvent(nil, &ev)
	require.NoError(b, err)
	return &sender{said: bytes.NewReader(said), events: bytes.Repeat(one, perRound), rounds: rounds}
}

// BenchmarkCollect is what an event costs from the stream to the lines.
func BenchmarkCollect(b *testing.B) {
	b.Run("stream", func(b *testing.B) {
		benchmark(b, eventlog.NewStream(io.Discard, eventlog.JSON))
	})
	for _, set := range []eventlog.Settings{
		{Format: eventlog.FormatJSON},
		{Format: eventlog.FormatJSON, Each: true},
		{Format: eventlog.FormatTSV},
		{Format: eventlog.FormatTSV, Each: true},
	} {
		b.Run(fmt.Sprintf("%s/each=%v", set.Format, set.Each), func(b *testing.B) {
			dir, err := logfile.OpenDir(b.TempDir(), nil)
			require.NoError(b, err)
			defer dir.Close()
			set.MaxSize = 64 << 20
			files := eventlog.NewFiles(dir, set)
			benchmark(b, files)
			require.NoError(b, files.Close())
		})
	}
}

func benchmark(b *testing.B, log eventlog.Log) {
	rounds := b.N/perRound + 1
	s := newSender(b, rounds)
	c := New(Config{Catalog: catalog.Builtin(), Destinations: anyone(b, "sensor_sshd_conn_new"), Log: log})
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	require.NoError(b, c.handle(context.Background(), s, nil))
	b.ReportMetric(float64(rounds*perRound)/(processorTime(b)-before).Seconds(), "events/core-s")
}

// processorTime is what this process has used, which, unlike the time on the
// wall, does not depend on what else runs.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
