package hosttest

import (
	"context"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"romanesco/internal/event"
	"romanesco/internal/peer"
)

// TestReconnects: the peer is not there at first, then comes and goes; the host
// goes on sending, and is never held.
func TestReconnects(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	const n, sessions = 3000, 4 // six seconds, of which no session takes long
	done := make(chan error, 1)
	cmd := host(t, "steady", addr, strconv.Itoa(n))
	go func() { done <- cmd.Run() }()
	time.Sleep(300 * time.Millisecond)
	last := -1
	for i := range sessions {
		l, err := net.Listen("tcp", addr)
		require.NoError(t, err)
		_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
		nc, err := l.Accept()
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		p, err := peer.Open(ctx, nc, peer.Config{Requests: []string{"steady"}})
		cancel()
		require.NoError(t, err)
		var ev event.Event
		for got := 0; i == sessions-1 || got < 50; got++ {
			if p.Next(&ev) != nil {
				break
			}
			require.Greater(t, int(ev.Args[0].Bits), last, "in order, none twice")
			last = int(ev.Args[0].Bits)
		}
		_ = p.Close()
		_ = l.Close()
	}
	require.Equal(t, n-1, last)
	require.NoError(t, <-done)
}

// TestSwallowedConnectionIsReplaced: what stands between goes on taking, and
// passes nothing on. The host finds out by asking, and sends again.
func TestSwallowedConnectionIsReplaced(t *testing.T) {
	const n = 500
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var seen [n]atomic.Int32
	var arrived atomic.Int32
	p := newProxy(t, l.Addr().String, nil)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				c, err := peer.Open(ctx, nc, peer.Config{Requests: []string{"steady"}})
				if err != nil {
					return
				}
				var ev event.Event
				for c.Next(&ev) == nil {
					seen[ev.Args[0].Bits].Add(1)
					if arrived.Add(1) == 100 {
						p.swallow(true)
					}
				}
			}()
		}
	}()
	_, told := secureHost(t, "/broccoli/confirm yes\n/broccoli/peer_timeout 1\n", "steady", p.addr, "500")
	for i := range seen {
		require.NotZero(t, seen[i].Load(), "event %d; host says %s", i, told)
	}
	require.Contains(t, told, "silent")
}
