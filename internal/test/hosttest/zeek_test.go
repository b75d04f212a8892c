package hosttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
	"github.com/romanesco-broccoli/romanesco/internal/test/zeektest"
)

// zeekServer is a Zeek to one client.
func zeekServer(t *testing.T, cfg websocket.Config, f func(*websocket.Conn) error) (string, chan error) {
	t.Helper()
	cfg.All = true
	return accept(t, func(nc net.Conn) error {
		c, err := zeekAccept(t, nc, cfg)
		if err != nil {
			return err
		}
		defer c.Close()
		return f(c)
	})
}

func zeekAccept(t *testing.T, nc net.Conn, cfg websocket.Config) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return websocket.Accept(ctx, nc, cfg)
}

func drainZeek(c *websocket.Conn) error {
	var ev event.Event
	err := error(nil)
	for err == nil {
		err = c.Next(&ev)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// TestZeekValuesComeBack sends every kind of value to a program in C, which
// sends it back by value and in raw form.
func TestZeekValuesComeBack(t *testing.T) {
	declarations := filepath.Join(t.TempDir(), "site.zeek")
	require.NoError(t, os.WriteFile(declarations, []byte(zeektest.Declarations), 0o600))
	types, err := zeek.LoadTypes(declarations)
	require.NoError(t, err)
	args := zeekValues()
	addr, done := zeekServer(t, websocket.Config{Topic: "broccoli/to-clients", Types: types, ExactTime: true}, func(c *websocket.Conn) error {
		if s := c.Subscriptions(); len(s) != 1 || s[0] != "broccoli/to-clients" {
			return fmt.Errorf("subscribed to %q", s)
		}
		for _, name := range []string{"dropped", "echo"} {
			if err := c.Send(&event.Event{Name: name, Args: args}); err != nil {
				return err
			}
		}
		if err := c.Flush(); err != nil {
			return err
		}
		for _, name := range []string{"echoed", "echo"} {
			var got event.Event
			if err := c.Next(&got); err != nil {
				return err
			}
			if got.Name != name || c.Topic() != "broccoli/from-clients" {
				return fmt.Errorf("got %s on %s instead of %s", got.Name, c.Topic(), name)
			}
			for i := range got.Args {
				got.Args[i] = withoutNames(got.Args[i])
			}
			if a, b := fmt.Sprintf("%+v", args), fmt.Sprintf("%+v", got.Args); a != b {
				return fmt.Errorf("%s:\nsent %s\ngot  %s", name, a, b)
			}
		}
		return nil
	})
	conf := "/broccoli/zeek_exact_time yes\n/broccoli/zeek_types " + declarations + "\n"
	_, _ = secureHost(t, conf, "echo", "ws://"+addr)
	require.NoError(t, <-done)
}

// zeekValues are those that come through a Zeek as they were.
func zeekValues() []event.Value {
	args := everyValue()
	for i := range args {
		args[i] = withoutNames(args[i]) // the name of a record is not C's to keep
		if args[i].Type == event.Subnet {
			args[i].Addr[15] = 0 // what is not of the network is cut off
		}
		if bytes.IndexByte(args[i].Bytes, 0) >= 0 {
			args[i].Bytes = []byte("back\\slash \"quote\"\x01\r\n\t\b\f \x7f é \xff\xfe \\\\n \\") // a NUL does not
		}
	}
	return args
}

// withoutNames is a copy without the names of types.
func withoutNames(v event.Value) event.Value {
	v.TypeName, v.Bytes = "", bytes.Clone(v.Bytes)
	v.Elems = append([]event.Value(nil), v.Elems...)
	for i := range v.Elems {
		v.Elems[i] = withoutNames(v.Elems[i])
	}
	return v
}

// TestZeekSettings: nothing in the program changes; the configuration maps its
// peer to a Zeek.
func TestZeekSettings(t *testing.T) {
	addr, done := zeekServer(t, websocket.Config{}, func(c *websocket.Conn) error {
		if s := fmt.Sprint(c.Subscriptions()); s != "[zeek/one zeek/two]" {
			return fmt.Errorf("subscribed to %s", s)
		}
		var ev event.Event
		if err := c.Next(&ev); err != nil {
			return err
		}
		if c.Topic() != "site/topic" || ev.Name != "queued" {
			return fmt.Errorf("%s on %s", ev.Name, c.Topic())
		}
		return drainZeek(c)
	})
	out, _ := secureHost(t, "/broccoli/transport zeek-websocket\n/broccoli/zeek_peer "+addr+
		"\n/broccoli/zeek_topic site/topic\n/broccoli/zeek_subscribe \"zeek/one zeek/two\"\n",
		"queue", "bro.example.invalid:47757")
	require.Equal(t, "1 1 1\n", out)
	require.NoError(t, <-done)
}

// TestZeekBefore80 has times in its own zone: with it in the settings they are right
// both ways, and without the log says so at once.
func TestZeekBefore80(t *testing.T) {
	for conf, want := range map[string]string{
		"/broccoli/zeek_time_zone Etc/GMT+5\n": "2005-09-13T16:05:47.250", "": "2005-09-13T21:05:47.250",
	} {
		addr, done := zeekServer(t, websocket.Config{Topic: "broccoli/to-clients", Version: "7.2.0"}, func(c *websocket.Conn) error {
			message := `{"type":"data-message","topic":"broccoli/to-clients","@data-type":"vector","data":[` +
				`{"@data-type":"count","data":1},{"@data-type":"count","data":1},{"@data-type":"vector","data":[` +
				`{"@data-type":"string","data":"echo"},{"@data-type":"vector","data":[{"@data-type":"timestamp","data":"` + want + `"}]}]}]}`
			if err := c.SendMessage([]byte(message)); err != nil {
				return err
			}
			if err := c.Flush(); err != nil {
				return err
			}
			for range 2 {
				var got event.Event
				if err := c.Next(&got); err != nil {
					return err
				}
				if !strings.Contains(string(c.Message()), want) {
					return fmt.Errorf("sent %s, got %s", want, c.Message())
				}
			}
			return nil
		})
		_, told := secureHost(t, conf, "echo", "ws://"+addr)
		require.NoError(t, <-done)
		require.Equal(t, conf == "", strings.Contains(told, "in its own time zone"), told)
	}
}

// TestZeekIsToldTheProgram: which of the machine's programs a client is.
func TestZeekIsToldTheProgram(t *testing.T) {
	var request []byte
	addr, done := accept(t, func(nc net.Conn) error {
		b := make([]byte, 4096)
		n, err := nc.Read(b)
		request = b[:n]
		return err
	})
	_, _ = secureHost(t, "", "connect", "ws://"+addr)
	require.NoError(t, <-done)
	require.Regexp(t, `X-Application-Name: [a-z]+:Romanesco/[0-9.]+\r\n`, string(request))
}

// TestZeekRefuses: each failure to connect says why.
func TestZeekRefuses(t *testing.T) {
	n := newNetwork(t)
	clear, _ := zeekServer(t, websocket.Config{}, drainZeek)
	bro, _ := accept(t, func(nc net.Conn) error { _, err := io.Copy(io.Discard, nc); return err })
	web, _ := accept(t, func(nc net.Conn) error {
		_, _ = nc.Read(make([]byte, 1))
		_, err := io.WriteString(nc, "HTTP/1.1 404 Not Found\r\n\r\n")
		return err
	})
	closes := func() string {
		addr, _ := accept(t, func(nc net.Conn) error { return nc.Close() })
		return addr
	}
	secured := "/broccoli/ca_cert " + n.ca + "\n/broccoli/host_cert " + n.host + "\n"
	for name, c := range map[string]struct{ conf, peer, reason string }{
		"transport":     {"/broccoli/transport pigeon\n", clear, "neither bro nor zeek-websocket"},
		"TLS is wanted": {secured, "ws://" + clear, "in the clear"},
		"no CA":         {"", "wss://" + clear, "ca_cert: not given"},
		"TLS to clear":  {secured, "wss://" + clear, "TLS"},
		"no Zeek":       {"", "ws://" + web, "status 404"},
		"silent":        {"", "ws://" + bro, "no answer in time"},
		"types":         {"/broccoli/zeek_types /nowhere/site.zeek\n", "ws://" + clear, "/nowhere/site.zeek"},
		"full":          {"", "ws://" + closes(), "a Zeek takes 100 clients"},
		"full, TLS":     {secured, "wss://" + closes(), "a Zeek takes 100 clients"},
		"zone":          {"/broccoli/zeek_time_zone Nowhere/None\n", "ws://" + clear, "tzdata"},
		"confirm":       {"/broccoli/zeek_confirm perhaps\n", clear, "neither auto, nor script, nor ping"},
		"path":          {"", "ws://" + clear + "/v2", "v2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, told := secureHost(t, c.conf, "connect", c.peer)
			require.Contains(t, out, "FALSE")
			require.Contains(t, told, c.reason)
		})
	}
}

// TestZeekRefusedValues: FALSE, with the reason, for what Zeek has no counterpart of.
func TestZeekRefusedValues(t *testing.T) {
	addr, done := zeekServer(t, websocket.Config{}, func(c *websocket.Conn) error {
		var ev event.Event
		if err := c.Next(&ev); err != nil || ev.Name != "fine" {
			return fmt.Errorf("%s, %w", ev.Name, err)
		}
		return drainZeek(c)
	})
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, []byte("/broccoli/debug_messages yes\n"), 0o600))
	cmd := run(t, "refused", "ws://"+addr)
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "real 0\ntime 0\ninterval 0\nenum 0\nfine 1\n", string(out))
	for _, reason := range []string{"beyond what it reads", "after 2262", "292 years", "zeek_types"} {
		require.Contains(t, told.String(), reason)
	}
	require.NoError(t, <-done)
}

// TestZeekTLS: wss:// shows our certificate where there is one, and does
// without where the server asks for none; it checks the server's in any case.
func TestZeekTLS(t *testing.T) {
	n, other := newNetwork(t), newNetwork(t)
	for name, c := range map[string]struct {
		conf   string
		auth   tls.ClientAuthType
		reason string // of a failure
	}{
		"both":         {"/broccoli/ca_cert " + n.ca + "\n/broccoli/host_cert " + n.host + "\n", tls.RequireAnyClientCert, ""},
		"server alone": {"/broccoli/ca_cert " + n.ca + "\n", tls.NoClientCert, ""},
		"no name":      {"/broccoli/ca_cert " + n.ca + "\n", tls.RequireAnyClientCert, "handshake"},
		"another CA":   {"/broccoli/ca_cert " + other.ca + "\n", tls.NoClientCert, "not one of ca_cert"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := secure.Settings{CACert: n.ca, HostCert: n.host}.Config()
			require.NoError(t, err)
			cfg.ClientAuth = c.auth
			if c.auth == tls.NoClientCert {
				cfg.VerifyConnection = nil
			}
			addr, done := accept(t, func(nc net.Conn) error {
				p, err := zeekAccept(t, tls.Server(nc, cfg), websocket.Config{All: true})
				if err != nil {
					return err
				}
				defer p.Close()
				var ev event.Event
				if err := p.Next(&ev); err != nil || len(ev.Args[1].Bytes) != 2<<20 {
					return fmt.Errorf("event %s: %w", ev.Name, err)
				}
				return drainZeek(p)
			})
			if c.reason != "" {
				out, told := secureHost(t, c.conf, "connect", "wss://"+addr+"/")
				require.Contains(t, out, "FALSE")
				require.Contains(t, told, c.reason)
				return
			}
			out, _ := secureHost(t, c.conf, "flood", "wss://"+addr+zeek.Path, "20", "2097152")
			require.Contains(t, out, "sent 20")
			require.NoError(t, <-done)
		})
	}
}

// TestZeekStalls: while Zeek reads nothing, sending goes on until the queue is
// full, and every event that was accepted arrives in the end.
func TestZeekStalls(t *testing.T) {
	const n, size = 20_000, 1000
	addr, done := zeekServer(t, websocket.Config{}, func(c *websocket.Conn) error {
		time.Sleep(500 * time.Millisecond)
		var ev event.Event
		for i := range uint64(n) {
			if err := c.Next(&ev); err != nil {
				return err
			}
			if ev.Args[0].Bits != i || len(ev.Args[1].Bytes) != size {
				return fmt.Errorf("event %d has number %d", i, ev.Args[0].Bits)
			}
		}
		return drainZeek(c)
	})
	out, err := host(t, "flood", "ws://"+addr, strconv.Itoa(n), strconv.Itoa(size)).Output()
	require.NoError(t, err)
	t.Logf("%s", bytes.TrimSpace(out))
	require.NoError(t, <-done)
}

// TestZeekConfirmed: with /broccoli/confirm, a Zeek that is lost again and again
// gets every event that was accepted.
func TestZeekConfirmed(t *testing.T) {
	const n = 500
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var seen [n]atomic.Int32
	var connections atomic.Int32
	go func() {
		for ; ; connections.Add(1) {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c, err := zeekAccept(t, nc, websocket.Config{All: true})
			if err != nil {
				continue
			}
			var ev event.Event
			for got := 0; got < 40+7*int(connections.Load()) && c.Next(&ev) == nil; got++ {
				seen[ev.Args[0].Bits].Add(1)
			}
			_ = nc.(*net.TCPConn).SetLinger(0) // a reset: what is under way is gone
			_ = nc.Close()
		}
	}()
	_, told := secureHost(t, "/broccoli/confirm yes\n", "steady", "ws://"+l.Addr().String(), "500")
	for i := range seen {
		require.NotZero(t, seen[i].Load(), "event %d; host says %s", i, told)
	}
	require.Greater(t, connections.Load(), int32(3))
}

// TestZeekGoes: as with a Bro, the descriptor goes with the connection.
func TestZeekGoes(t *testing.T) {
	addr, done := zeekServer(t, websocket.Config{}, func(c *websocket.Conn) error { return c.Close() })
	out, err := host(t, "careless", "ws://"+addr).Output()
	require.NoError(t, err)
	require.Equal(t, "1 -1\n", string(out))
	require.NoError(t, <-done)
}

// TestZeekSensor: the sensor of the examples, which knows nothing of Zeek,
// delivers its sixteen events.
func TestZeekSensor(t *testing.T) {
	var got []string
	addr, done := zeekServer(t, websocket.Config{ExactTime: true}, func(c *websocket.Conn) error {
		var ev event.Event
		for {
			switch err := c.Next(&ev); err {
			case nil:
			case io.EOF:
				return nil
			default:
				return err
			}
			got = append(got, ev.Name)
			if len(ev.Args) < 2 || ev.Args[0].Type != event.Time || math.Abs(ev.Args[0].Float()-float64(time.Now().Unix())) > 3600 {
				return fmt.Errorf("%s %+v", ev.Name, ev.Args)
			}
		}
	})
	sensor := build + "/examples/sensor_sshd"
	if _, err := os.Stat(sensor); build == "" || err != nil {
		t.Skip("needs the built examples: run \"make test\"")
	}
	cmd := host(t, "connect", addr)
	cmd.Path, cmd.Args = sensor, []string{sensor, "ws://" + addr}
	require.NoError(t, cmd.Run())
	require.NoError(t, <-done)
	require.Len(t, got, 16)
	require.True(t, strings.HasPrefix(got[0], "sensor_sshd_"))
}
