package broccoli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// hello is what a peer says in its handshake.
func hello(names ...string) []byte {
	b := (&wire.Version{Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion}).AppendTo(nil)
	b = (&wire.Request{Events: names}).AppendTo(b)
	b = (&wire.Caps{Flags: wire.CapBroccoli}).AppendTo(b)
	return wire.PhaseDone{}.AppendTo(b)
}

func message(t testing.TB, ev *event.Event) []byte {
	t.Helper()
	b, err := new(wire.Encoder).AppendEvent(nil, ev)
	require.NoError(t, err)
	return b
}

func textEvent(name string, size int) *event.Event {
	return &event.Event{Name: name, Args: []event.Value{{Type: event.String, Bytes: make([]byte, size)}}}
}

// raw connects to a listener without any manners.
func raw(t *testing.T, l *broccoli.Listener) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestStrangersHoldUpNobody: those that say nothing, nonsense, or stop in the middle.
func TestStrangersHoldUpNobody(t *testing.T) {
	l := listen(t, broccoli.Config{Events: []string{"e"}})
	for i := range 20 {
		nc := raw(t, l)
		switch i % 4 {
		case 1:
			_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		case 2:
			_, _ = nc.Write(hello()[:10])
		case 3:
			_, _ = nc.Write(bytes.Repeat([]byte{0xff}, 1000))
		}
	}
	a := dial(t, l.Addr().String(), broccoli.Config{})
	b, err := l.Accept(within(t))
	require.NoError(t, err)
	require.NoError(t, a.Send(within(t), "e"))
	receive(t, b)
}

// flood writes until nothing more is taken, and returns how much was.
func flood(t *testing.T, nc net.Conn, chunk []byte) (taken int) {
	t.Helper()
	for taken < 1<<30 {
		require.NoError(t, nc.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := nc.Write(chunk)
		taken += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return taken
		}
		require.NoError(t, err)
	}
	return taken
}

// TestFloodsAreHeldBack: who does not call Receive keeps no more than the kernel does.
func TestFloodsAreHeldBack(t *testing.T) {
	l := listen(t, broccoli.Config{Events: []string{"e"}})
	before := heap()
	nc := raw(t, l)
	_, err := nc.Write(hello())
	require.NoError(t, err)
	c, err := l.Accept(within(t))
	require.NoError(t, err)
	defer c.Close()
	taken := flood(t, nc, message(t, textEvent("e", 100_000)))
	require.Less(t, taken, 32<<20)
	require.Less(t, heap(), before+8<<20)
	receive(t, c)
}

// TestNamesWithoutEndAreNotKept: a peer may ask for so much only.
func TestNamesWithoutEndAreNotKept(t *testing.T) {
	l := listen(t, broccoli.Config{})
	before := heap()
	nc := raw(t, l)
	_, err := nc.Write(hello())
	require.NoError(t, err)
	c, err := l.Accept(within(t))
	require.NoError(t, err)
	defer c.Close()
	for i := range 200 {
		names := make([]string, 1000)
		for j := range names {
			names[j] = fmt.Sprintf("event_%d_%d_%0400d", i, j, 0)
		}
		_, err := nc.Write((&wire.Request{Events: names}).AppendTo(nil))
		require.NoError(t, err)
	}
	_, err = nc.Write((&wire.Ping{Seq: 7}).AppendTo(nil))
	require.NoError(t, err)
	for r := wire.NewReader(nc, wire.Limits{}); ; {
		typ, _, err := r.Next()
		require.NoError(t, err)
		if typ == wire.MsgPong {
			break
		}
	}
	require.Less(t, heap(), before+16<<20)
}

// TestLargeEventsEnd the connection of who sends them, with an error that says so.
func TestLargeEventsEnd(t *testing.T) {
	l := listen(t, broccoli.Config{Events: []string{"e"}, MaxEvent: 10_000})
	nc := raw(t, l)
	_, err := nc.Write(append(hello(), message(t, textEvent("e", 9_000))...))
	require.NoError(t, err)
	c, err := l.Accept(within(t))
	require.NoError(t, err)
	receive(t, c)
	_, err = nc.Write(message(t, textEvent("e", 20_000)))
	require.NoError(t, err)
	_, err = c.Receive(within(t))
	require.ErrorIs(t, err, broccoli.ErrLimit)
}

// TestPeersThatRefuse, or speak something else, are told from those that are not there.
func TestPeersThatRefuse(t *testing.T) {
	for says, want := range map[string]error{
		"":                             broccoli.ErrRefused,
		"SSH-2.0-OpenSSH_9.2\r\n":      broccoli.ErrRefused,
		string(hello()[:8]):            nil, // it has begun to speak, and ended
		"HTTP/1.1 400 Bad Request\r\n": broccoli.ErrRefused,
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		go func() {
			if nc, err := l.Accept(); err == nil {
				_, _ = io.WriteString(nc, says)
				_ = nc.(*net.TCPConn).CloseWrite()
			}
		}()
		_, err = broccoli.Dial(within(t), l.Addr().String(), broccoli.Config{})
		require.Error(t, err)
		if want != nil {
			require.ErrorIs(t, err, want, "%q", says)
		}
		require.NoError(t, l.Close())
	}
}

// TestPeersThatGoSilent are lost: they have answered once and do so no more.
func TestPeersThatGoSilent(t *testing.T) {
	l := listen(t, broccoli.Config{Events: []string{"e"}, Silence: 300 * time.Millisecond})
	nc := raw(t, l)
	_, err := nc.Write(hello())
	require.NoError(t, err)
	c, err := l.Accept(within(t))
	require.NoError(t, err)
	for r := wire.NewReader(nc, wire.Limits{}); ; {
		typ, payload, err := r.Next()
		require.NoError(t, err)
		if typ == wire.MsgPing {
			_, err = nc.Write(wire.AppendMessage(nil, wire.MsgPong, payload))
			require.NoError(t, err)
			break
		}
	}
	_, err = c.Receive(within(t))
	require.ErrorIs(t, err, broccoli.ErrSilent)
}

// TestWhatNobodyAskedFor is dropped, and does not keep anybody from what was asked for.
func TestWhatNobodyAskedFor(t *testing.T) {
	l := listen(t, broccoli.Config{Events: []string{"e"}})
	nc := raw(t, l)
	b := hello()
	for range 1000 {
		b = append(b, message(t, textEvent("other", 100))...)
	}
	_, err := nc.Write(append(b, message(t, textEvent("e", 1))...))
	require.NoError(t, err)
	c, err := l.Accept(within(t))
	require.NoError(t, err)
	require.Equal(t, "e", receive(t, c).Name)
	require.EqualValues(t, 1000, c.Stats().Unasked)
}

// TestReceiptsThatLie confirm nothing that was not sent.
func TestReceiptsThatLie(t *testing.T) {
	l := listen(t, broccoli.Config{Confirm: true})
	nc := raw(t, l)
	b := hello("e")
	for seq := range uint32(1000) {
		b = append(b, (&wire.Pong{Seq: seq * 1001}).AppendTo(nil)...)
	}
	_, err := nc.Write(b)
	require.NoError(t, err)
	c, err := l.Accept(within(t))
	require.NoError(t, err)
	require.NoError(t, c.Send(within(t), "e", 1))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Flush(ctx), context.DeadlineExceeded)
	_, err = nc.Write((&wire.Pong{Seq: 1}).AppendTo(nil))
	require.NoError(t, err)
	require.NoError(t, c.Flush(within(t)))
}

// TestGoroutinesEnd with their connections, however these end.
func TestGoroutinesEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 50 {
		l := listen(t, broccoli.Config{Events: []string{"e"}})
		a := dial(t, l.Addr().String(), broccoli.Config{Confirm: i%2 == 0, Reconnect: i%3 == 0})
		b, err := l.Accept(within(t))
		require.NoError(t, err)
		require.NoError(t, a.Send(within(t), "e"))
		receive(t, b)
		if i%5 == 0 {
			require.NoError(t, b.Close())
		}
		_, _ = a.Close(), b.Close()
		require.NoError(t, l.Close())
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, patience, 10*time.Millisecond)
}

// FuzzPeer: whatever a peer says, the program goes on, and the connection ends with it.
func FuzzPeer(f *testing.F) {
	f.Add(hello(), message(f, textEvent("e", 10)), false)
	f.Add(hello("e"), (&wire.Ping{Seq: 1}).AppendTo(nil), true)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte{}, false)
	for _, name := range []string{"sensor-sshd", "compound", "enum", "v6addrs"} {
		b, err := os.ReadFile("../testdata/vectors/" + name + "/client.bin")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, []byte{}, true)
	}
	l, err := broccoli.Listen("127.0.0.1:0", broccoli.Config{Events: []string{"e", "sensor_sshd_exec"}, MaxEvent: 1 << 16})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	f.Fuzz(func(t *testing.T, first, second []byte, sends bool) {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Skip(err)
		}
		defer nc.Close()
		go func() { // who is accepted by another run of this is ended there
			_, _ = nc.Write(first)
			_, _ = nc.Write(second)
			_ = nc.(*net.TCPConn).CloseWrite()
		}()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c, err := l.Accept(t.Context())
			if err != nil {
				return
			}
			if sends {
				_ = c.Send(t.Context(), "e", "x")
			}
			for range c.Events(t.Context()) {
			}
			_ = c.Close()
		}()
		_ = nc.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection does not end")
		}
	})
}
