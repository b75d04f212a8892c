package sshdtest

import (
	"bufio"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestChosenEvents: only those that the administrator wants, with the names that
// he gives them.
func TestChosenEvents(t *testing.T) {
	c := newCollector(t)
	s := startServer(t, c, settings{conf: "/sshd/events \"auth_*, conn_end exit\"\n/sshd/sid gateway"})
	require.Equal(t, 0, s.status(s.ssh("good", target(), "true")))
	require.Equal(t, 255, s.status(s.ssh("bad", target(), "true")))
	eventually(t, func() bool { return s.count(isNamed("conn_end")) == 2 }, "the connections do not end")
	s.quit()
	eventually(t, func() bool { return s.count(isNamed("exit")) > 0 }, "no exit event")
	events := s.take(func(got) bool { return true })
	require.Equal(t, []string{ok(), "conn_end", "auth_failed " + m.name, "conn_end", "exit"}, texts(events))
	for _, e := range events {
		require.Equal(t, "gateway", e.Args["sid"])
	}
}

// TestCollectorComesLate: what has happened before is told then.
func TestCollectorComesLate(t *testing.T) {
	c := prepareCollector(t)
	addr := "127.0.0.1:" + freePort(t)
	s := startServer(t, c, settings{collector: addr})
	require.Equal(t, 0, s.status(s.ssh("good", target(), "true")))
	c.addr = addr
	c.start(t, addr)
	s.listener("listen 127.0.0.1 " + s.port + "/tcp")
	s.connection(append([]string{ok()}, exec0("true")...)...)
	s.stop()
}

// TestNoCollector: sshd without the setting is as it would be without us.
func TestNoCollector(t *testing.T) {
	s := startServer(t, nil, settings{})
	require.Equal(t, 0, s.status(s.ssh("good", target(), "test -z \"$SSHD_SENSOR\"")))
	require.Empty(t, s.sensors())
	s.quit()
}

// TestBadSettings: what cannot be understood is told in sshd's log, and nobody is kept out.
func TestBadSettings(t *testing.T) {
	s := startServer(t, newCollector(t), settings{conf: "/sshd/events \"auth_ok nonsense\"\n/sshd/passwords perhaps"})
	require.Equal(t, 0, s.status(s.sshPassword(password, target(), "true")))
	s.connectionIs(1, ok())
	s.quit()
	log, err := os.ReadFile(s.log)
	require.NoError(t, err)
	require.Contains(t, string(log), "/sshd/events in broccoli.conf: no event is called nonsense")
	require.Contains(t, string(log), "/sshd/passwords in broccoli.conf is neither yes nor no")
}

func (s *server) connectionIs(cid int, want ...string) {
	s.t.Helper()
	mine := func(g got) bool { return g.cid() == cid }
	eventually(s.t, func() bool { return s.count(mine) >= len(want) }, "no %s", want)
	require.Equal(s.t, want, texts(s.take(mine)))
}

// TestData: lines in both directions, but not what is typed while the terminal
// shows nothing.
func TestData(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	require.Equal(t, 0, s.status(s.ssh("good", target(), "printf 'one\\ntwo\\r\\nrest'; echo wrong >&2")))
	events := s.lines(1)
	require.ElementsMatch(t, []string{"rx one", "rx two", "rx rest", "rx wrong"}, events)

	pipe := s.ssh("good", "-T", target(), "cat >/dev/null")
	pipe.Stdin = strings.NewReader("first line\n\nlast")
	require.Equal(t, 0, s.status(pipe))
	require.Equal(t, []string{"tx first line", "tx ", "tx last"}, s.lines(2))

	// A byte that is no text.
	require.Equal(t, 0, s.status(s.ssh("good", target(), "printf 'a\\0b\\nc\\n'")))
	require.Equal(t, []string{"rx a␛00b", "rx c"}, s.lines(3))

	require.Equal(t, []string{"rx secret please", "rx ready", "tx seen", "rx seen"}, s.typed(4))
	s.cid = 4
}

// typed runs a program on a terminal that asks for a secret, and then for more.
func (s *server) typed(cid int) []string {
	s.t.Helper()
	terminal := s.ssh("good", "-tt", target(), "stty -echo; echo secret please; read a; stty echo; echo ready; read b; test \"$a$b\" = hiddenseen")
	in, err := terminal.StdinPipe()
	require.NoError(s.t, err)
	out, err := terminal.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, terminal.Start())
	shown := bufio.NewScanner(out)
	for _, step := range [][2]string{{"secret please", "hidden"}, {"ready", "seen"}} {
		require.True(s.t, shown.Scan())
		require.Equal(s.t, step[0], shown.Text())
		_, err = io.WriteString(in, step[1]+"\n")
		require.NoError(s.t, err)
	}
	for shown.Scan() {
	}
	require.NoError(s.t, terminal.Wait())
	return s.lines(cid)
}

// lines returns the lines of a connection that has ended.
func (s *server) lines(cid int) (list []string) {
	s.t.Helper()
	mine := func(g got) bool { return g.cid() == cid }
	eventually(s.t, func() bool {
		return s.count(func(g got) bool { return mine(g) && g.short() == "conn_end" }) > 0
	}, "connection %d does not end", cid)
	for _, e := range s.take(mine) {
		if way, isData := strings.CutPrefix(e.short(), "data_"); isData {
			require.EqualValues(s.t, 0, e.Args["chan_id"])
			list = append(list, way+" "+e.Args["line"].(string))
		}
	}
	return list
}
