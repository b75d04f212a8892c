package main

import (
	"context"
	"crypto/tls"
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
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

// The two sample configurations of the guide to inter-Bro communication, on
// whichever address their peers have.

// authority is a CA, with a certificate for everybody.
type authority struct{ ca, host string }

func newAuthority(t *testing.T) authority {
	t.Helper()
	dir := t.TempDir()
	ca, err := certs.NewCA("test CA", time.Hour)
	require.NoError(t, err)
	host, err := ca.Issue("127.0.0.1")
	require.NoError(t, err)
	a := authority{filepath.Join(dir, "ca_cert.pem"), filepath.Join(dir, "bro.pem")}
	require.NoError(t, os.WriteFile(a.ca, ca.PEM, 0o600))
	require.NoError(t, os.WriteFile(a.host, host, 0o600))
	return a
}

// args are the options that the samples have no settings for.
func (a authority) args() []string { return []string{"-ca-cert", a.ca, "-host-cert", a.host} }

// dial connects a peer with TLS.
func (a authority) dial(t *testing.T, from, to string) *peer.Conn {
	t.Helper()
	cfg, err := secure.Settings{CACert: a.ca, HostCert: a.host}.Config()
	require.NoError(t, err)
	return opened(t, tls.Client(dialFrom(t, from, to), cfg), peer.Config{Whole: true})
}

// dialFrom connects from one of the addresses of this host.
func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: deadline, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := d.Dial("tcp", to)
	require.NoError(t, err)
	return nc
}

func opened(t *testing.T, nc net.Conn, cfg peer.Config) *peer.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	p, err := peer.Open(ctx, nc, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

const policies = "../../testdata/policy/"

// elsewhere returns a copy of a sample in which an address is another one.
func elsewhere(t *testing.T, sample, from, to string) string {
	t.Helper()
	text, err := os.ReadFile(policies + sample)
	require.NoError(t, err)
	require.Contains(t, string(text), from)
	return written(t, sample, strings.ReplaceAll(string(text), from, to))
}

func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// eventLines waits until there are n lines in the event log of a folder.
func eventLines(t *testing.T, dir string, n int) []string {
	t.Helper()
	var lines []string
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(dir + "/events.log")
		lines = strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
		return len(lines) >= n && lines[0] != ""
	}, deadline, 10*time.Millisecond)
	require.Len(t, lines, n)
	return lines
}

func logOf(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name+".log"))
	require.NoError(t, err)
	return string(b)
}

// launchIn starts a collector with logs in dir.
func launchIn(t *testing.T, dir string, args ...string) *collector {
	t.Helper()
	return launch(t, exec.Command(program, append(args, "-log-dir", dir, "-log-files", "one", "-stats-interval", "1h")...))
}

// firstSample collects from the sshd at host. The collector has the policy file
// and whatever args it needs to be reached.
func firstSample(t *testing.T, host, stranger, policy string, args ...string) {
	a := newAuthority(t)
	dir := t.TempDir()
	c := launchIn(t, dir, append(append(args, "-policy", policy), a.args()...)...)
	_, port, err := net.SplitHostPort(c.addr)
	require.NoError(t, err)
	sshd := net.JoinHostPort(host, port)

	// One of the CA, but not of the list: it may connect.
	p := a.dial(t, stranger, sshd)
	require.False(t, p.Wants("sensor_sshd_exec"))
	require.NoError(t, p.Send(numbered("exec", 1)))
	require.NoError(t, p.Flush())
	require.NoError(t, p.Close())
	c.wait(t, "asked for nothing: there is no destination of its address")

	p = a.dial(t, host, sshd)
	require.True(t, p.Wants("sensor_sshd_exec"))
	require.NoError(t, p.Send(numbered("exec", 2)))
	require.NoError(t, p.Flush())
	require.NoError(t, p.Close())
	require.Contains(t, eventLines(t, dir, 1)[0], `"cid":2`)
	n := 1
	if build := os.Getenv("ROMANESCO_BUILD"); build != "" {
		conf := written(t, "broccoli.conf", "/broccoli/ca_cert "+a.ca+"\n/broccoli/host_cert "+a.host+"\n")
		cmd := exec.Command(build+"/examples/sensor_sshd", sshd)
		cmd.Env = append(os.Environ(), "BROCCOLI_CONFIG_FILE="+conf)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		n += 16
	}
	lines := eventLines(t, dir, n)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Len(t, lines, n)
	require.Contains(t, logOf(t, dir, "comm"), "] accepted SSL connection\n")
	require.Regexp(t, ` `+host+`/\d+ connection established\.
\S+ `+host+`/\d+ requesting events matching /\^\?\(sensor_sshd\.\*\)\$\?/
\S+ `+host+`/\d+ accepting state
\S+ `+host+`/\d+ requesting synchronized state
`, logOf(t, dir, "remote"))
}

func TestFirstSample(t *testing.T) {
	firstSample(t, "127.0.0.1", "127.0.0.2",
		elsewhere(t, "sample1.bro", "10.11.12.13", "127.0.0.1"), "-tls-listen", "127.0.0.1:0")
}

// ftpEvents are those that the second sample gathers.
var ftpEvents = []string{
	"ftp_unexpected_conn_violation", "ftp_sensitive_file", "ftp_reply", "ftp_request",
	"ftp_unexpected_conn", "ftp_binary_response", "ftp_excessive_filename",
}

// ftpSource is what has the events that a sensor of ours sends on: it connects to
// the sensor in the clear, and sends one of each.
func ftpSource(t *testing.T, from, sensor string) {
	t.Helper()
	p := opened(t, dialFrom(t, from, sensor), peer.Config{})
	for i, name := range ftpEvents {
		require.True(t, p.Wants(name))
		require.NoError(t, p.Send(&event.Event{Name: name, Time: 1, Args: []event.Value{{Type: event.Count, Bits: uint64(i)}}}))
	}
	require.NoError(t, p.Flush())
}

// secondSample lets bro2, the collector, gather what bro1, the sensor, sends on.
// The files have nobody who connects, so that bro1 is told to.
func secondSample(t *testing.T, host string, bro1, bro2 []string, source string) {
	a := newAuthority(t)
	dir1, dir2 := t.TempDir(), t.TempDir()
	second := launchIn(t, dir2, append(bro2, a.args()...)...)
	require.Contains(t, second.passed, "/ftp_*/ matches no event that is known, and is taken for /ftp_.*/")
	_, port, err := net.SplitHostPort(second.addr)
	require.NoError(t, err)
	local := written(t, "local.bro", fmt.Sprintf("redef Remote::destinations += { [\"source\"] = [$host=%s, $events=/ftp_.*/] };", source))
	first := launchIn(t, dir1, append(append(bro1, "-forward", "-policy", local,
		"-connect", net.JoinHostPort(host, port), "-tls-connect", "-tls-peer-name", "127.0.0.1", "-retry", "10ms"), a.args()...)...)
	first.wait(t, host+`:\d+: connected`)
	_, port, err = net.SplitHostPort(first.addr)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return strings.Contains(logOf(t, dir1, "comm"), "registered for event ftp_unexpected_conn_violation")
	}, deadline, 10*time.Millisecond)
	ftpSource(t, source, net.JoinHostPort(host, port))
	for i, line := range eventLines(t, dir2, len(ftpEvents)) {
		require.Contains(t, line, `"event":"`+ftpEvents[i]+`"`)
	}
	for _, c := range []*collector{first, second} {
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
	}
	require.Regexp(t, `\] accepted SSL connection
(.*\n)*.*\] phase: version
.*\] phase: handshake
(.*\n)*.*\] phase: sync
.*\] phase: running
(.*\n)*.*parent statistics: .* events=7/0
`, logOf(t, dir2, "comm"))
	sent := logOf(t, dir1, "comm")
	for _, name := range ftpEvents {
		require.Contains(t, sent, "] registered for event "+name+"\n")
	}
	require.Regexp(t, `\] phase: sync
.*\] sending full state
.*\] done sending full state
.*\] phase: running
(.*\n)*.*parent statistics: .* events=7/7
`, sent)
}

func TestSecondSample(t *testing.T) {
	secondSample(t, "127.0.0.1",
		[]string{"-policy", policies + "sample2-sensor.bro", "-listen", "127.0.0.1:0"},
		[]string{"-policy", elsewhere(t, "sample2-collector.bro", "10.11.12.14", "127.0.0.1"), "-tls-listen", "127.0.0.1:0"}, "127.0.0.2")
}

// TestSamplesWordForWord: their files as they stand, on the addresses and ports
// that they say.
func TestSamplesWordForWord(t *testing.T) {
	if !inOwnNetwork(t, "10.11.12.13", "10.11.12.14", "10.11.12.99") {
		return
	}
	t.Run("first", func(t *testing.T) {
		firstSample(t, "10.11.12.13", "10.11.12.99", policies+"sample1.bro")
	})
	t.Run("second", func(t *testing.T) {
		secondSample(t, "10.11.12.14", []string{"-policy", policies + "sample2-sensor.bro"},
			[]string{"-policy", policies + "sample2-collector.bro"}, "10.11.12.99")
	})
}

// TestAnalyzerConnects as in the logs of the guide, to a sensor that listens with
// TLS at a port of its own. All settings are in the policy.
func TestAnalyzerConnects(t *testing.T) {
	a := newAuthority(t)
	secrets := fmt.Sprintf("redef ssl_ca_certificate = %q;\nredef ssl_private_key = %q;\n", a.ca, a.host)
	dir1, dir2 := t.TempDir(), t.TempDir()
	sensing := launchIn(t, dir1, "-tls-listen", "127.0.0.1:0", "-listen", "127.0.0.1:0", "-policy", written(t, "sensor.bro", secrets+`
@load listen-ssl
@load listen-clear
redef forward_remote_events = T;
redef Remote::destinations += { ["source"] = [$host=127.0.0.1, $class="source", $events=/ftp_.*/] };
`))
	secured := sensing.wait(t, `listening on (\S+) .*\(TLS\)`)
	_, port, err := net.SplitHostPort(secured)
	require.NoError(t, err)
	analyzing := exec.Command(program, "-log-dir", dir2, "-log-files", "one", "-policy", written(t, "analyzer.bro", secrets+`
redef Remote::destinations += {
	["sensor"] = [$host=127.0.0.1, $p=`+port+`/tcp, $events=/.*/, $connect=T, $retry=10 msecs, $ssl=T, $compression=5],
};`))
	analyzing.Stderr = os.Stderr
	require.NoError(t, analyzing.Start())
	defer func() { _ = analyzing.Process.Kill(); _ = analyzing.Wait() }()
	require.Eventually(t, func() bool {
		return strings.Contains(logOf(t, dir1, "comm"), "registered for event sensor_sshd_restart")
	}, deadline, 10*time.Millisecond)
	p := opened(t, dialFrom(t, "127.0.0.1", sensing.addr), peer.Config{Class: "source"})
	require.NoError(t, p.Send(&event.Event{Name: "ftp_reply", Time: 1}))
	require.NoError(t, p.Flush())
	require.Contains(t, eventLines(t, dir2, 1)[0], `"event":"ftp_reply"`)
	require.NoError(t, analyzing.Process.Signal(syscall.SIGTERM))
	require.NoError(t, analyzing.Wait())
	require.Regexp(t, `\(child\)  \[#1/127\.0\.0\.1:`+port+`\] connected
.* \(parent\) .*\] peer connected
.*\] phase: version
.*\] phase: handshake
.*\] enabling compression \(level 5\)
.*\] phase: sync
.*\] phase: running
`, logOf(t, dir2, "comm"))
	require.Regexp(t, `/`+port+` connection established\.
\S+ 127\.0\.0\.1/`+port+` requesting events matching /\^\?\(\.\*\)\$\?/
\S+ 127\.0\.0\.1/`+port+` accepting state
\S+ 127\.0\.0\.1/`+port+` requesting synchronized state
`, logOf(t, dir2, "remote"))
	require.Contains(t, logOf(t, dir1, "comm"), "] enabling decompression\n")
}
