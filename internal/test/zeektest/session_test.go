package zeektest

import (
	"bufio"
	"context"
	"math"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// told is an event of a sensor, seconds after a time.
func told(name string, after float64, args ...event.Value) *event.Event {
	const begun = 1764057140.25
	return &event.Event{Name: "sensor_sshd_" + name, Time: begun, Args: append([]event.Value{
		{Type: event.Time, Bits: math.Float64bits(begun + after)}, text("login1_22"),
	}, args...)}
}

func text(s string) event.Value   { return event.Value{Type: event.String, Bytes: []byte(s)} }
func count(n uint64) event.Value  { return event.Value{Type: event.Count, Bits: n} }
func number(n uint64) event.Value { return event.Value{Type: event.Int, Bits: n} }
func port(n uint64) event.Value {
	return event.Value{Type: event.Port, Bits: n, Proto: event.ProtoTCP}
}

func yes(is bool) event.Value {
	v := event.Value{Type: event.Bool}
	if is {
		v.Bits = 1
	}
	return v
}

func address(last byte) event.Value {
	return event.Value{Type: event.Addr, Addr: [16]byte{10: 0xff, 11: 0xff, 12: 192, 14: 2, 15: last}}
}

// sessions are the events of a connection with everything, and of some that end otherwise.
func sessions() []*event.Event {
	c := count(1)
	return []*event.Event{
		told("listen", 0, address(1), port(22)),
		told("heartbeat", 0, event.Value{Type: event.Interval, Bits: math.Float64bits(60)}, count(0), count(1), count(0)),
		told("conn_new", 0, c, address(9), port(40000), address(1), port(22)),
		told("client", 0.1, c, text("OpenSSH_9.2"), text("k"), text("h"), text("c"), text("c"), text("m"), text("m"), text("none")),
		told("auth_failed", 1, c, text("eve")),
		told("auth_detail", 1, c, text("eve"), text("publickey"), text(""), yes(false), text("RSA"), text("SHA256:no"), text(""), count(0), text("")),
		told("auth_detail", 2, c, text("eve"), text("publickey"), text(""), yes(true), text("ED25519-CERT"), text("SHA256:yes"), text("eve@ca"), count(7), text("SHA256:ca")),
		told("auth_detail", 2, c, text("eve"), text("password"), text(""), yes(true), text(""), text(""), text(""), count(0), text("")),
		told("auth_ok", 2, c, text("eve"), number(1000), number(1000)),
		told("process", 3, c, count(0), count(4711), count(12), count(1000), yes(true)),
		told("channel_new_session", 3, c, count(0), text("exec")),
		told("exec", 3, c, count(0), text("uname -a")),
		told("data_tx", 3, c, count(0), text("typed")),
		told("data_rx", 3, c, count(0), text("shown")),
		told("forward_request", 3, c, text("tcp"), text("local"), text("db.example.org"), port(5432), yes(true)),
		told("forward_request", 3, c, text("x11"), text("remote"), text(""), port(0), yes(false)),
		told("channel_new_forward", 3, c, count(1), address(9), port(8080), address(7), port(80), yes(false)),
		told("sftp", 4, c, count(2), text("open"), text("/a"), text(""), count(0), count(0), count(0)),
		told("sftp", 5, c, count(2), text("close"), text("/a"), text(""), count(100), count(7), count(0)),
		told("sftp", 6, c, count(2), text("open"), text("/b"), text(""), count(0), count(0), count(2)),
		told("data_cut", 7, c, count(0), text("rx"), text("binary"), count(5000), count(2)),
		told("lost", 7, count(12), event.Value{Type: event.Time, Bits: math.Float64bits(1)}),
		told("channel_exit", 7, c, count(0), number(3)),
		told("conn_end", 8, c),
		told("exec", 7.5, c, count(0), text("later, and of before the end")),

		told("conn_new", 10, count(2), address(9), port(40001), address(1), port(22)),
		told("auth_timeout", 130, count(2)),
		told("conn_end", 130, count(2)),
		told("conn_new", 140, count(3), address(9), port(40002), address(1), port(22)),
		told("conn_new", 150, count(3), address(9), port(40003), address(1), port(22)),
		told("sensor_restart", 151, text("killed"), count(1)),
		told("conn_end", 152, count(3)),
		told("conn_end", 160, count(4)),
	}
}

// TestSameRecords: the collector, and the Zeek to which it forwards, write the same of each
// connection, under the same names; the collector knows who has sent it besides.
func TestSameRecords(t *testing.T) {
	EachBackend(t, func(t *testing.T, z *Zeek) {
		logs := t.TempDir()
		at, end := collector(t, "-log-dir", logs, "-log-format", "tsv", "-zeek-forward", "ws://"+z.Addr)
		nc, err := net.Dial("tcp", at)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		client, err := websocket.Open(ctx, nc, websocket.Config{Host: at, Topic: "t"})
		require.NoError(t, err)
		go func() { _ = client.Next(&event.Event{}) }()
		for _, ev := range sessions() {
			require.NoError(t, client.Send(ev))
		}
		require.NoError(t, client.Flush())
		z.awaits(t, "sshd_session", 5)
		require.NoError(t, client.Close())
		end()
		assert.Empty(t, z.end(t))
		ours, theirs := (&Zeek{dir: logs}).log(t, "sshd_session"), z.log(t, "sshd_session")
		for _, line := range ours {
			require.Regexp(t, `^127\.0\.0\.1:\d+$`, line["peer"])
			require.Equal(t, "-", line["host"])
			delete(line, "peer")
			delete(line, "host")
		}
		require.Len(t, ours, 5)
		require.ElementsMatch(t, theirs, ours)
		reasons := map[string]string{}
		for _, line := range ours {
			reasons[line["id.orig_p"]] = line["reason"]
		}
		require.Equal(t, map[string]string{
			"40000": "closed", "40001": "login timeout", "40002": "sshd restarted", "40003": "sensor restarted", "-": "closed",
		}, reasons)
		assert.Empty(t, z.complaints(t))
	})
}

// collector starts the collector, which takes WebSocket clients at the address that is
// returned.
func collector(t *testing.T, args ...string) (addr string, end func()) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "broccoli-collector")
	out, err := exec.Command("go", "build", "-o", program, "github.com/romanesco-broccoli/romanesco/cmd/broccoli-collector").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(program, append([]string{"-listen", "", "-zeek-listen", "127.0.0.1:0"}, args...)...)
	said, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(said)
	for addr == "" {
		require.True(t, lines.Scan(), "it does not listen")
		if m := regexp.MustCompile(`served at (\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			addr = m[1]
		}
	}
	go func() {
		for lines.Scan() {
			t.Log(lines.Text())
		}
	}()
	return addr, func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait())
	}
}
