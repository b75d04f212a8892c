package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
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
	"github.com/romanesco-broccoli/romanesco/internal/printable"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

// TestMultipliedString: events of 63 bytes that refer to a string of 5 MiB in the peer's
// cache are no events, and the one that has the string is a line of the bound.
func TestMultipliedString(t *testing.T) {
	const times, refs, id = 20, 6, 7
	dir := t.TempDir()
	c := start(t, "-log-dir", dir, "-log-files", "one", "-metrics", "127.0.0.1:0")
	p, _ := sensor(t, c.addr, nil)
	ev := &event.Event{Name: "sensor_sshd_exec", Args: []event.Value{{Type: event.String, Bytes: bytes.Repeat([]byte{1}, 5<<20)}}}
	payload, err := new(wire.Encoder).AppendSerialEvent(nil, ev)
	require.NoError(t, err)
	head := 1 + 4 + len(ev.Name) + 8 // and the number of arguments
	binary.BigEndian.PutUint32(payload[head+4+1:], id)
	require.NoError(t, p.SendSerial(payload))
	again := binary.BigEndian.AppendUint32(payload[:head:head], refs)
	for range refs {
		again = append(again, 0, 0, 0, 0, id)
	}
	require.Len(t, again, 63)
	for range times {
		require.NoError(t, p.SendSerial(again))
	}
	require.NoError(t, p.Flush())
	require.NoError(t, p.Close())
	url := strings.TrimSuffix(strings.SplitAfter(c.passed, "/metrics")[0][strings.Index(c.passed, "http"):], "\n")
	require.Eventually(t, func() bool {
		_, body := get(t, url)
		return strings.Contains(body, "broccoli_truncated_lines_total 1\n") &&
			strings.Contains(body, fmt.Sprintf("broccoli_undecodable_total %d\n", times))
	}, deadline, 10*time.Millisecond)
	peak := c.highWater(t)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	b, err := os.ReadFile(dir + "/events.log")
	require.NoError(t, err)
	require.LessOrEqual(t, len(b), 1<<20)
	lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	require.Len(t, lines, 1)
	for _, line := range lines {
		var v struct {
			Args      map[string]string
			Truncated bool `json:"_truncated"`
		}
		require.NoError(t, json.Unmarshal(line, &v))
		require.True(t, v.Truncated)
	}
	t.Logf("%d KB in the log, %d KB resident", len(b)>>10, peak>>10)
	require.Less(t, peak, int64(512<<20))
}

// hostile is a text that a peer might choose.
const hostile = "x\nbroccoli-collector: all is well\r\x1b[2J\u009b31m\u0085\u202e\u2028\x00\xff"

// hostileCertificate returns one with such a name, which signs itself.
func hostileCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: strings.ToValidUTF8(hostile, "")},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestPeersWriteNoLinesOfTheirOwn: neither to messages nor to logs, whatever they
// call themselves and their events; and nothing that a terminal understands.
func TestPeersWriteNoLinesOfTheirOwn(t *testing.T) {
	for _, how := range [][]string{{"-format", "json"}, {"-format", "summary"}, {"-log-format", "tsv"}, {"-log-format", "json"}} {
		dir := t.TempDir()
		ca, err := certs.NewCA("test CA", time.Hour)
		require.NoError(t, err)
		cert, err := ca.Issue("127.0.0.1")
		require.NoError(t, err)
		for name, b := range map[string][]byte{"ca.pem": ca.PEM, "host.pem": cert} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
		args := append([]string{"-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0", "-zeek-listen", "127.0.0.1:0",
			"-ca-cert", dir + "/ca.pem", "-host-cert", dir + "/host.pem"}, how...)
		logs := filepath.Join(dir, "logs")
		if how[0] == "-log-format" {
			args = append(args, "-log-dir", logs)
		}
		c := launch(t, exec.Command(program, args...))
		clients := strings.TrimSpace(strings.SplitN(strings.SplitN(c.passed, "served at ", 2)[1], "\n", 2)[0])
		secured := c.wait(t, `listening on (\S+) .*TLS`)
		sayHostile(t, c.addr, secured, clients)
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
		require.Contains(t, said, "is not one of ca_cert")
		require.Contains(t, said, `class "x\n`)
		checkLines(t, said, "broccoli-collector: ")
		checkLines(t, c.output.String(), "")
		files, err := filepath.Glob(logs + "/*")
		require.NoError(t, err)
		for _, file := range files {
			if filepath.Base(file) == "sshd_session.state" { // which has no lines
				continue
			}
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			checkLines(t, strings.ReplaceAll(string(b), "\t", " "), "")
			require.Regexp(t, `^[a-z_]+\.log$`, filepath.Base(file))
		}
	}
}

// sayHostile says hostile things as peers of each kind.
func sayHostile(t *testing.T, addr, secured, clients string) {
	t.Helper()
	nc, err := net.Dial("tcp", secured)
	require.NoError(t, err)
	conn := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{hostileCertificate(t)}})
	_ = conn.Handshake()
	_, _ = io.Copy(io.Discard, conn)
	_ = nc.Close()

	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	nc, err = net.Dial("tcp", addr)
	require.NoError(t, err)
	p, err := peer.Open(ctx, nc, peer.Config{Class: strings.ReplaceAll(hostile, "\x00", "")})
	require.NoError(t, err)
	require.NoError(t, p.Request([]string{hostile}))
	ev := numbered("exec", 1)
	ev.Args[1].Bytes, ev.Args[4] = []byte(hostile), event.Value{Type: event.Record, Elems: []event.Value{
		{Type: event.String, Bytes: []byte(hostile), Field: hostile}, {Type: event.Enum, TypeName: hostile}}}
	_ = p.Send(ev)
	ev = numbered("exec", 1)
	ev.Args[1].Bytes = []byte(hostile)
	require.NoError(t, p.Send(ev))
	require.NoError(t, p.Send(&event.Event{Name: strings.ReplaceAll(hostile, "\x00", "")}))
	require.NoError(t, p.Flush())
	require.NoError(t, p.Close())

	w := webSocketClient(t, clients, "site/"+strings.ToValidUTF8(hostile, ""), strings.ToValidUTF8(hostile, ""))
	require.NoError(t, w.Send(&event.Event{Name: strings.ToValidUTF8(strings.ReplaceAll(hostile, "\x00", ""), ""), Args: []event.Value{
		{Type: event.Enum, Bytes: []byte("A::B\n\x1b[2J")}, {Type: event.String, Bytes: []byte(hostile)}}}))
	require.NoError(t, w.Flush())
	require.NoError(t, w.Send(numbered("exec", 2)))
	require.NoError(t, w.Close())
	time.Sleep(100 * time.Millisecond)
}

func checkLines(t *testing.T, text, prefix string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		require.True(t, strings.HasPrefix(line, prefix), "%q", line)
		require.False(t, strings.HasPrefix(strings.TrimPrefix(line, prefix), "broccoli-collector: "), "%q", line)
		for i := 0; i < len(line); {
			n := printable.Size(line[i:])
			require.Positive(t, n, "%q", line)
			i += n
		}
	}
}

// TestWrongUsage is told once, and is not the same as a failure.
func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-nonsense"}, {"-max-peers", "x"}, {"-max-peers", "0"}, {"-format", "xml"}, {"-rotate-size", "1"}, {"-log-dir", "", "-fsync", "never"},
		{"nothing_matches_this"}, {"-zeek-forward", "x"}, {"-policy", "/nonexistent"},
	} {
		cmd := exec.Command(program, append([]string{"-listen", "127.0.0.1:0"}, args...)...)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, 2, cmd.ProcessState.ExitCode(), "%v: %s", args, out)
		require.Equal(t, 1, strings.Count(string(out), "\n"), "%v: %s", args, out)
	}
	for _, args := range [][]string{{"-log-dir", "/dev/null/x"}} {
		cmd := exec.Command(program, append([]string{"-listen", "127.0.0.1:0"}, args...)...)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%v: %s", args, out)
		require.Equal(t, 1, strings.Count(string(out), "\n"), "%v: %s", args, out)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program, "-help")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run())
	require.Contains(t, stdout.String(), "-max-line")
	require.Empty(t, stderr.String())
}

func TestEachCauseIsSaidOnce(t *testing.T) {
	full := errors.New("no space left on device")
	a, b := fmt.Errorf("writing log a: %w", full), fmt.Errorf("writing log b: %w", full)
	other := errors.New("accepting: too many open files")
	require.Equal(t, "writing log a: no space left on device; accepting: too many open files", once(errors.Join(a, errors.Join(other, b), a)))
	require.Equal(t, "x", once(errors.New("x")))
}

// TestMessagesStayOnOneLine, also those that forget to quote.
func TestMessagesStayOnOneLine(t *testing.T) {
	for form, prefix := range map[string]string{"text": "broccoli-collector: ", "json": `{"time":"`} {
		var b bytes.Buffer
		m := (&messageOptions{form: form}).logger(&b)
		m.Error(hostile+": "+strings.Repeat("x", 2*maxMessage), "class", hostile, "error", errors.New(hostile))
		checkLines(t, b.String(), prefix)
		require.Equal(t, 1, bytes.Count(b.Bytes(), []byte("\n")))
		require.Less(t, b.Len(), 2*maxMessage)
		m.Debug("x")
		require.Equal(t, 1, bytes.Count(b.Bytes(), []byte("\n")))
	}
}

// TestMessagesForPrograms: each is an object, with what it is about beside the text;
// also those of package log, and of what is wrong at the start.
func TestMessagesForPrograms(t *testing.T) {
	c := launchSaying(t, exec.Command(program, "-listen", "127.0.0.1:0", "-messages", "json", "-messages-level", "debug"),
		`"msg":"listening on .*"address":"([^"]*)"`)
	opened(t, dialFrom(t, "127.0.0.1", c.addr), peer.Config{Class: strings.ReplaceAll(hostile, "\x00", "")})
	line := c.wait(t, "(.*connected as any peer.*)")
	var v struct {
		Time                    time.Time
		Level, Msg, Peer, Class string
		Destination             string
		Events                  int
	}
	require.NoError(t, json.Unmarshal([]byte(line), &v))
	require.Equal(t, "INFO", v.Level)
	require.Contains(t, v.Peer, "127.0.0.1:")
	require.Contains(t, v.Class, "x; broccoli-collector: all is well")
	require.Equal(t, "any peer", v.Destination)
	require.Equal(t, 27, v.Events)
	require.WithinDuration(t, time.Now(), v.Time, time.Hour)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	checkLines(t, said, `{"time":"`)

	_, _, said = ran(t, "-messages", "json", "-max-peers", "0")
	require.NoError(t, json.Unmarshal([]byte(said), &v))
	require.Equal(t, "ERROR", v.Level)
	require.Contains(t, v.Msg, "-max-peers: at least 1")
	for _, wrong := range [][]string{
		{"-bogus", "-messages", "json"}, {"-max-memory", "1", "-messages", "json"}, {"-messages=json", "-config", "/nowhere"},
		{"check", "-messages", "text", "-bogus", "--messages=json"}, {"-bogus", "--messages", "json", "-messages-level", "ERROR"},
	} {
		code, _, said := ran(t, wrong...)
		require.Equal(t, statusUsage, code)
		require.NoError(t, json.Unmarshal([]byte(said), new(map[string]any)), "%q: %s", wrong, said)
	}
	for _, wrong := range [][]string{{"-messages", "xml"}, {"-messages-level", "some"}} {
		code, out, said := ran(t, append([]string{"check"}, wrong...)...)
		require.Equal(t, 2, code, "%s%s", out, said)
		require.Contains(t, said, wrong[0])
	}
}

// TestMessagesOfALevel: what is below it is not said.
func TestMessagesOfALevel(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(program, "-listen", "127.0.0.1:0", "-log-dir", dir, "-messages-level", "ERROR")
	var said bytes.Buffer
	cmd.Stderr = &said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	require.Eventually(t, func() bool {
		comm, _ := os.ReadFile(dir + "/comm.log")
		return bytes.Contains(comm, []byte("listening on"))
	}, deadline, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
	require.Empty(t, said.String())
}

// TestPeerAsksForMillionsOfBytes of names: comm.log says how many, and has few.
func TestPeerAsksForMillionsOfBytes(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "-log-dir", dir)
	p, _ := sensor(t, c.addr, nil)
	asked := 0
	for n := range 8000 {
		name := fmt.Sprintf("%s%d", strings.Repeat("\xff", 500), n)
		asked += len(name)
		require.NoError(t, p.Request([]string{name}))
	}
	require.NoError(t, p.Flush())
	require.NoError(t, p.Close())
	var comm []byte
	require.Eventually(t, func() bool {
		var err error
		comm, err = os.ReadFile(dir + "/comm.log")
		return err == nil && bytes.Contains(comm, []byte("peer disconnected"))
	}, deadline, 10*time.Millisecond)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	t.Logf("%d KB asked, %d KB in comm.log", asked>>10, len(comm)>>10)
	require.Less(t, len(comm), 160<<10)
	require.Regexp(t, `\] \d{4} lines are left out\n`, string(comm))
}
