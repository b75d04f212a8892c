package hosttest

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"romanesco/internal/event"
	"romanesco/internal/peer"
)

// TestConfirmedDelivery: with /broccoli/confirm, a peer that is lost again and
// again, with events under way, gets every event that was accepted.
func TestConfirmedDelivery(t *testing.T) {
	const n = 500
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var seen [n]atomic.Int32
	var connections atomic.Int32
	go func() {
		for ; ; connections.Add(1) {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			p, err := peer.Open(ctx, nc, peer.Config{Requests: []string{"steady"}})
			cancel()
			if err != nil {
				continue
			}
			var ev event.Event
			for got := 0; got < 40+7*int(connections.Load()) && p.Next(&ev) == nil; got++ {
				seen[ev.Args[0].Bits].Add(1)
			}
			_ = nc.(*net.TCPConn).SetLinger(0) // a reset: what is under way is gone
			_ = p.Close()
		}
	}()
	_, told := secureHost(t, "/broccoli/confirm yes\n", "steady", l.Addr().String(), "500")
	twice := 0
	for i := range seen {
		require.NotZero(t, seen[i].Load(), "event %d; host says %s", i, told)
		if seen[i].Load() > 1 {
			twice++
		}
	}
	require.Greater(t, connections.Load(), int32(3))
	t.Logf("%d events, %d of them more than once, over %d connections", n, twice, connections.Load())
}
