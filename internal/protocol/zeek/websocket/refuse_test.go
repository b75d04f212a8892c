package websocket

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// toServer returns a client's stream to a server that f is.
func toServer(t *testing.T, f func(nc net.Conn)) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	server, err := l.Accept()
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(server)
		_ = server.Close()
	}()
	t.Cleanup(func() {
		_ = nc.Close()
		<-done
	})
	return nc
}

// TestTurnedAway: the answer is not overtaken by a reset, though we have not read the
// whole of the request.
func TestTurnedAway(t *testing.T) {
	nc := toServer(t, func(nc net.Conn) { TurnAway(nc, time.Minute) })
	_, err := io.WriteString(nc, "GET /v1/messages/json HTTP/1.1\r\nX-Long: "+strings.Repeat("x", 16<<10)+"\r\n")
	require.NoError(t, err)
	b := make([]byte, 4096)
	n, err := nc.Read(b)
	require.NoError(t, err)
	require.Contains(t, string(b[:n]), "HTTP/1.1 503 Service Unavailable\r\n")
	require.Contains(t, string(b[:n]), "Retry-After: 60\r\n")
	_, err = io.WriteString(nc, "Host: here\r\n\r\n")
	require.NoError(t, err)
	_, err = io.ReadAll(nc)
	require.NoError(t, err)
}

// TestSilentOneIsTurnedAway in a bounded time.
func TestSilentOneIsTurnedAway(t *testing.T) {
	nc := toServer(t, func(nc net.Conn) { TurnAway(nc, time.Minute) })
	require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
	_, err := io.ReadAll(nc)
	require.NoError(t, err)
}
