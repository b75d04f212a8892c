package hosttest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// asking is testdata/reasons.c while it runs.
type asking struct {
	t      *testing.T
	lines  chan string
	told   bytes.Buffer // on standard error
	finish func()
}

func asks(t *testing.T, conf string, args ...string) *asking {
	t.Helper()
	cmd := run(t, "reasons", args...)
	path := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(path, []byte("/broccoli/retry 1\n"+conf), 0o600))
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+path)
	a := &asking{t: t, lines: make(chan string, 10000)}
	cmd.Stderr = &a.told
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	go func() {
		defer close(a.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			a.lines <- s.Text()
		}
	}()
	a.finish = func() {
		require.NoError(t, in.Close())
		for line := range a.lines {
			a.check(line)
		}
		require.NoError(t, cmd.Wait())
		require.Empty(t, a.told.String(), "the host takes all messages")
	}
	return a
}

func (a *asking) check(line string) {
	assert.NotContains(a.t, line, "on another thread:")
	assert.NotContains(a.t, line, "with something else:")
}

// await waits for a line with that prefix that contains part, and returns those before it.
func (a *asking) await(prefix, part string) (before []string) {
	a.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line, open := <-a.lines:
			if !open {
				require.FailNow(a.t, "it has ended", "no %s with %q, but %q", prefix, part, before)
			}
			a.check(line)
			if rest, ok := strings.CutPrefix(line, prefix); ok && strings.Contains(rest, part) {
				return before
			}
			before = append(before, line)
		case <-timeout:
			require.FailNow(a.t, "it does not come", "no %s with %q, but %q", prefix, part, before)
		}
	}
}

// requireNoError sees that bro_conn_error() has stayed as it was.
func requireNoError(t *testing.T, lines []string) {
	t.Helper()
	for _, line := range lines {
		require.False(t, strings.HasPrefix(line, "E "), "%s", line)
	}
}

// TestFirstCauseIsKept: the peer goes, and what comes after that is no reason.
func TestFirstCauseIsKept(t *testing.T) {
	t.Parallel()
	addr := nobody(t)

	a := asks(t, "/broccoli/debug_messages yes\n", addr)
	a.await("E ", "") // nothing was tried
	a.await("M 4 ", "connection refused")
	requireNoError(t, a.await("E ", "connection refused")) // the first connect
	for range 2 {
		requireNoError(t, a.await("M ", "connection refused")) // and those in the background
	}

	// What comes now fails in another way.
	other, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	nc, err := other.Accept()
	require.NoError(t, err)
	_, err = io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
	require.NoError(t, err)
	requireNoError(t, a.await("M ", "peer "+addr))
	_ = nc.Close()

	for round := range 2 {
		p := open(t, other)
		lines := a.await("E ", "")
		require.Contains(t, strings.Join(lines, "\n"), "connected")
		requireNoError(t, lines)
		require.NoError(t, other.Close())
		require.NoError(t, p.Close())
		lines = a.await("E ", "the peer closed the connection")
		requireNoError(t, lines)
		// The second one soon after it may not be worth a warning any more.
		level := map[bool]string{true: "M 4 ", false: "M [47] "}[round == 0]
		require.Regexp(t, level+`\[`+addr+`\] connection lost: the peer closed the connection`, strings.Join(lines, "\n"))
		for range 2 {
			requireNoError(t, a.await("M ", "connection refused"))
		}
		other, err = net.Listen("tcp", addr)
		require.NoError(t, err)
	}
	require.NoError(t, other.Close())
	a.finish()
}

// open takes the next peer that comes and goes through the handshake.
func open(t *testing.T, l net.Listener) *peer.Conn {
	t.Helper()
	require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Second)))
	for {
		nc, err := l.Accept()
		require.NoError(t, err)
		if p, err := peer.Open(t.Context(), nc, peer.Config{}); err == nil {
			go func() { _ = drain(p) }()
			return p
		}
	}
}

// TestWarningsAreFew: without debugging, a peer that is away for long is worth a line, not one for
// each attempt.
func TestWarningsAreFew(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", nobody(t))
	require.NoError(t, err)
	a := asks(t, "", l.Addr().String())
	p := open(t, l)
	a.await("M 6 ", "connected")
	require.NoError(t, l.Close())
	require.NoError(t, p.Close())
	a.await("M 4 ", "connection lost")
	a.await("M 4 ", "connection refused")
	time.Sleep(3 * time.Second) // of several attempts
	for len(a.lines) > 0 {
		require.NotRegexp(t, "^M ", <-a.lines)
	}
	a.finish()
}

// TestMessagesOfAChild: it has its parent's function, and the messages of its own connection alone.
func TestMessagesOfAChild(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	a := asks(t, "", l.Addr().String(), "fork")
	parent := open(t, l)
	a.await("M 6 ", "connected")
	child := open(t, l)
	lines := a.await("child M 6 ", "connected")
	require.Contains(t, lines, "child E ", "what there was is the parent's")
	require.NoError(t, parent.Close())
	a.await("M 4 ", "connection lost")
	_ = child.Close()
	a.finish()
}
