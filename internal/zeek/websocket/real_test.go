package websocket

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"romanesco/internal/event"
	"romanesco/internal/zeek"
)

// TestRealZeekRecorded: the Zeek that ROMANESCO_ZEEK names makes of every kind of
// value what is recorded, and of a long text what it was. It has to be one since 8.0
// which has loaded internal/hosttest/testdata/real.zeek.
func TestRealZeekRecorded(t *testing.T) {
	addr := os.Getenv("ROMANESCO_ZEEK")
	if addr == "" {
		t.Skip("needs a real Zeek: ROMANESCO_ZEEK=host:port")
	}
	open := func(cfg Config) *Conn {
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		cfg.Host, cfg.All, cfg.Logf = addr, true, t.Logf
		c, err := Open(patience(t), nc, cfg)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	const topic = "romanesco/recorded"
	to, from := open(Config{Topic: topic}), open(Config{Subscribe: []string{topic}})
	if to.dialect != zeek.Current {
		t.Skip("needs Zeek 8.0 or later")
	}
	f, err := os.Open("../testdata/zeek-8.2.2.jsonl")
	require.NoError(t, err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r struct{ Sent, Received string }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		require.NoError(t, to.SendMessage(bytesAsRecorded(r.Sent)))
		require.NoError(t, to.Flush())
		receive(t, from)
		require.Equal(t, string(bytesAsRecorded(r.Received)), string(from.Message()))
	}
	for _, long := range [][]byte{bytes.Repeat([]byte("\xff\x00\\u"), 1<<18), bytes.Repeat([]byte("x"), 1<<20)} {
		args := []event.Value{{Type: event.Count, Bits: 1}, {Type: event.String, Bytes: long}}
		send(t, to, &event.Event{Name: "recorded", Args: args})
		got := receive(t, from).Args
		require.True(t, len(got) == 2 && bytes.Equal(long, got[1].Bytes))
	}
}

// bytesAsRecorded undoes the picture of the bytes that a recording has.
func bytesAsRecorded(s string) (b []byte) {
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}
