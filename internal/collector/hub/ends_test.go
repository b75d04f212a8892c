package hub

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"

	"romanesco/internal/event"
	"romanesco/internal/protocol/zeek"
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

// ending returns the status and the reason with which the hub ends a connection.
func ending(t *testing.T, nc net.Conn) (code ws.StatusCode, reason string) {
	t.Helper()
	for {
		f, err := ws.ReadFrame(nc)
		require.NoError(t, err)
		if f.Header.OpCode == ws.OpClose {
			return ws.ParseCloseFrameData(f.Payload)
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

// TestSlowClientIsCutOff, and told that it can come again.
func TestSlowClientIsCutOff(t *testing.T) {
	h, addr := serve(t, &notebook{})
	slow, sender := rawClient(t, addr, "t"), rawClient(t, addr)
	h.mu.Lock()
	var c *client
	for c = range h.clients {
		if len(c.conn.Subscriptions()) > 0 {
			break
		}
	}
	h.mu.Unlock()
	c.queue.mu.Lock()
	c.queue.bytes = maxWaiting // as if it had not taken that much
	c.queue.mu.Unlock()
	publish(t, sender, "one", 1)
	code, reason := ending(t, slow)
	require.EqualValues(t, 1013, code)
	require.Equal(t, "overloaded: events wait that are not taken as fast as they come", reason)
	require.Eventually(t, func() bool { return h.cut.Load() == 1 }, enough, time.Millisecond)
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
