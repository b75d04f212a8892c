package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// startZeek runs the collector with a port for WebSocket clients.
func startZeek(t *testing.T, args ...string) (c *collector, clients string) {
	t.Helper()
	args = append([]string{"-listen", "127.0.0.1:0", "-format", "json", "-zeek-listen", "127.0.0.1:0"}, args...)
	c = launch(t, exec.Command(program, args...))
	for line := range strings.Lines(c.passed) {
		if _, addr, ok := strings.Cut(strings.TrimSpace(line), "WebSocket clients are served at "); ok {
			return c, addr
		}
	}
	t.Fatal("it does not say where WebSocket clients are served")
	return nil, ""
}

func webSocketClient(t *testing.T, addr, topic string, subscribe ...string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	require.NoError(t, err)
	w, err := websocket.Open(ctx, nc, websocket.Config{Host: addr, Topic: topic, Subscribe: subscribe, All: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// TestWebSocketClients: what they send becomes lines, and goes to others; what
// sensors send goes to them.
func TestWebSocketClients(t *testing.T) {
	c, addr := startZeek(t)
	one, two := webSocketClient(t, addr, "site/one"), webSocketClient(t, addr, "site/two", "site/", "broccoli/")
	require.NoError(t, one.Send(numbered("exec", 1)))
	require.NoError(t, one.Flush())
	var ev event.Event
	require.NoError(t, two.Next(&ev))
	require.Equal(t, "site/one sensor_sshd_exec", two.Topic()+" "+ev.Name)

	p, _ := sensor(t, c.addr, nil)
	require.NoError(t, p.Send(numbered("data_rx", 2)))
	require.NoError(t, p.Flush())
	require.NoError(t, two.Next(&ev))
	require.Equal(t, "broccoli/from-clients sensor_sshd_data_rx", two.Topic()+" "+ev.Name)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Contains(t, said, "1 events from 2 WebSocket clients")
	require.Contains(t, c.output.String(), `"event":"sensor_sshd_exec","args":{"ts":0.000000,`)
	require.Contains(t, c.output.String(), `"event":"sensor_sshd_data_rx"`)
}

// TestWebSocketClientsAlone: who listens for them and for no other peer serves
// them until it is told to end.
func TestWebSocketClientsAlone(t *testing.T) {
	cmd := exec.Command(program, "-listen", "", "-zeek-listen", "127.0.0.1:0", "-format", "json")
	c := launchSaying(t, cmd, `WebSocket clients are served at (\S+)`)
	w := webSocketClient(t, c.addr, "t")
	require.NoError(t, w.Send(numbered("exec", 1)))
	ended := make(chan error, 1)
	go func() { ended <- w.Next(&event.Event{}) }()
	require.NoError(t, w.Finish())
	require.NoError(t, w.Close())
	require.Error(t, <-ended)
	_ = webSocketClient(t, c.addr, "t") // there is still somebody
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Contains(t, said, "1 events from 2 WebSocket clients")
	require.Contains(t, c.output.String(), `"event":"sensor_sshd_exec"`)
}

// TestForwardsToZeek: all that comes goes to a Zeek too, whoever sent it; what
// waits at the end is still sent.
func TestForwardsToZeek(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, addr := startZeek(t, "-zeek-forward", "ws://"+l.Addr().String(), "-zeek-topic", "site/all", "-zeek-exact-time")
	nc, err := l.Accept()
	require.NoError(t, err)
	zeek, err := websocket.Accept(t.Context(), nc, websocket.Config{All: true, ExactTime: true, Version: "8.0.0"})
	require.NoError(t, err)
	defer zeek.Close()
	client := webSocketClient(t, addr, "x")
	require.NoError(t, client.Send(numbered("exec", 1)))
	require.NoError(t, client.Flush())
	var ev event.Event
	require.NoError(t, zeek.Next(&ev))
	require.Equal(t, "site/all sensor_sshd_exec", zeek.Topic()+" "+ev.Name)
	require.Len(t, ev.Args, 5)

	p, _ := sensor(t, c.addr, nil)
	require.NoError(t, p.Send(numbered("data_tx", 2)))
	require.NoError(t, p.Flush())
	require.NoError(t, zeek.Next(&ev))
	require.Equal(t, "sensor_sshd_data_tx", ev.Name)
	ended := make(chan error, 1)
	go func() { ended <- zeek.Next(&event.Event{}) }()
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Contains(t, said, "2 events forwarded to Zeek, 0 not confirmed at the end, 0 lost for want of room, 0 refused")
	require.Error(t, <-ended)
}

// TestForwardsToNoZeek: what waits for a Zeek that is never there is not forwarded.
func TestForwardsToNoZeek(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	c, addr := startZeek(t, "-zeek-forward", "ws://"+l.Addr().String())
	client := webSocketClient(t, addr, "x", "x")
	other := webSocketClient(t, addr, "x")
	go func() { _ = other.Next(&event.Event{}) }() // pongs, without which it sends little
	for i := range 100 {
		require.NoError(t, other.Send(numbered("exec", i)))
	}
	require.NoError(t, other.Flush())
	for range 100 {
		require.NoError(t, client.Next(&event.Event{}))
	}
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Contains(t, said, "0 events forwarded to Zeek, 100 not confirmed at the end, 0 lost for want of room, 0 refused")
}

// TestZeekOptionsThatAreWrong: the reason is said, and nothing is started.
func TestZeekOptionsThatAreWrong(t *testing.T) {
	for says, args := range map[string][]string{
		"not of the form ws://host:port": {"-zeek-forward", "127.0.0.1:9997"},
		"ca_cert: not given":             {"-zeek-forward", "wss://127.0.0.1:9997"},
		"-zeek-tls-listen: TLS":          {"-zeek-tls-listen", "127.0.0.1:0"},
		"types of Zeek":                  {"-zeek-types", filepath.Join(t.TempDir(), "none"), "-zeek-listen", "127.0.0.1:0"},
		"tzdata":                         {"-zeek-forward", "ws://127.0.0.1:9997", "-zeek-time-zone", "Nowhere/None"},
		"for WebSocket clients":          {"-zeek-listen", "256.0.0.1:0"},
	} {
		out, err := exec.Command(program, append([]string{"-listen", "127.0.0.1:0"}, args...)...).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), says)
	}
}

// TestEnumsAreCalledTheSame, whether a Bro has sent the number or a Zeek the name.
func TestEnumsAreCalledTheSame(t *testing.T) {
	types := filepath.Join(t.TempDir(), "types.zeek")
	require.NoError(t, os.WriteFile(types, []byte("module Site;\nexport { type Colour: enum { RED, GREEN }; }\n"), 0o600))
	dir := t.TempDir()
	c, addr := startZeek(t, "-zeek-types", types, "-log-dir", dir, "-log-files", "one")
	w := webSocketClient(t, addr, "site/one")
	ev := numbered("exec", 1)
	ev.Args[3] = event.Value{Type: event.Enum, Bytes: []byte("Site::GREEN")}
	require.NoError(t, w.Send(ev))
	require.NoError(t, w.Flush())
	require.NoError(t, w.Close())
	p, _ := sensor(t, c.addr, nil)
	ev.Args[3] = event.Value{Type: event.Enum, TypeName: "Site::Colour", Bits: 1}
	require.NoError(t, p.Send(ev))
	require.NoError(t, p.Flush())
	require.NoError(t, p.Close())
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(dir + "/events.log")
		return strings.Count(string(b), `"chan_id":"Site::GREEN"`) == 2
	}, deadline, 10*time.Millisecond)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}

// TestZeekRefusesOneEvent: it is in a file of the folder, and those behind it go on.
func TestZeekRefusesOneEvent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dir := t.TempDir()
	_, addr := startZeek(t, "-zeek-forward", "ws://"+l.Addr().String(), "-log-dir", dir)
	arrived := make(chan uint64, 100)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				zeek, err := websocket.Accept(t.Context(), nc, websocket.Config{All: true, Version: "8.0.0"})
				for ev := new(event.Event); err == nil; {
					if err = zeek.Next(ev); err != nil {
						return
					}
					if ev.Name == "sensor_sshd_exec" {
						_, _ = nc.Write([]byte{0x88, 2, 1007 >> 8, 1007 & 0xff})
						return
					}
					arrived <- ev.Args[2].Bits
				}
			}()
		}
	}()
	client := webSocketClient(t, addr, "x")
	for i, name := range []string{"data_rx", "exec", "data_tx"} {
		require.NoError(t, client.Send(numbered(name, i)))
	}
	require.NoError(t, client.Flush())
	for want := uint64(2); ; {
		select {
		case n := <-arrived:
			if n != want {
				continue
			}
		case <-time.After(time.Minute):
			t.Fatal("one event stops the others")
		}
		break
	}
	b, err := os.ReadFile(filepath.Join(dir, "refused.json"))
	require.NoError(t, err)
	require.Contains(t, string(b), `"event":"sensor_sshd_exec"`)
	require.Contains(t, string(b), "code 1007")
}
