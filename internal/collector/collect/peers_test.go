package collect

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/policy"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

func logger(to io.Writer) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(to, format+"\n", args...) }
}

// messages returns what writes the text of each message as a line.
func messages(to io.Writer) *slog.Logger { return slog.New(sentences{to}) }

type sentences struct{ to io.Writer }

func (s sentences) Enabled(context.Context, slog.Level) bool { return true }
func (s sentences) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s sentences) WithGroup(string) slog.Handler            { return s }

func (s sentences) Handle(_ context.Context, r slog.Record) error {
	_, err := fmt.Fprintln(s.to, r.Message)
	return err
}

// dial connects a peer of ours to the collector.
func (r *running) dial(t testing.TB, cfg peer.Config) *peer.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	return opened(t, nc, cfg)
}

func opened(t testing.TB, nc net.Conn, cfg peer.Config) *peer.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := peer.Open(ctx, nc, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// listen waits for the collector to connect.
func listen(t testing.TB) (*net.TCPListener, netip.AddrPort) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

func accept(t testing.TB, l *net.TCPListener) net.Conn {
	t.Helper()
	require.NoError(t, l.SetDeadline(time.Now().Add(patience)))
	nc, err := l.Accept()
	require.NoError(t, err)
	return nc
}

// numbered is an event with a number in it.
func numbered(name string, n int) *event.Event {
	return &event.Event{Name: name, Time: 1, Args: []event.Value{{Type: event.Count, Bits: uint64(n)}}}
}

func send(t testing.TB, p *peer.Conn, evs ...*event.Event) {
	t.Helper()
	for _, ev := range evs {
		require.NoError(t, p.Send(ev))
	}
	require.NoError(t, p.Flush())
}

// arrived waits until that many lines have been written.
func (r *running) arrived(t testing.TB, n int) []string {
	t.Helper()
	require.Eventually(t, func() bool { return len(r.events.lines()) >= n && r.events.lines()[0] != "" }, patience, time.Millisecond)
	require.Len(t, r.events.lines(), n)
	return r.events.lines()
}

var localhost = netip.MustParseAddr("127.0.0.1")

// TestWhoIsAsked: a destination is its address and its class; who is none may
// connect, is asked for nothing, and is not listened to.
func TestWhoIsAsked(t *testing.T) {
	dest := func(tag, class, text string) Destination {
		return Destination{Destination: policy.Destination{
			Tag: tag, Host: localhost, Class: class, Events: compile(t, text), AcceptInput: true,
		}}
	}
	deaf := dest("deaf", "deaf", "sensor_sshd_exit")
	deaf.AcceptInput = false
	secured := dest("secured", "secured", "sensor_sshd_exit")
	secured.SSL = true
	none := dest("none", "none", "x")
	none.Events = nil
	elsewhere := dest("elsewhere", "elsewhere", ".*")
	elsewhere.Host = netip.MustParseAddr("192.0.2.1")
	c := start(t, Config{Destinations: []Destination{
		dest("plain", "", "sensor_sshd_exec"), dest("a", "a", "sensor_sshd_auth_.*"),
		deaf, secured, none, elsewhere,
	}})
	for class, want := range map[string]string{
		"": "sensor_sshd_exec", "a": "sensor_sshd_auth_ok", "deaf": "sensor_sshd_exit",
		"secured": "", "none": "", "elsewhere": "", "b": "",
	} {
		p := c.dial(t, peer.Config{Class: class})
		all := []*event.Event{}
		for _, name := range []string{"sensor_sshd_exec", "sensor_sshd_auth_ok", "sensor_sshd_exit"} {
			assert.Equal(t, want == name, p.Wants(name), "class %q, %s", class, name)
			all = append(all, numbered(name, 0)) // whether or not it was asked for
		}
		send(t, p, all...)
		require.NoError(t, p.Close())
	}
	require.Eventually(t, func() bool { return c.peers.Load() == 7 && c.gate.Open.Load() == 0 }, patience, time.Millisecond)
	lines := c.events.lines()
	require.Len(t, lines, 2)
	require.Contains(t, strings.Join(lines, "\n"), `"event":"sensor_sshd_exec"`)
	require.Contains(t, strings.Join(lines, "\n"), `"event":"sensor_sshd_auth_ok"`)
	told := strings.Join(c.told.lines(), "\n")
	require.Contains(t, told, `connected as "plain", class "", asked for 1 events`)
	require.Contains(t, told, `class "b", asked for nothing: :0:0 "plain" is of class "", it is of class "b"`)
	require.Contains(t, told, `"secured" has $ssl=T, it has connected in the clear`)
}

// TestConnectsAgain: to a destination that has a retry, with its class.
func TestConnectsAgain(t *testing.T) {
	l, at := listen(t)
	d := Destination{Destination: policy.Destination{
		Tag: "sensor", Host: at.Addr(), Port: at.Port(), Connect: true, Class: "collector", Retry: time.Millisecond,
		Events: compile(t, "sensor_sshd_exec"), AcceptInput: true, Sync: true, Auth: true, CaptureFilter: "tcp", Compression: 5,
	}}
	c := start(t, Config{Destinations: []Destination{d}})
	for n := range 3 {
		var told output
		p := opened(t, accept(t, l), peer.Config{Logf: logger(&told), Decompress: true})
		require.Equal(t, "collector", p.PeerClass())
		require.True(t, p.Wants("sensor_sshd_exec"))
		send(t, p, numbered("sensor_sshd_exec", n))
		c.arrived(t, n+1)
		require.NoError(t, p.Close())
		log := strings.Join(told.lines(), "\n")
		require.Contains(t, log, `capture filter "tcp"`)
		require.Contains(t, log, "phase: sync")
	}
}

// TestConnectsOnce: without a retry. With nothing else to do, that is the end.
func TestConnectsOnce(t *testing.T) {
	l, at := listen(t)
	d := Destination{Destination: policy.Destination{Tag: "sensor", Host: at.Addr(), Port: at.Port(), Connect: true}}
	var told output
	c := New(Config{Destinations: []Destination{d}, Log: discard{}, Messages: messages(&told)})
	done := make(chan error, 1)
	go func() { done <- c.Run(context.Background()) }()
	require.NoError(t, opened(t, accept(t, l), peer.Config{}).Close())
	require.ErrorContains(t, <-done, "no peer is left")
	require.Contains(t, strings.Join(told.lines(), "\n"), "not connecting again")

	require.NoError(t, l.Close())
	require.ErrorContains(t, New(Config{Destinations: []Destination{d}, Log: discard{}}).Run(context.Background()), "no peer is left")
}

func TestSurplusPeersAreTurnedAway(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, ".*"), Limits: Limits{Peers: 2}})
	a, b := c.dial(t, peer.Config{}), c.dial(t, peer.Config{})
	for range 3 {
		nc, err := net.Dial("tcp", c.addr)
		require.NoError(t, err)
		_, err = io.ReadAll(nc)
		require.True(t, err == nil || strings.Contains(err.Error(), "reset"), err)
	}
	require.Equal(t, 1, strings.Count(strings.Join(c.told.lines(), "\n"), "turned away"))
	require.EqualValues(t, 3, c.Held().TurnedAway)
	send(t, b, numbered("sensor_sshd_exec", 1))
	c.arrived(t, 1)
	require.NoError(t, a.Close())
	require.Eventually(t, func() bool {
		nc, err := net.Dial("tcp", c.addr)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		p, err := peer.Open(ctx, nc, peer.Config{})
		if err == nil {
			_ = p.Close()
		}
		return err == nil
	}, patience, time.Millisecond)
}

// rawPeer is one that shakes hands and then writes what it likes.
type rawPeer struct{ nc net.Conn }

func (p *rawPeer) dial(t *testing.T, c *running) {
	t.Helper()
	var err error
	p.nc, err = net.Dial("tcp", c.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.nc.Close() })
	hello := (&wire.Version{Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion}).AppendTo(nil)
	p.write(wire.PhaseDone{}.AppendTo((&wire.Caps{}).AppendTo(hello)))
}

// write does not mind if the other side has had enough.
func (p *rawPeer) write(b []byte) {
	_ = p.nc.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, _ = p.nc.Write(b)
}

// send sends events whether they were asked for or not.
func (p *rawPeer) send(t *testing.T, evs ...*event.Event) {
	t.Helper()
	var b []byte
	for _, ev := range evs {
		var err error
		b, err = new(wire.Encoder).AppendEvent(b, ev)
		require.NoError(t, err)
	}
	p.write(b)
}

// TestEventsDoNotWaitForOthers: what stands behind an event, and is none, keeps
// nobody from reading it.
func TestEventsDoNotWaitForOthers(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, ".*")})
	var p rawPeer
	p.dial(t, c)
	b, err := new(wire.Encoder).AppendEvent(nil, numbered("sensor_sshd_exec", 1))
	require.NoError(t, err)
	b = wire.AppendMessage(b, wire.MsgSerial, []byte{'t', 1, 2, 3}) // a timer
	b = wire.AppendMessage(b, wire.MsgStats, []byte("what"))
	p.write(b)
	c.arrived(t, 1)
}

// TestNonsenseEndsAConnection, if it does not end itself.
func TestNonsenseEndsAConnection(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, ".*")})
	var p rawPeer
	p.dial(t, c)
	nonsense := wire.AppendMessage(nil, wire.MsgSerial, []byte{wire.SerialEvent, 1})
	good, err := new(wire.Encoder).AppendEvent(nil, numbered("sensor_sshd_exec", 1))
	require.NoError(t, err)
	p.write(bytes.Repeat(nonsense, 900))
	p.write(good)
	p.write(bytes.Repeat(nonsense, 900))
	p.write(good)
	c.arrived(t, 2)
	p.write(bytes.Repeat(nonsense, 1100))
	require.Eventually(t, func() bool {
		return strings.Contains(strings.Join(c.told.lines(), "\n"), "1001 payloads one after another make no sense")
	}, patience, time.Millisecond)
}
