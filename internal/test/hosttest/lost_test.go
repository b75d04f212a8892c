package hosttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// TestReconnects: the peer is not there at first, then comes and goes; the host
// goes on sending, and is never held.
func TestReconnects(t *testing.T) {
	t.Parallel()
	addr := nobody(t)
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

// TestRequestsOutliveTheConnection: what the host has asked for while it was
// connected, it asks of the next peer at once.
func TestRequestsOutliveTheConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	cmd := run(t, "asks", l.Addr().String())
	require.NoError(t, cmd.Start())
	for session := range 2 {
		require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Second)))
		nc, err := l.Accept()
		require.NoError(t, err)
		p, err := peer.Open(t.Context(), nc, peer.Config{})
		require.NoError(t, err)
		if session > 0 {
			require.True(t, p.Wants("late"))
		}
		go func() { _ = drain(p) }()
		require.Eventually(t, func() bool { return p.Wants("late") }, 20*time.Second, time.Millisecond)
		require.NoError(t, p.Send(&event.Event{Name: "late", Args: []event.Value{}}))
		require.NoError(t, p.Flush())
		if session == 0 {
			require.NoError(t, p.Close())
		}
	}
	require.NoError(t, cmd.Wait())
}

// TestDeleteEnds: bro_conn_delete() gives up when the peer takes nothing. What is
// sent here is more than the kernel has room for.
func TestDeleteEnds(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, peer.Config{Requests: []string{"stalled"}}, func(*peer.Conn) error {
		<-t.Context().Done()
		return nil
	})
	out, err := run(t, "stalled", addr, "100", "200000").Output()
	require.NoError(t, err)
	require.Equal(t, "100\n", string(out))
}

// TestPeerThatEndsEachConnection: it takes part in the handshake and hangs up.
// The host comes again, and less and less often.
func TestPeerThatEndsEachConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var connections atomic.Int32
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			if p, err := peer.Open(t.Context(), nc, peer.Config{}); err == nil {
				connections.Add(1)
				_ = p.Close()
			}
		}
	}()
	// Two seconds or so. A few are had at once; a minute would be 22.
	require.NoError(t, host(t, "steady", l.Addr().String(), "1000").Run())
	require.Greater(t, connections.Load(), int32(1))
	require.LessOrEqual(t, connections.Load(), int32(22))
}

// TestSwallowedConnectionIsReplaced: what stands between goes on taking, and
// passes nothing on. The host finds out by asking, and sends again.
func TestSwallowedConnectionIsReplaced(t *testing.T) {
	t.Parallel()
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

// TestKernelLooksAfterIdlePeer: where nothing is said, the host's kernel asks
// for the peer in time, which is half of what is set.
func TestKernelLooksAfterIdlePeer(t *testing.T) {
	const timeout = 6000 * time.Second
	addr, done := accept(t, func(nc net.Conn) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := peer.Open(ctx, nc, peer.Config{}); err != nil {
			return err
		}
		for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			left, err := untilKeepAlive(nc.RemoteAddr(), nc.LocalAddr())
			if err != nil || timeout/4 < left && left <= timeout/2 {
				return err
			}
		}
		return errors.New("the kernel does not ask when it should")
	})
	cmd := host(t, "echo", addr)
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "/broccoli/peer_timeout %d\n", timeout/time.Second), 0o600))
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
	require.NoError(t, cmd.Run())
	require.NoError(t, <-done)
}

// untilKeepAlive is when the kernel will ask for the peer of an IPv4 connection
// of this machine, zero for never.
func untilKeepAlive(local, remote net.Addr) (time.Duration, error) {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, fmt.Errorf("reading the kernel's connections: %w", err)
	}
	port := func(a net.Addr) string { return fmt.Sprintf(":%04X", a.(*net.TCPAddr).Port) }
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) < 6 || !strings.HasSuffix(f[1], port(local)) || !strings.HasSuffix(f[2], port(remote)) {
			continue
		}
		const keepalive, perSecond = "02", 100 // of the kernel's clock for programs
		kind, when, _ := strings.Cut(f[5], ":")
		if kind != keepalive {
			return 0, nil
		}
		ticks, err := strconv.ParseInt(when, 16, 64)
		return time.Duration(ticks) * time.Second / perSecond, err
	}
	return 0, nil
}
