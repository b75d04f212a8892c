package hosttest

import (
	"context"
	"io"
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

// TestLeftOversComeByThemselves: what a lost connection has left comes with the
// next one, though the host sends nothing more.
func TestLeftOversComeByThemselves(t *testing.T) {
	for name, conf := range map[string]string{
		"confirm": "/broccoli/confirm yes\n", "spool": "/broccoli/spool_dir " + t.TempDir() + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			path := filepath.Join(t.TempDir(), "broccoli.conf")
			require.NoError(t, os.WriteFile(path, []byte(conf), 0o600))
			cmd := run(t, "asks", l.Addr().String())
			cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+path)
			require.NoError(t, cmd.Start())
			connection := func() *peer.Conn {
				require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Second)))
				nc, err := l.Accept()
				require.NoError(t, err)
				p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"asked"}})
				require.NoError(t, err)
				return p
			}
			asked := func(p *peer.Conn) {
				var ev event.Event
				require.NoError(t, p.Next(&ev)) // the PING behind it is not read
				require.Equal(t, "asked", ev.Name)
			}
			p := connection()
			asked(p)
			_ = p.Close()
			p = connection()
			asked(p)
			for range 2 {
				require.NoError(t, p.Send(&event.Event{Name: "late"}))
			}
			require.NoError(t, p.Flush())
			require.NoError(t, drain(p))
			require.NoError(t, cmd.Wait())
		})
	}
}

// TestEndWaitsForReceipts: with /broccoli/confirm, the end of a connection waits
// for what is written and not confirmed, and sends it again to a peer that was
// lost meanwhile.
func TestEndWaitsForReceipts(t *testing.T) {
	const n = 10
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	connection := func() (*peer.Conn, net.Conn) {
		require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Second)))
		nc, err := l.Accept()
		require.NoError(t, err)
		p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"left"}})
		require.NoError(t, err)
		return p, nc
	}
	untilLast := func(p *peer.Conn) (first uint64) {
		var ev event.Event
		require.NoError(t, p.Next(&ev))
		first = ev.Args[0].Bits
		for i := first + 1; i < n; i++ {
			require.NoError(t, p.Next(&ev))
			require.Equal(t, i, ev.Args[0].Bits)
		}
		return first
	}
	path := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(path, []byte("/broccoli/confirm yes\n"), 0o600))
	cmd := host(t, "leave", l.Addr().String(), strconv.Itoa(n), "delete")
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+path)
	require.NoError(t, cmd.Start())

	p, nc := connection()
	require.Zero(t, untilLast(p)) // the PING behind that is not read
	time.Sleep(200 * time.Millisecond)
	require.NoError(t, nc.(*net.TCPConn).SetLinger(0))
	require.NoError(t, p.Close())
	p, _ = connection()
	untilLast(p) // from the first that was not confirmed
	require.NoError(t, drain(p))
	require.NoError(t, cmd.Wait())
}

// TestUnconfirmedIsBounded: a peer that reads everything and confirms nothing, or
// nothing more, gets no more than may be under way (README); the rest stays in
// the queue, until that is full.
func TestUnconfirmedIsBounded(t *testing.T) {
	t.Parallel()
	spool := "/broccoli/spool_max_bytes 1048576\n/broccoli/spool_dir " + t.TempDir() + "\n"
	for name, c := range map[string]struct {
		conf              string
		events, confirmed int
		underWay          int64
	}{
		"at first":        {"/broccoli/confirm yes\n", 60_000, 0, 16 << 10},
		"in the long run": {"/broccoli/confirm yes\n", 300_000, 30_000, 8 << 20},
		// That, and a segment; what is under way is safe.
		"with a full spool": {spool, 300_000, 30_000, 2 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			var read int64
			addr, done := accept(t, func(nc net.Conn) error {
				p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"left"}})
				var ev event.Event
				for n := 0; n < c.confirmed && err == nil; n++ {
					err = p.Next(&ev)
				}
				if err != nil {
					return err
				}
				read, err = io.Copy(io.Discard, nc)
				read += int64(p.Buffered())
				return err
			})
			out, told := secureHost(t, c.conf, "leave", addr, strconv.Itoa(c.events))
			accepted, err := strconv.Atoi(strings.TrimSpace(out))
			require.NoError(t, err)
			require.Less(t, accepted, c.events, told)
			require.NoError(t, <-done)
			require.Positive(t, read)
			const together = 256 << 10 // what is written at once, and what a batch has
			require.LessOrEqual(t, read, c.underWay+together)
		})
	}
}
