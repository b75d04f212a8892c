package sshdtest

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMaxStartups: connections that are dropped have no number, but an event.
func TestMaxStartups(t *testing.T) {
	s := newServer(t, settings{sshd: "MaxStartups 2"})
	one, two := dial(t, s.port), dial(t, s.port)
	for range 2 { // both processes speak, so that both count
		_, err := bufio.NewReader(one).ReadString('\n')
		require.NoError(t, err)
		one, two = two, one
	}
	three := dial(t, s.port)
	_, err := io.ReadAll(three)
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(three.LocalAddr().String())
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1 "+port+"/tcp 127.0.0.1 "+s.port+"/tcp MaxStartups",
		s.details(t, 0, 1, "conn_drop")[0].values("src_ip src_p dst_ip dst_p reason"))
	require.NoError(t, three.Close())
	require.NoError(t, one.Close())
	require.NoError(t, two.Close())
	s.connection()
	s.connection()
	s.loginAtLast()
}

// TestPenalties: those that OpenSSH 10.0 keeps out for what they did before.
func TestPenalties(t *testing.T) {
	if !m.ours.isSplit() {
		t.Skip("this OpenSSH has no PerSourcePenalties")
	}
	s := newServer(t, settings{sshd: "PerSourcePenalties authfail:5 min:3"})
	require.Equal(t, 255, s.status(s.ssh("bad", target(), "true")))
	s.connection("auth_failed " + m.name)
	var said []byte
	eventually(t, func() bool { // the penalty comes when the process has ended
		said, _ = s.ssh("bad", target(), "true").CombinedOutput()
		return !strings.Contains(string(said), "Permission denied")
	}, "no penalty")
	require.Contains(t, s.details(t, 0, 1, "conn_drop")[0].values("reason"), "penalty: ")
	for s.count(isNamed("conn_new")) > 0 {
		s.connection("auth_failed " + m.name)
	}
	s.loginAtLast()
}

// loginAtLast logs in as soon as that is allowed. It is the next connection.
func (s *server) loginAtLast() {
	s.t.Helper()
	eventually(s.t, func() bool {
		time.Sleep(100 * time.Millisecond)
		return s.status(s.ssh("good", target(), "true")) == 0
	}, "nobody gets in any more")
	s.connection(append([]string{ok()}, exec0("true")...)...)
}
