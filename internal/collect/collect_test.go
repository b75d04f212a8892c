package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"romanesco/internal/catalog"
)

// recordedClient plays what the recorded client sent to a collector.
func collected(t *testing.T, folder string, names ...string) []string {
	t.Helper()
	client, err := os.ReadFile("../../testdata/vectors/" + folder + "/client.bin")
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var out bytes.Buffer
	c := New(&out, catalog.Builtin(), names)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx, l) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Write(client)
	require.NoError(t, err)
	require.NoError(t, nc.(*net.TCPConn).CloseWrite())
	require.Eventually(t, func() bool { _, err := nc.Read(make([]byte, 4096)); return err != nil },
		10*time.Second, time.Millisecond) // the collector closes at the end
	cancel()
	require.NoError(t, <-done)
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

func TestRecordedSSHDSession(t *testing.T) {
	lines := collected(t, "sensor-sshd")
	require.Len(t, lines, 16)
	var first struct {
		Peer, Event string
		Ts          float64
		Args        map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
	require.Equal(t, "sensor_sshd_listen", first.Event)
	require.Contains(t, first.Peer, "127.0.0.1:")
	require.Contains(t, first.Args["server_p"], "/tcp")
	for _, line := range lines {
		require.Contains(t, line, `"args":{"ts":`)
	}
}
