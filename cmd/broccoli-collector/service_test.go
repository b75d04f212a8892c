package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ran runs the program to its end.
func ran(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// TestUsageErrors are said once, in a line, with a status of their own.
func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		{"-no-such-option"}, {"-max-peers", "many"}, {"-max-peers", "0"}, {"/a(/"}, {"-format", "xml"},
		{"-policy", "none.bro"}, {"-log-format", "tsv"}, {"check", "-max-peers", "0"},
	} {
		code, out, said := ran(t, args...)
		require.Equal(t, 2, code, "%q: %s", args, said)
		require.Equal(t, 1, strings.Count(said, "\n"), said)
		require.Empty(t, out)
	}
	code, out, said := ran(t, "-help")
	require.Zero(t, code)
	require.Contains(t, out, "-listen")
	require.Empty(t, said)
}

// TestSignalAtOnce: a reload that follows the start before the configuration is read
// does what it does later.
func TestSignalAtOnce(t *testing.T) {
	config := filepath.Join(t.TempDir(), "collector.conf")
	require.NoError(t, syscall.Mkfifo(config, 0o600))
	cmd := exec.CommandContext(t.Context(), program, "-config", config)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	cmd.Stdout = new(bytes.Buffer)
	require.NoError(t, cmd.Start())
	w, err := os.OpenFile(config, os.O_WRONLY, 0) // when it reads
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	time.Sleep(50 * time.Millisecond)
	_, err = w.WriteString("listen 127.0.0.1:0\n")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	said := bufio.NewReader(stderr)
	for line := ""; !strings.Contains(line, "listening on"); {
		line, err = said.ReadString('\n')
		require.NoError(t, err)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	rest, err := io.ReadAll(said)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), "%s", rest)
	require.NotContains(t, string(rest), "could not be written")
}

// TestSilentReader: a pipe that nobody reads does not keep it from ending.
func TestSilentReader(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	cmd := exec.Command(program, "-listen", "127.0.0.1:0", "-format", "json")
	cmd.Stdout = w
	c := launch(t, cmd)
	require.NoError(t, w.Close())
	p, _ := sensor(t, c.addr, nil)
	for i := range 2000 {
		if p.Send(numbered("exec", i)) != nil {
			break
		}
	}
	_ = p.Flush()
	time.Sleep(200 * time.Millisecond)
	began := time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	time.Sleep(300 * time.Millisecond)
	code, said := c.end(t, syscall.SIGTERM)
	require.Equal(t, 1, code, said)
	require.Contains(t, said, "second signal")
	require.Less(t, time.Since(began), 5*time.Second)
}

// TestConfiguration: a file sets what the command line does, and says where it is wrong.
func TestConfiguration(t *testing.T) {
	file := written(t, "collector.conf", `
# A comment.
listen 127.0.0.1:0     # and another
max-peers	7
forward
metrics "127.0.0.1:0"
pattern /sensor_sshd_(exec|exit)/
event made_up
event another
`)
	c := launch(t, exec.Command(program, "-config", file, "-event", "third", "-max-peers", "8"))
	require.Contains(t, c.passed, "metrics at")
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)

	for text, want := range map[string]string{
		"listen 127.0.0.1:0\nno-such 1\n": `collector.conf:2: no-such: there is no such option`,
		"-listen 127.0.0.1:0\n":           `collector.conf:1: -listen: options have no dash here`,
		"\n\nmax-peers many\n":            `collector.conf:3: max-peers "many": `,
		"metrics \"127.0.0.1:0\n":         `collector.conf:1: metrics: the quote is not closed`,
		"metrics \"a\" b\n":               `collector.conf:1: metrics: "b" stands behind the value`,
		"config other.conf\n":             `collector.conf:1: config: only for the command line`,
		"max-peers 0\n":                   `-max-peers: at least 1`,
	} {
		code, _, said := ran(t, "-config", written(t, "collector.conf", text))
		require.Equal(t, 2, code)
		require.Contains(t, said, want)
	}
}

// TestCheck: it says what would be, and opens nothing.
func TestCheck(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a service that runs
	require.NoError(t, err)
	defer l.Close()
	dir := filepath.Join(t.TempDir(), "logs")
	code, out, said := ran(t, "check", "-listen", l.Addr().String(), "-log-dir", dir)
	require.Zero(t, code, said)
	require.Regexp(t, `(?s)would listen on \S+\nwould wait for any peer, 27 known events\nok\n$`, out)
	require.NoDirExists(t, dir)
	for want, args := range map[string][]string{
		"log folder":           {"-log-dir", "/nowhere/logs"},
		"TLS: ca_cert":         {"-tls-listen", ":0", "-ca-cert", "/nowhere", "-host-cert", "/nowhere"},
		"local.bro:1:":         {"-policy", written(t, "local.bro", "redef nothing;")},
		"-zeek-forward x":      {"-zeek-forward", "x"},
		"/nowhere/types.zeek:": {"-zeek-types", "/nowhere/types.zeek"},
	} {
		code, out, said := ran(t, append([]string{"check"}, args...)...)
		require.NotZero(t, code, "%q: %s%s", args, out, said)
		require.Contains(t, said, want)
		require.NotContains(t, out, "ok\n")
	}
}

// TestCheckOfAddresses: what it refuses does not start either.
func TestCheckOfAddresses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := l.Addr().String() // free, as soon as we do not listen
	_, port, err := net.SplitHostPort(at)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	for _, c := range []struct {
		says string
		args []string
	}{
		{"invalid port", []string{"-listen", "127.0.0.1:70000"}},
		{"missing port", []string{"-listen", "127.0.0.1"}},
		{"invalid port", []string{"-zeek-listen", "127.0.0.1:70000"}},
		{"invalid port", []string{"-metrics", "127.0.0.1:70000"}},
		{"can be reached from other hosts", []string{"-metrics", ":0"}},
		{at, []string{"-listen", at, "-zeek-listen", at}},
		{at, []string{"-listen", at, "-metrics", at}},
		{port, []string{"-listen", "0.0.0.0:" + port, "-metrics", at}},
		{port, []string{"-listen", ":" + port, "-zeek-listen", at}},
		{"not of the form host:port", []string{"-connect", ""}},
		{"invalid port", []string{"-connect", "127.0.0.1:70000"}},
	} {
		args := append([]string{"-listen", "127.0.0.1:0"}, c.args...)
		code, out, said := ran(t, append([]string{"check"}, args...)...)
		require.Equal(t, 2, code, "%q: %s%s", args, out, said)
		require.Contains(t, said, c.says)
		require.NotContains(t, out, "ok\n")
		code, _, _ = ran(t, args...)
		require.NotZero(t, code, "%q", args)
	}
	for _, args := range [][]string{
		{"-listen", "127.0.0.1:0", "-metrics", "127.0.0.1:0", "-zeek-listen", "127.0.0.1:0"},
		{"-listen", ":0", "-metrics", ":0", "-metrics-public"},
		{"-listen", "", "-zeek-listen", at, "-tls-listen", "", "-metrics", ""},
		{"-listen", at, "-zeek-listen", "127.0.0.2:" + port},
	} {
		code, out, said := ran(t, append([]string{"check"}, args...)...)
		require.Zero(t, code, "%q: %s", args, said)
		require.Contains(t, out, "ok\n")
	}
}

// managed starts the program under a service manager, which told reads from.
func managed(t *testing.T, env ...string) (c *collector, told func() string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	require.NoError(t, l.SetReadDeadline(time.Now().Add(deadline)))
	cmd := exec.Command(program, "-listen", "127.0.0.1:0")
	cmd.Env = append(append(os.Environ(), "NOTIFY_SOCKET="+socket), env...)
	return launch(t, cmd), func() string {
		b := make([]byte, 100)
		n, err := l.Read(b)
		require.NoError(t, err)
		return string(b[:n])
	}
}

// TestServiceManager is told when peers can connect, that it lives, and that it ends.
func TestServiceManager(t *testing.T) {
	c, told := managed(t, "WATCHDOG_USEC=200000")
	require.Equal(t, "READY=1", told())
	require.Equal(t, "WATCHDOG=1", told())
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
	state := told()
	for state == "WATCHDOG=1" {
		state = told()
	}
	require.Equal(t, "STOPPING=1", state)
	code, said := c.end(t, 0)
	require.Zero(t, code, said)
}
