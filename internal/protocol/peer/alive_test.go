package peer

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// enough is for what must come in the end; nothing depends on how long it takes.
const enough = 60 * time.Second

// relay passes everything on between who connects to it and addr, until it is
// told to swallow it instead.
func relay(t *testing.T, addr string) (string, *atomic.Bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	var swallow atomic.Bool
	pass := func(to, from net.Conn) {
		b := make([]byte, 4096)
		for {
			n, err := from.Read(b)
			if swallow.Load() {
				continue
			}
			if err != nil {
				_ = to.Close()
				return
			}
			_, _ = to.Write(b[:n])
		}
	}
	go func() {
		from, err := l.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		t.Cleanup(func() { _, _ = from.Close(), to.Close() })
		go pass(to, from)
		pass(from, to)
	}()
	return l.Addr().String(), &swallow
}

// listening is a Romanesco that accepts one peer and reads what it says.
func listening(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		c, err := Open(context.Background(), nc, Config{})
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = c.Close() })
		for c.Next(&event.Event{}) == nil {
		}
	}()
	return l.Addr().String()
}

// next waits for the end of a connection.
func next(t *testing.T, c *Conn) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Next(&event.Event{}) }()
	select {
	case err := <-done:
		return err
	case <-time.After(enough):
		return nil
	}
}

func TestSwallowedConnectionIsNoticed(t *testing.T) {
	addr, swallow := relay(t, listening(t))
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	c, err := Open(t.Context(), nc, Config{Silence: 200 * time.Millisecond})
	require.NoError(t, err)
	defer c.Close()
	ended := make(chan error, 1)
	go func() { ended <- c.Next(&event.Event{}) }()
	require.Eventually(t, c.watch.HasAnswered, enough, time.Millisecond, "a PING is answered")
	swallow.Store(true)
	select {
	case err := <-ended:
		require.ErrorIs(t, err, delivery.ErrSilent)
	case <-time.After(enough):
		t.Fatal("nobody has noticed")
	}
	require.ErrorIs(t, c.write(wire.PhaseDone{}.AppendTo), delivery.ErrSilent)
}

// TestQuietPeerIsKept: a peer that says nothing, and does not answer PINGs, as
// libbroccoli, is not lost.
func TestQuietPeerIsKept(t *testing.T) {
	for name, flags := range map[string]uint32{"Bro": 0, "libbroccoli": wire.CapBroccoli} {
		t.Run(name, func(t *testing.T) {
			peer, told := mute(t, flags)
			c, err := Open(t.Context(), peer, Config{Silence: 50 * time.Millisecond})
			require.NoError(t, err)
			ended := make(chan error, 1)
			go func() { ended <- c.Next(&event.Event{}) }()
			select {
			case err := <-ended:
				t.Fatal(err)
			case <-time.After(20 * 50 * time.Millisecond):
			}
			require.NoError(t, c.Close())
			pings := 0
			for r := wire.NewReader(told(), wire.Limits{}); ; {
				typ, _, err := r.Next()
				if err != nil {
					break
				}
				if typ == wire.MsgPing {
					pings++
				}
			}
			require.Equal(t, int(flags/wire.CapBroccoli), pings, "one for who may answer, none for a Bro")
		})
	}
}

// TestPeerIsKeptWhileNobodyReads: its answers wait like all else when it is us
// who have no time for them.
func TestPeerIsKeptWhileNobodyReads(t *testing.T) {
	const silence = 300 * time.Millisecond // a busy machine answers sooner
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	peers := make(chan *Conn, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		p, err := Open(context.Background(), nc, Config{})
		if err != nil {
			return
		}
		peers <- p
		for p.Next(&event.Event{}) == nil {
		}
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	c, err := Open(t.Context(), nc, Config{Silence: silence, Requests: []string{"e"}})
	require.NoError(t, err)
	defer c.Close()
	p := <-peers
	defer p.Close()
	send := func() {
		require.NoError(t, p.Send(&event.Event{Name: "e"}))
		require.NoError(t, p.Flush())
	}
	got := make(chan error, 1)
	go func() { got <- c.Next(&event.Event{}) }()
	require.Eventually(t, c.watch.HasAnswered, enough, time.Millisecond, "a PING is answered")
	send()
	require.NoError(t, <-got)
	time.Sleep(7 * silence) // the longer, the surer
	send()
	require.NoError(t, next(t, c))
}

// mute is a peer that does its part of the handshake, and no more.
func mute(t *testing.T, flags uint32) (nc net.Conn, told func() io.Reader) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	nc, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	other, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	said := (&wire.Version{Protocol: 7, DataFormat: 26}).AppendTo(nil)
	said = (&wire.Caps{Flags: flags}).AppendTo(said)
	_, err = other.Write(wire.PhaseDone{}.AppendTo(said))
	require.NoError(t, err)
	return nc, func() io.Reader { return other }
}

// deaf makes the kernel drop all that comes in for a connection, and thus
// acknowledge nothing: for the other side, the machine is gone.
func deaf(t *testing.T, nc net.Conn) {
	t.Helper()
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	raw, err := nc.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	var failed error
	require.NoError(t, raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: 1, Filter: &drop[0]})
	}))
	require.NoError(t, failed)
}

// TestDeadHostIsNoticed: with nothing to say by keepalives, and with data on
// its way by what the kernel knows. The peer is a Bro, which gets no PING.
func TestDeadHostIsNoticed(t *testing.T) {
	for name, send := range map[string]bool{"idle": false, "sending": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const silence = time.Second
			nc, told := mute(t, 0)
			delivery.KeepAlive(nc, silence)
			c, err := Open(t.Context(), nc, Config{Silence: silence})
			require.NoError(t, err)
			defer c.Close()
			deaf(t, told().(net.Conn))
			if send {
				require.NoError(t, c.Send(&event.Event{Name: "e"}))
				require.NoError(t, c.Flush())
			}
			err = next(t, c)
			require.Error(t, err)
			t.Log(err)
			if send {
				require.ErrorIs(t, err, delivery.ErrSilent)
			}
		})
	}
}

// TestStalledPeerIsKept: a peer that reads nothing while its kernel goes on
// answering is alive.
func TestStalledPeerIsKept(t *testing.T) {
	nc, told := mute(t, 0)
	delivery.KeepAlive(nc, 100*time.Millisecond)
	c, err := Open(t.Context(), nc, Config{Silence: 100 * time.Millisecond})
	require.NoError(t, err)
	const n, size = 100, 200_000
	sent := make(chan error, 1)
	go func() {
		ev := &event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: make([]byte, size)}}}
		var err error
		for i := 0; i < n && err == nil; i++ {
			err = c.Send(ev)
		}
		sent <- err
	}()
	time.Sleep(3 * time.Second) // the longer, the surer
	go func() {
		_, _ = io.Copy(io.Discard, told())
	}()
	require.NoError(t, <-sent)
	require.NoError(t, c.Close())
}
