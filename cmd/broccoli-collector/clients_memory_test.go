package main

import (
	"bytes"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// messageOf is an event whose one argument is this JSON.
func messageOf(data []byte) []byte {
	b := []byte(`{"type":"data-message","topic":"t","@data-type":"vector","data":[{"@data-type":"count","data":1},{"@data-type":"count","data":1},` +
		`{"@data-type":"vector","data":[{"@data-type":"string","data":"sensor_sshd_exec"},{"@data-type":"vector","data":[`)
	return append(append(b, data...), "]}]}]}"...)
}

func vectorOf(n int) []byte {
	const one = `{"@data-type":"count","data":1234567},`
	b := bytes.Repeat([]byte(one), n)
	return append(append([]byte(`{"@data-type":"vector","data":[`), b[:len(b)-1]...), "]}"...)
}

func stringOf(text string, n int) []byte {
	b := append([]byte(`{"@data-type":"string","data":"`), bytes.Repeat([]byte(text), n)...)
	return append(b, `"}`...)
}

// nested has its type behind its data, so that the data is looked at twice: at each
// level.
func nested(data []byte, levels int) []byte {
	var b []byte
	b = append(b, bytes.Repeat([]byte(`{"data":[`), levels)...)
	b = append(b, data...)
	return append(b, bytes.Repeat([]byte(`],"@data-type":"vector"}`), levels)...)
}

// TestMemoryOfWebSocketClients: -max-memory is for them and for peers together.
func TestMemoryOfWebSocketClients(t *testing.T) {
	const clients = 32
	c, addr := startZeek(t, "-max-memory", "64M", "-log-dir", t.TempDir())
	for range 4 { // that ask for all of it, and read nothing
		subscribed(t, addr, "t")
	}
	var messages [][]byte
	for _, data := range [][]byte{
		vectorOf(250_000), stringOf("x", 9_700_000), stringOf(`\n`, 4_850_000), stringOf("\x01", 2_000_000), vectorOf(50_000),
		nested(stringOf(`\n`, 4_850_000), 50),
	} {
		messages = append(messages, ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(messageOf(data)))))
	}
	var wg sync.WaitGroup
	for i := range clients {
		nc := subscribed(t, addr)
		wg.Go(func() {
			go func() { _, _ = io.Copy(io.Discard, nc) }()
			for j := range messages {
				if _, err := nc.Write(messages[(i+j)%len(messages)]); err != nil {
					return
				}
			}
		})
	}
	honest, reader := subscribed(t, addr), subscribed(t, addr, "honest")
	for range 20 {
		b, err := zeek.NewEncoder("honest", zeek.Current).AppendEvent(nil, numbered("exec", 1))
		require.NoError(t, err)
		require.NoError(t, wsutil.WriteClientText(honest, b))
		b, _, err = wsutil.ReadServerData(reader)
		require.NoError(t, err)
		require.Contains(t, string(b), `"topic":"honest"`)
	}
	wg.Wait()
	p, _ := sensor(t, c.addr, nil)
	require.NoError(t, p.Send(numbered("exec", 1)))
	require.NoError(t, p.Flush())
	time.Sleep(time.Second)
	high := c.highWater(t)
	t.Logf("%d MiB were resident", high>>20)
	require.Less(t, high, int64(64<<20+32<<20+256*128<<10))
	_, said := c.end(t, syscall.SIGTERM)
	require.Contains(t, said, "overloaded: ")
}

// TestMessagesThatWebSocketClientsBegin, and do not end, are memory of all.
func TestMessagesThatWebSocketClientsBegin(t *testing.T) {
	c, addr := startZeek(t, "-max-memory", "64M")
	var all []net.Conn
	for range 32 {
		nc := subscribed(t, addr)
		all = append(all, nc)
		require.NoError(t, ws.WriteHeader(nc, ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Length: 9_700_000}))
		_, _ = nc.Write(make([]byte, 9_600_000))
	}
	away := 0
	for _, nc := range all {
		require.NoError(t, nc.SetReadDeadline(time.Now().Add(time.Second)))
		if op, payload, err := readFrame(nc); err == nil && op == ws.OpClose {
			code, _ := ws.ParseCloseFrameData(payload)
			require.EqualValues(t, 1013, code)
			away++
		}
	}
	require.Greater(t, away, 20)
	high := c.highWater(t)
	t.Logf("%d MiB were resident", high>>20)
	require.Less(t, high, int64(64<<20+32<<20+256*128<<10))
	w := webSocketClient(t, addr, "t")
	require.NoError(t, w.Send(&event.Event{Name: "sensor_sshd_exec"}))
	require.NoError(t, w.Close())
}
