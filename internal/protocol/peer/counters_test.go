package peer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/traffic"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

func TestBothSidesCountTheSame(t *testing.T) {
	var sent, received traffic.Counters
	a, b := pair(t, Config{Counters: &sent}, Config{Requests: []string{"ping"}, Counters: &received})
	const n = 10
	long := make([]byte, 3<<20) // travels in parts
	for i := range n {
		ev := &event.Event{Name: "ping", Args: []event.Value{{Type: event.Count, Bits: uint64(i)}}}
		if i == n-1 {
			ev.Args[0] = event.Value{Type: event.String, Bytes: long}
		}
		go func() {
			if err := a.Send(ev); err == nil {
				_ = a.Flush()
			}
		}()
		require.NoError(t, b.Next(&event.Event{}))
	}
	require.NoError(t, a.Close())
	require.ErrorIs(t, b.Next(&event.Event{}), io.EOF)
	out, in := sent.Totals(), received.Totals()
	require.EqualValues(t, n, out.EventsOut)
	require.EqualValues(t, n, in.EventsIn)
	require.Greater(t, in.BytesIn, uint64(len(long)))
	require.Equal(t, out.BytesOut, in.BytesIn)
	require.Equal(t, out.ChunksOut, in.ChunksIn)
	require.GreaterOrEqual(t, out.Writes, uint64(n))
	require.NotZero(t, in.Reads)
	require.Zero(t, out.Pending)
	require.Zero(t, in.Skipped)
}

func TestPendingIsWhatWaits(t *testing.T) {
	var count traffic.Counters
	a, b := pair(t, Config{Counters: &count}, Config{Requests: []string{"ping"}})
	require.NoError(t, a.Send(&event.Event{Name: "ping"}))
	require.NoError(t, a.Send(&event.Event{Name: "ping"}))
	require.EqualValues(t, 4, count.Totals().Pending)
	require.NoError(t, a.Flush())
	require.Zero(t, count.Totals().Pending)
	require.NoError(t, b.Next(&event.Event{}))
}

// TestRequestsAreToldOnce: also those that come again.
func TestRequestsAreToldOnce(t *testing.T) {
	said := (&wire.Version{Protocol: 7, DataFormat: 26}).AppendTo(nil)
	for range 2 {
		said = new(wire.Encoder).AppendRequest(said, &wire.Request{Events: []string{"a", "b", "a"}})
	}
	said = wire.AppendMessage(said, wire.MsgRequestSync, []byte{0, 0, 0, 0})
	r := &replay{said: bytes.NewReader(wire.PhaseDone{}.AppendTo(said))}
	var told []string
	_, err := Open(context.Background(), r, Config{
		Requested: func(name string) { told = append(told, "request "+name) },
		Logf:      func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) },
	})
	require.NoError(t, err)
	require.Equal(t, []string{"phase: version", "phase: handshake", "request a", "request b", "phase: sync",
		"sending full state", "done sending full state", "phase: running"}, told)
}

func TestWhatCannotBeDecodedIsCounted(t *testing.T) {
	said := (&wire.Version{Protocol: 7, DataFormat: 26}).AppendTo(nil)
	said = wire.PhaseDone{}.AppendTo(said)
	said = wire.AppendMessage(said, wire.MsgSerial, []byte{wire.SerialEvent, 1})
	var count traffic.Counters
	c, err := Open(context.Background(), &replay{said: bytes.NewReader(said)}, Config{Counters: &count})
	require.NoError(t, err)
	require.ErrorIs(t, c.Next(&event.Event{}), io.EOF)
	require.EqualValues(t, 1, count.Totals().Skipped)
	require.Zero(t, count.Totals().EventsIn)
}
