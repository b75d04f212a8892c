package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// TestRun: each measurement, with what was built, as a table.
func TestRun(t *testing.T) {
	build := os.Getenv("ROMANESCO_BUILD")
	if build == "" {
		t.Skip("ROMANESCO_BUILD does not say where the built library is: use make test")
	}
	var out bytes.Buffer
	require.NoError(t, run(options{build: build, rounds: 1, events: 2000, stall: 50 * time.Millisecond}, &out))
	all := append(besideReference(options{}, &setup{}), besideBro(options{}, &setup{})...)
	tables := strings.Split(strings.TrimSpace(out.String()), "\n\n")
	require.Len(t, tables, len(all))
	for i, m := range all {
		require.Contains(t, tables[i], m.name+" ")
		require.Greater(t, strings.Count(tables[i], "\n"), 1, tables[i])
	}
}

// connect returns a client of what serve serves, and what that returns.
func connect(t *testing.T, serve func(net.Conn) error) (*websocket.Conn, <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	served := make(chan error, 1)
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	peer, err := l.Accept()
	require.NoError(t, err)
	go func() {
		served <- serve(peer)
		_ = peer.Close()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	c, err := websocket.Open(ctx, nc, websocket.Config{Host: "h", Topic: "t", Subscribe: []string{"down"}, Requests: []string{"bench"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, served
}

// TestZeekSinkCounts: too few, too many, and others than those of the program,
// are told.
func TestZeekSinkCounts(t *testing.T) {
	for name, c := range map[string]struct {
		version, event string
		send           int
		says           string
	}{
		"all":      {zeek8, "bench", 1500, ""},
		"padded":   {broker2, "bench", 1500, ""},
		"too few":  {zeek8, "bench", 1499, "1499 events have come instead of 1500"},
		"too many": {zeek8, "bench", 1501, "1501 events have come instead of 1500"},
		"others":   {zeek8, "other", 1500, "not ours"},
	} {
		t.Run(name, func(t *testing.T) {
			client, served := connect(t, zeekSink(c.version, 1500))
			go func() { _ = client.Next(&event.Event{}) }() // who reads hears the pongs
			ev := sevenArguments()
			ev.Name = c.event
			for range c.send {
				if client.Send(ev) != nil {
					break // the sink is gone already
				}
			}
			_ = client.Flush()
			_ = client.Close()
			if err := <-served; c.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.says)
			}
		})
	}
}

// TestZeekSource: all arrive, as the program is to get them.
func TestZeekSource(t *testing.T) {
	const n = 300
	client, served := connect(t, zeekSource(n))
	var ev event.Event
	for range n {
		require.NoError(t, client.Next(&ev))
		require.Equal(t, sevenArguments().Args, ev.Args)
		require.Equal(t, "down", client.Topic())
	}
	require.NoError(t, client.Close())
	require.NoError(t, <-served)
}

// TestTable: medians, spread and ratio.
func TestTable(t *testing.T) {
	tab := table{name: "what", columns: [2]column{{name: "a"}, {name: "b"}}}
	for _, s := range []string{"ns 90\n", "ns 100\n", "ns 110\n"} {
		require.NoError(t, tab.note(0, []byte(s)))
		require.NoError(t, tab.note(1, []byte("ns 50\n")))
	}
	require.ErrorContains(t, tab.note(0, []byte("Segmentation fault\n")), "line")
	var out bytes.Buffer
	tab.print(&out)
	require.Equal(t, []string{"what", "a", "±", "b", "±", "ratio", "ns", "100", "10%", "50", "0%", "0.500"}, strings.Fields(out.String()))
}
