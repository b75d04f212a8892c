package sshdtest

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// echo serves connections that get back what they send; it tells who they are.
func echo(t *testing.T) (port string, from chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	from = make(chan string, 10)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			from <- nc.RemoteAddr().String()
			go func() { defer nc.Close(); _, _ = io.Copy(nc, nc) }()
		}
	}()
	_, port, err = net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port, from
}

// dial connects once somebody listens.
func dial(t *testing.T, port string) net.Conn {
	t.Helper()
	var nc net.Conn
	var err error
	eventually(t, func() bool { nc, err = net.Dial("tcp", "127.0.0.1:"+port); return err == nil }, "nobody listens on %s", port)
	return nc
}

// pass sends something through, and waits for the end of the connection.
func pass(t *testing.T, nc net.Conn) {
	t.Helper()
	_, err := io.WriteString(nc, "hello")
	require.NoError(t, err)
	b := make([]byte, 5)
	_, err = io.ReadFull(nc, b)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
	require.NoError(t, nc.Close())
}

// forward writes the event of a forwarded connection.
func forward(chanID int, src, dst string, toHost bool) string {
	split := func(s string) string { host, port, _ := strings.Cut(s, ":"); return host + " " + port + "/tcp" }
	return fmt.Sprintf("channel_new_forward %d %s %s %v", chanID, split(src), split(dst), toHost)
}

// waitFor waits for an event of the last connection.
func (s *server) waitFor(cid int, want string) {
	s.t.Helper()
	eventually(s.t, func() bool {
		return s.count(func(g got) bool { return g.cid() == cid && g.String() == want }) > 0
	}, "no event %s", want)
}

func finish(t *testing.T, client *exec.Cmd) {
	t.Helper()
	require.NoError(t, client.Process.Kill())
	_ = client.Wait()
}

// TestLocalForward: the ends are those of the connection that sshd makes.
func TestLocalForward(t *testing.T) {
	s := newServer(t, settings{})
	port, from := echo(t)
	local := freePort(t)
	client := s.ssh("good", "-N", "-L", "127.0.0.1:"+local+":localhost:"+port, target())
	require.NoError(t, client.Start())
	pass(t, dial(t, local))
	event := forward(0, <-from, "127.0.0.1:"+port, true)
	s.waitFor(1, "channel_cleanup 0")
	finish(t, client)
	s.connection(ok(), event, "channel_cleanup 0")
}

// TestRemoteForward: the ends are those of the connection that sshd accepts. The
// channel that waits for it has number 0 and is nobody's.
func TestRemoteForward(t *testing.T) {
	s := newServer(t, settings{})
	port, _ := echo(t)
	remote := freePort(t)
	client := s.ssh("good", "-N", "-R", "127.0.0.1:"+remote+":127.0.0.1:"+port, target())
	require.NoError(t, client.Start())
	nc := dial(t, remote)
	event := forward(1, nc.LocalAddr().String(), "127.0.0.1:"+remote, false)
	pass(t, nc)
	s.waitFor(1, "channel_cleanup 1")
	finish(t, client)
	s.connection(ok(), event, "channel_cleanup 1")
}

// TestRefusedForward: what has not come to a connection is not told.
func TestRefusedForward(t *testing.T) {
	s := newServer(t, settings{})
	require.NotZero(t, s.status(s.ssh("good", "-W", "127.0.0.1:"+freePort(t), target())))
	s.connection(ok())
}

// TestKilledClient: channels that sshd had no time for end with their connection.
func TestKilledClient(t *testing.T) {
	s := newServer(t, settings{})
	port, from := echo(t)
	local := freePort(t)
	client := s.ssh("good", "-L", "127.0.0.1:"+local+":127.0.0.1:"+port, target(), "cat")
	in, err := client.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	require.NoError(t, client.Start())
	nc := dial(t, local)
	defer nc.Close()
	event := forward(1, <-from, "127.0.0.1:"+port, true)
	s.waitFor(1, "exec 0 cat")
	s.waitFor(1, event)
	finish(t, client)

	eventually(t, func() bool { return s.count(isNamed("conn_end")) > 0 }, "the connection does not end")
	events := texts(s.take(func(got) bool { return true }))
	require.ElementsMatch(t, []string{ok(), "channel_new_session 0 exec", "exec 0 cat", event,
		"channel_cleanup 0", "channel_cleanup 1", "conn_end"}, events[1:])
	require.Equal(t, "conn_end", events[len(events)-1])
}
