package hosttest

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// TestNoMemoryForLargeEvent: the size of an event is the peer's choice; that there is
// no memory to hand it over in ends the connection, not the process.
func TestNoMemoryForLargeEvent(t *testing.T) {
	t.Parallel()
	preload := built(t, "cc", "nomemory", "-shared", "-fPIC")
	big := &event.Event{Name: "big", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 4<<20)}}}
	closed := make(chan error, 1)
	addr, done := accept(t, func(nc net.Conn) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		p, err := peer.Open(ctx, nc, peer.Config{})
		if err != nil {
			return err
		}
		if err := p.Send(big); err == nil {
			_ = p.Flush()
		}
		var ev event.Event
		_ = nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		for err == nil {
			err = p.Next(&ev)
		}
		closed <- err
		return nil
	})
	cmd := host(t, "idle", addr, "3000")
	cmd.Env = append(cmd.Env, "LD_PRELOAD="+preload)
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	require.NoError(t, <-done)
	err = <-closed
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

// TestExitWithoutMemory: what has been accepted arrives though exit() gets no memory to
// note what it has to end.
func TestExitWithoutMemory(t *testing.T) {
	const n = 5
	addr, stop := collector(t, "last")
	out, err := run(t, "exitpoor", addr, fmt.Sprint(n)).Output()
	require.NoError(t, err, "%s", out)
	want := map[string]int{}
	for i := range n {
		want[fmt.Sprintf("last[%d]", i)] = 1
	}
	require.Equal(t, want, stop())
}
