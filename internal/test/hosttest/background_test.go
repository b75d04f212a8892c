package hosttest

import (
	"bufio"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// TestBackground: with BRO_CFLAG_BACKGROUND neither the connect nor the first
// use in a child waits for the peer, which here says nothing before both have
// gone on; what was sent meanwhile arrives.
func TestBackground(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	cmd := host(t, "background", l.Addr().String())
	told := telling(t, cmd)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for range 2 { // parent and child
		require.True(t, lines.Scan())
		require.Equal(t, "0 0", lines.Text())
	}

	names := map[string]int{}
	for range 2 {
		require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Second)))
		nc, err := l.Accept()
		require.NoError(t, err)
		p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"parent", "child"}})
		require.NoError(t, err)
		var ev event.Event
		for p.Next(&ev) == nil {
			names[ev.Name]++
		}
		_ = p.Close()
	}
	require.Equal(t, map[string]int{"parent": 1, "child": 1}, names)
	require.NoError(t, cmd.Wait())
	require.NotContains(t, told.String(), "cannot connect")
}
