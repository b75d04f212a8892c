package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
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
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

// testNetwork is a CA, and the certificates that it has given out.
type testNetwork struct {
	authority
	*certs.CA
	dir string
}

func newTestNetwork(t *testing.T) *testNetwork {
	t.Helper()
	n := &testNetwork{dir: t.TempDir()}
	var err error
	n.CA, err = certs.NewCA("test CA", time.Hour)
	require.NoError(t, err)
	n.ca, n.host = filepath.Join(n.dir, "ca.pem"), filepath.Join(n.dir, "host.pem")
	host, err := n.Issue("127.0.0.1")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(n.ca, n.PEM, 0o600))
	require.NoError(t, os.WriteFile(n.host, host, 0o600))
	return n
}

// dialAs connects to addr with a certificate of these names.
func (n *testNetwork) dialAs(t *testing.T, addr, commonName string, hosts ...string) *tls.Conn {
	t.Helper()
	b, err := n.IssueTo(commonName, hosts...)
	require.NoError(t, err)
	return n.dialWith(t, addr, b)
}

// dialWith connects to addr with a certificate and its key.
func (n *testNetwork) dialWith(t *testing.T, addr string, b []byte) *tls.Conn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensor.pem")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	cfg, err := secure.Settings{CACert: n.ca, HostCert: path}.Config()
	require.NoError(t, err)
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return tls.Client(nc, cfg)
}

// sendAs has such a sensor send an event, and leave when it is confirmed.
func (n *testNetwork) sendAs(t *testing.T, addr string, number int, commonName string, hosts ...string) {
	t.Helper()
	journal := delivery.NewJournal(1 << 20)
	p := opened(t, n.dialAs(t, addr, commonName, hosts...), peer.Config{Class: "sensor", Journal: journal, Whole: true})
	go func() {
		for ev := new(event.Event); p.Next(ev) == nil; {
		}
	}()
	require.NoError(t, p.Send(numbered("exec", number)))
	require.NoError(t, p.Flush())
	<-journal.Room()
	require.NoError(t, p.Close())
}

// TestSensorsAreCalledByTheirCertificates, on each line and whatever is in those.
func TestSensorsAreCalledByTheirCertificates(t *testing.T) {
	n := newTestNetwork(t)
	text := strings.ToValidUTF8(strings.ReplaceAll(hostile, "\x00", ""), "")
	names := []struct {
		commonName string
		hosts      []string
		want       string
	}{
		{"sensor1", nil, "sensor1"},
		{"another", []string{"a.example.org", "b.example.org"}, "a.example.org"},
		{text, nil, `x\nbroccoli-collector: all is well\r\x1b[2J\u009b31m\u0085\u202e\u2028`},
		{`a] "b`, nil, `a] \"b`},
		{strings.Repeat("y", 10_000), nil, strings.Repeat("y", 250) + "..."},
		{"", nil, ""},
	}
	for _, format := range []string{"json", "tsv"} {
		dir := t.TempDir()
		c := launchIn(t, dir, append(n.args(), "-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0", "-log-format", format)...)
		clear := c.addr
		secured := c.wait(t, `listening on (\S+) .*TLS`)
		for i, name := range names {
			n.sendAs(t, secured, i, name.commonName, name.hosts...)
		}
		p, _ := sensor(t, clear, nil)
		require.NoError(t, p.Send(numbered("exec", len(names))))
		require.NoError(t, p.Close())
		require.Eventually(t, func() bool {
			return strings.Count(logOf(t, dir, "comm"), "peer disconnected") == len(names)+1
		}, deadline, 10*time.Millisecond)
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
		checkLines(t, said, "broccoli-collector: ")
		require.Contains(t, said, `asked for 27 events, certificate of "a.example.org"`)
		hosts := hostsOf(t, logOf(t, dir, "events"))
		comm := logOf(t, dir, "comm")
		for i, name := range names {
			require.Equal(t, name.want, hosts[i])
			if name.want == "" {
				continue
			}
			word := name.want
			if strings.ContainsAny(word, ` \`) {
				quoted, err := json.Marshal(word)
				require.NoError(t, err)
				word = string(quoted)
			}
			require.Contains(t, comm, " "+word+"] phase: running\n")
			require.Contains(t, comm, " "+word+"] peer disconnected\n")
		}
		require.Empty(t, hosts[len(names)], "in the clear")
		checkLines(t, comm, "")
	}
}

// hostsOf returns, by the number of its event, the name on each line of a log.
func hostsOf(t *testing.T, log string) map[int]string {
	t.Helper()
	hosts := map[int]string{}
	var fields []string
	for line := range strings.Lines(log) {
		var v struct {
			Host string
			Args struct{ Cid int }
		}
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case cells[0] == "#fields":
			fields = cells[1:]
			continue
		case line[0] == '#':
			continue
		case fields == nil:
			require.NoError(t, json.Unmarshal([]byte(line), &v))
			require.Equal(t, v.Host != "", strings.Contains(line, `"host":`), "a field that has nothing to say is not there")
		default:
			require.Equal(t, []string{"ts", "peer", "host", "event", "args"}, fields)
			require.Len(t, cells, len(fields))
			v.Host = strings.ReplaceAll(cells[2], `\\`, `\`)
			if v.Host == "-" {
				v.Host = ""
			}
			require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(cells[4], `\\`, `\`)), &v.Args))
		}
		hosts[v.Args.Cid] = v.Host
	}
	return hosts
}

// TestNamesThatMayConnect are those of the list, by the name that lines show.
func TestNamesThatMayConnect(t *testing.T) {
	n := newTestNetwork(t)
	c := launch(t, exec.Command(program, append(n.args(), "-listen", "", "-tls-listen", "127.0.0.1:0", "-zeek-tls-listen", "127.0.0.1:0",
		"-tls-names", "a.example.org, b.example.org", "-tls-names", `/sensor[0-9]+/`)...))
	clients := strings.Fields(c.passed[strings.Index(c.passed, "served at "):])[2]
	for _, name := range []string{"a.example.org", "b.example.org", "sensor12"} {
		n.sendAs(t, c.addr, 1, name)
		conn := n.dialAs(t, clients, name)
		_, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		require.NoError(t, err)
	}
	for _, refused := range []struct{ says, commonName, host string }{
		{`is of "stranger\nx", which is none of -tls-names: a.example.org, b.example.org, /sensor[0-9]+/`, "stranger\nx", ""},
		{`is of "sensor", which`, "sensor", ""},
		{`is of "sensor1\n", which`, "sensor1\n", ""},
		{`is of "other.example.org", which`, "sensor1", "other.example.org"},
		{"has no name, and -tls-names wants one", "", ""},
	} {
		var hosts []string
		if refused.host != "" {
			hosts = []string{refused.host, "a.example.org"}
		}
		for _, addr := range []string{c.addr, clients} {
			conn := n.dialAs(t, addr, refused.commonName, hosts...)
			require.NoError(t, conn.SetDeadline(time.Now().Add(deadline)))
			_ = conn.Handshake()
			_, err := conn.Read(make([]byte, 1))
			require.ErrorContains(t, err, "bad certificate")
		}
		c.wait(t, strings.NewReplacer(`\`, `\\`, "[", `\[`, "+", `\+`).Replace(refused.says))
	}
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)

	code, out, said := ran(t, append([]string{"check", "-tls-listen", "127.0.0.1:0", "-tls-names", "a,b", "-tls-names", "/c/"}, n.args()...)...)
	require.Zero(t, code, said)
	require.Contains(t, out, "certificates of peers that connect would have to be of a,b, /c/\n")
	code, _, said = ran(t, "check", "-listen", "127.0.0.1:0", "-tls-names", "a")
	require.Equal(t, 2, code)
	require.Contains(t, said, "-tls-names: nobody can connect with TLS, there is no -tls-listen")
	for _, wrong := range []string{"a,,b", "/a(/", ""} {
		for _, first := range [][]string{{"check"}, nil} {
			code, _, said := ran(t, append(first, "-listen", "127.0.0.1:0", "-tls-names", wrong)...)
			require.Equal(t, 2, code)
			require.Contains(t, said, "-tls-names")
		}
	}
}

// TestClientsAreCalledByTheirCertificates: WebSocket clients, too.
func TestClientsAreCalledByTheirCertificates(t *testing.T) {
	n := newTestNetwork(t)
	dir := t.TempDir()
	c := launchIn(t, dir, append(n.args(), "-listen", "", "-tls-listen", "127.0.0.1:0", "-zeek-tls-listen", "127.0.0.1:0")...)
	addr := strings.Fields(c.passed[strings.Index(c.passed, "served at "):])[2]
	journal := delivery.NewJournal(1 << 20)
	client, err := websocket.Open(t.Context(), n.dialAs(t, addr, "another", "a.example.org"),
		websocket.Config{Host: addr, Topic: "t", Journal: journal})
	require.NoError(t, err)
	go func() { _ = client.Next(new(event.Event)) }()
	require.NoError(t, client.Send(numbered("exec", 7)))
	require.NoError(t, client.Flush())
	<-journal.Room()
	_ = client.Close()
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Equal(t, map[int]string{7: "a.example.org"}, hostsOf(t, logOf(t, dir, "events")))
}

// TestNamesOfADestination: a peer of the right address with another name is asked for
// nothing, and when we connect it is not spoken with.
func TestNamesOfADestination(t *testing.T) {
	n := newTestNetwork(t)
	policy := written(t, "local.bro", `redef Remote::destinations += {
		["a"] = [$host=127.0.0.1, $class="sensor", $events=/sensor_sshd.*/, $ssl=T, $tls_names=/a\.example\.org/],
		["b"] = [$host=127.0.0.1, $class="sensor", $events=/ftp_.*/, $ssl=T, $tls_names=/b\.example\.org/] };`)
	c := launch(t, exec.Command(program, append(n.args(), "-tls-listen", "127.0.0.1:0", "-policy", policy)...))
	a := opened(t, n.dialAs(t, c.addr, "a.example.org"), peer.Config{Class: "sensor", Whole: true})
	require.True(t, a.Wants("sensor_sshd_exec"))
	b := opened(t, n.dialAs(t, c.addr, "b.example.org"), peer.Config{Class: "sensor", Whole: true})
	require.False(t, b.Wants("sensor_sshd_exec"))
	require.True(t, b.Wants("ftp_reply"))
	other := opened(t, n.dialAs(t, c.addr, "c.example.org"), peer.Config{Class: "sensor", Whole: true})
	require.False(t, other.Wants("sensor_sshd_exec"))
	c.wait(t, `asked for nothing: .*local.bro:\d+:\d+ "b" has \$tls_names=/b\\.example\\.org/, its certificate is of "c.example.org"`)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)

	code, _, said = ran(t, "check", "-policy", written(t, "local.bro",
		`redef Remote::destinations += { ["a"] = [$host=127.0.0.1, $tls_names=/a/] };`))
	require.Equal(t, 2, code)
	require.Contains(t, said, "local.bro:1:70: expected $ssl=T beside $tls_names")
}

// TestNamesOfWhatWeConnectTo: $tls_names counts there too, and lines have the name.
func TestNamesOfWhatWeConnectTo(t *testing.T) {
	n := newTestNetwork(t) // whose own certificate is of 127.0.0.1
	cfg, err := secure.Settings{CACert: n.ca, HostCert: n.host}.Listening()
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for names, says := range map[string]string{
		`127\.0\.0\.1`: `connected as "a", class "", asked for 27 events, certificate of "127.0.0.1"`,
		`other`:        `127.0.0.1:\d+\): TLS: the peer's certificate is of "127.0.0.1", which is not one of \$tls_names=/other/`,
	} {
		policy := written(t, "local.bro", fmt.Sprintf(`redef Remote::destinations += { ["a"] =
			[$host=127.0.0.1, $p=%d/tcp, $events=/sensor_sshd.*/, $connect=T, $ssl=T, $tls_names=/%s/] };`, l.Addr().(*net.TCPAddr).Port, names))
		dir := t.TempDir()
		c := launchSaying(t, exec.Command(program, append(n.args(), "-policy", policy, "-log-dir", dir, "-log-files", "one", "-metrics", "127.0.0.1:0")...), "metrics at (.*)")
		require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(deadline)))
		nc, err := l.Accept()
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		p, err := peer.Open(ctx, tls.Server(nc, cfg), peer.Config{Whole: true})
		cancel()
		c.wait(t, says)
		if names == "other" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		sendNow(t, p, numbered("exec", 1))
		require.Contains(t, eventLines(t, dir, 1)[0], `"host":"127.0.0.1"`)
		require.NoError(t, p.Close())
	}
}
