package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/memory"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

// rawClient subscribes, and does nothing else by itself.
func rawClient(t *testing.T, addr string, topics ...string) net.Conn {
	t.Helper()
	nc, _, _, err := ws.Dial(t.Context(), "ws://"+addr+zeek.Path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(enough)))
	require.NoError(t, wsutil.WriteClientText(nc, zeek.Subscription(topics).AppendTo(nil)))
	_, _, err = wsutil.ReadServerData(nc)
	require.NoError(t, err)
	return nc
}

// readFrame reads a frame of the server's.
func readFrame(nc net.Conn) (op ws.OpCode, payload []byte, err error) {
	h, err := ws.ReadHeader(nc)
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, min(h.Length, 16<<20))
	_, err = io.ReadFull(nc, payload)
	return h.OpCode, payload, err
}

// ending returns the status and the reason with which the hub ends a connection.
func ending(t *testing.T, nc net.Conn) (code ws.StatusCode, reason string) {
	t.Helper()
	for {
		op, payload, err := readFrame(nc)
		require.NoError(t, err)
		if op == ws.OpClose {
			return ws.ParseCloseFrameData(payload)
		}
	}
}

func publish(t *testing.T, nc net.Conn, name string, size int) {
	t.Helper()
	ev := &event.Event{Name: name, Args: []event.Value{{Type: event.String, Bytes: []byte(strings.Repeat("x", size))}}}
	b, err := zeek.NewEncoder("t", zeek.Current).AppendEvent(nil, ev)
	require.NoError(t, err)
	require.NoError(t, wsutil.WriteClientText(nc, b))
}

// TestFaultsOfOursAreTold as such, and no more than that.
func TestFaultsOfOursAreTold(t *testing.T) {
	for what, n := range map[string]*notebook{"a log that fails": {broken: errors.New("disk full")}, "a panic": {faulty: "one"}} {
		t.Run(what, func(t *testing.T) {
			_, addr, done := serving(t, n)
			nc := rawClient(t, addr)
			publish(t, nc, "one", 1)
			code, reason := ending(t, nc)
			require.Equal(t, ws.StatusInternalServerError, code)
			require.Equal(t, "internal error", reason)
			_ = done()
		})
	}
}

// TestSlowClientIsCutOff, and costs the others nothing.
func TestSlowClientIsCutOff(t *testing.T) {
	h, addr := serve(t, &notebook{})
	_, quick, sender := rawClient(t, addr, "t"), dial(t, addr, "t", "t"), rawClient(t, addr)
	for range 400 { // more than the buffers of the sockets and the queue have room for
		publish(t, sender, "one", 64<<10)
		require.Equal(t, "t one", receive(t, quick))
	}
	require.Eventually(t, func() bool { return h.cut.Load() == 1 }, enough, time.Millisecond)
	require.Eventually(t, func() bool { return h.Memory.Outgoing.Used() == 0 }, enough, time.Millisecond)
}

// TestNoMemoryForWhatWaits: the client is told that it can come again.
func TestNoMemoryForWhatWaits(t *testing.T) {
	h, addr := serve(t, &notebook{}, func(h *Hub) { h.Memory = memory.New(4 << 20) })
	nc, sender := rawClient(t, addr, "t"), rawClient(t, addr)
	require.True(t, h.Memory.Outgoing.Take(1<<20)) // others have it
	publish(t, sender, "one", 1)
	code, reason := ending(t, nc)
	require.EqualValues(t, 1013, code)
	require.Equal(t, "overloaded: no memory is left for what waits", reason)
	require.Eventually(t, func() bool { return h.cut.Load() == 1 }, enough, time.Millisecond)
}

// TestLargeMessages: one at a time is welcome; what does not go into the memory that
// there is as a line is skipped, and the client told.
func TestLargeMessages(t *testing.T) {
	n := &notebook{}
	h, addr := serve(t, n, func(h *Hub) { h.Memory = memory.New(16 << 20) })
	nc := rawClient(t, addr)
	publish(t, nc, "one", 1<<20)
	publish(t, nc, "two", 2<<20)
	b, _, err := wsutil.ReadServerData(nc)
	require.NoError(t, err)
	require.Contains(t, string(b), "too large an event for -max-memory")
	publish(t, nc, "three", 1)
	require.Eventually(t, func() bool { return len(n.seen()) == 2 }, enough, time.Millisecond)
	require.Equal(t, []string{"t one 1", "t three 1"}, n.seen())
	require.Zero(t, h.Memory.Incoming.Used())
	require.True(t, h.Memory.Incoming.Take(8<<20)) // others have it
	publish(t, nc, "four", 2<<20)
	code, reason := ending(t, nc)
	require.EqualValues(t, 1013, code)
	require.Contains(t, reason, "no memory is left for the message; others have it")
	h.Memory.Incoming.Give(8 << 20)
	nc = rawClient(t, addr)
	require.NoError(t, ws.WriteHeader(nc, ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Length: 15 << 20}))
	_, _ = nc.Write(make([]byte, 10<<20))
	code, _ = ending(t, nc)
	require.Equal(t, ws.StatusMessageTooBig, code)
	require.Eventually(t, func() bool { return h.Memory.Incoming.Used() == 0 }, enough, time.Millisecond)
}

// TestIdleClientHoldsNothing of what it has sent before.
func TestIdleClientHoldsNothing(t *testing.T) {
	n := &notebook{}
	h, addr := serve(t, n, func(h *Hub) { h.Memory = memory.New(256 << 20) })
	nc := rawClient(t, addr)
	ev := &event.Event{Name: "one", Args: []event.Value{
		{Type: event.String, Bytes: []byte(strings.Repeat("\n", 1<<20))}, {Type: event.Vector, Elems: make([]event.Value, 20_000)},
	}}
	b, err := zeek.NewEncoder("t", zeek.Current).AppendEvent(nil, ev)
	require.NoError(t, err)
	require.NoError(t, wsutil.WriteClientText(nc, b))
	require.Eventually(t, func() bool { return len(n.seen()) == 1 }, enough, time.Millisecond)
	require.Eventually(t, func() bool { return h.Memory.Incoming.Used() == 0 }, 10*time.Second, time.Millisecond)
}

// TestLargeEventsComeOneAtATime, whoever has sent them; small ones do not wait.
func TestLargeEventsComeOneAtATime(t *testing.T) {
	n := &notebook{stay: make(chan struct{})}
	_, addr := serve(t, n)
	for range 3 {
		publish(t, rawClient(t, addr), "large", 1<<20)
	}
	require.Eventually(t, func() bool { return n.inside.Load() == 1 }, enough, time.Millisecond)
	publish(t, rawClient(t, addr), "small", 1)
	require.Eventually(t, func() bool { return len(n.seen()) == 1 }, enough, time.Millisecond)
	time.Sleep(100 * time.Millisecond)
	require.EqualValues(t, 1, n.inside.Load())
	close(n.stay)
	require.Eventually(t, func() bool { return len(n.seen()) == 4 }, enough, time.Millisecond)
}

// TestMessageThatDoesNotEnd: its client is cut off. A byte now and then does not help,
// nor does a ping.
func TestMessageThatDoesNotEnd(t *testing.T) {
	h, addr := serve(t, &notebook{}, func(h *Hub) { h.MessageTime = 300 * time.Millisecond })
	quiet := rawClient(t, addr)
	for range 2 {
		nc := rawClient(t, addr)
		require.NoError(t, ws.WriteHeader(nc, ws.Header{OpCode: ws.OpText, Masked: true, Length: 1}))
		_, err := nc.Write([]byte("["))
		require.NoError(t, err)
		go func() {
			for err := error(nil); err == nil; {
				time.Sleep(100 * time.Millisecond)
				_ = ws.WriteHeader(nc, ws.Header{OpCode: ws.OpContinuation, Masked: true, Length: 1})
				_, _ = nc.Write([]byte(" "))
				err = ws.WriteFrame(nc, ws.MaskFrame(ws.NewPingFrame(nil)))
			}
		}()
		require.NoError(t, nc.SetReadDeadline(time.Now().Add(enough)))
		code, reason := ending(t, nc)
		require.Equal(t, ws.StatusPolicyViolation, code)
		require.Contains(t, reason, "a message was begun 300ms ago and has not been ended")
	}
	require.Eventually(t, func() bool { return h.cut.Load() == 2 }, enough, time.Millisecond)
	publish(t, quiet, "one", 1)
	require.Eventually(t, func() bool { return h.events.Load() == 1 }, enough, time.Millisecond)
	require.NoError(t, ws.WriteFrame(quiet, ws.MaskFrame(ws.NewCloseFrame(nil))))
	_, err := io.Copy(io.Discard, quiet)
	require.NoError(t, err)
}

// TestTurnedAwayOverTLS: those learn why as well, and one that says nothing keeps
// nobody from it.
func TestTurnedAwayOverTLS(t *testing.T) {
	ca, err := certs.NewCA("test CA", time.Hour)
	require.NoError(t, err)
	pem, err := ca.Issue("127.0.0.1")
	require.NoError(t, err)
	cert, err := tls.X509KeyPair(pem, pem)
	require.NoError(t, err)
	h := &Hub{MaxClients: 0, Receive: func(context.Context, Client) Receiver { return page{&notebook{}} }, Logf: t.Logf}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, l) }()
	silent, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer silent.Close()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	r, err := client.Get("https://" + l.Addr().String() + zeek.Path)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, r.StatusCode)
	_ = silent.SetReadDeadline(time.Now().Add(enough))
	_, err = io.Copy(io.Discard, silent)
	require.NoError(t, err)
	cancel()
	require.NoError(t, <-done)
}
