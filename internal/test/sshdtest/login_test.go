package sshdtest

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const attempt = "auth_password_attempt"

func exec0(command string) []string {
	return []string{"channel_new_session 0 exec", "exec 0 " + command, "channel_exit 0 0", "channel_cleanup 0"}
}

// TestKeys: the connection's addresses and ports are those that the client has.
func TestKeys(t *testing.T) {
	s := newServer(t, settings{})
	out, err := s.ssh("good", target(), "echo $SSH_CONNECTION").Output()
	require.NoError(t, err)
	conn := s.connection(append([]string{ok()}, exec0("echo $SSH_CONNECTION")...)...)
	require.Equal(t, strings.TrimSpace(string(out)), fmt.Sprintf("%s %s %s %s", conn.Args["src_ip"],
		strings.TrimSuffix(conn.Args["src_p"].(string), "/tcp"), conn.Args["dst_ip"], s.port))

	require.Equal(t, 255, s.status(s.ssh("bad", target(), "true")))
	s.connection("auth_failed " + m.name)

	// Nobody knows that user; the name is as it was typed.
	require.Equal(t, 255, s.status(s.ssh("good", "no-such-user@127.0.0.1", "true")))
	s.connection("auth_failed no-such-user")

	// One process does all for root.
	require.Equal(t, 0, s.status(s.ssh("good", "root@127.0.0.1", "true")))
	s.connection(append([]string{"auth_ok root 0 0"}, exec0("true")...)...)
}

// TestPasswords: attempts are told, and passwords are not.
func TestPasswords(t *testing.T) {
	s := newServer(t, settings{})
	require.Equal(t, 0, s.status(s.sshPassword(password, target(), "true")))
	s.connection(append([]string{attempt + " " + m.name + "  true", ok()}, exec0("true")...)...)

	require.Equal(t, 255, s.status(s.sshPassword("wrong", "-o", "NumberOfPasswordPrompts=2", target(), "true")))
	failed := []string{attempt + " " + m.name + "  false", "auth_failed " + m.name}
	s.connection(append(failed, failed...)...)

	require.Equal(t, 255, s.status(s.sshPassword(password, "-o", "NumberOfPasswordPrompts=1", "no-such-user@127.0.0.1", "true")))
	s.connection(attempt+" no-such-user  false", "auth_failed no-such-user")

	// Debian's default: root has to show a key.
	require.Equal(t, 255, s.status(s.sshPassword(password, "-o", "NumberOfPasswordPrompts=1", "root@127.0.0.1", "true")))
	s.connection(attempt+" root  false", "auth_failed root")
}

// TestPasswordsWanted: with the setting, they are told.
func TestPasswordsWanted(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/passwords yes"})
	require.Equal(t, 0, s.status(s.sshPassword(password, target(), "true")))
	s.connection(append([]string{attempt + " " + m.name + " " + password + " true", ok()}, exec0("true")...)...)
	require.Equal(t, 255, s.status(s.sshPassword("wrong", "-o", "NumberOfPasswordPrompts=1", target(), "true")))
	s.connection(attempt+" "+m.name+" wrong false", "auth_failed "+m.name)
}

func TestSessions(t *testing.T) {
	s := newServer(t, settings{})
	session := func(stype string, more ...string) []string {
		return append(append([]string{ok(), "channel_new_session 0 " + stype}, more...), "channel_cleanup 0")
	}

	require.Equal(t, 3, s.status(s.ssh("good", target(), "exit 3")))
	s.connection(session("exec", "exec 0 exit 3", "channel_exit 0 3")...)

	require.Equal(t, 255, s.status(s.ssh("good", target(), "kill -TERM $$")))
	s.connection(session("exec", "exec 0 kill -TERM $$", "channel_exit 0 -15")...)

	shell := s.ssh("good", "-T", target())
	shell.Stdin = strings.NewReader("exit 5\n")
	require.Equal(t, 5, s.status(shell))
	s.connection(session("shell", "channel_exit 0 5")...)

	terminal := s.ssh("good", "-tt", target())
	terminal.Stdin = strings.NewReader("exit 6\n")
	require.Equal(t, 6, s.status(terminal))
	s.connection(session("shell", "channel_exit 0 6")...)

	sftp := s.client("sftp", "-b", "-", "-o", "IdentityFile="+m.dir+"/good", target())
	sftp.Stdin = strings.NewReader("pwd\n")
	require.Equal(t, 0, s.status(sftp))
	s.connection(session("subsystem", "exec 0 "+m.openssh+"/sftp-server", "channel_exit 0 0")...)
}

// TestForcedCommand: what the client wanted, and what has run.
func TestForcedCommand(t *testing.T) {
	s := newServer(t, settings{sshd: "ForceCommand echo forced"})
	out, err := s.ssh("good", "-T", target()).Output()
	require.NoError(t, err)
	require.Equal(t, "forced\n", string(out))
	s.connection(ok(), "channel_new_session 0 shell", "exec 0 echo forced", "channel_exit 0 0", "channel_cleanup 0")
}

// TestManyAtOnce: 50 logins in parallel, and each is told once, in order.
func TestManyAtOnce(t *testing.T) {
	const logins = 50
	s := newServer(t, settings{})
	var wg sync.WaitGroup
	clients := make([]*exec.Cmd, logins)
	for i := range clients {
		clients[i] = s.ssh("good", "-o", "ConnectTimeout=120", target(), fmt.Sprintf("exit %d", i))
		wg.Go(func() { _ = clients[i].Run() })
	}
	wg.Wait()
	exits := map[string]bool{}
	for i, c := range clients {
		require.Equal(t, i, c.ProcessState.ExitCode())
	}
	for range clients {
		s.cid++
		events := s.connectionOfMany(s.cid)
		command := strings.TrimPrefix(events[2], "exec 0 exit ")
		require.False(t, exits[command], "command %s is there twice", command)
		exits[command] = true
		require.Equal(t, []string{ok(), "channel_new_session 0 exec", "exec 0 exit " + command,
			"channel_exit 0 " + command, "channel_cleanup 0", "conn_end"}, events)
	}
	require.Len(t, exits, logins)
}

// connectionOfMany returns what is after conn_new.
func (s *server) connectionOfMany(cid int) []string {
	mine := func(g got) bool { return g.cid() == cid }
	eventually(s.t, func() bool {
		return s.count(func(g got) bool { return mine(g) && g.short() == "conn_end" }) > 0
	}, "connection %d does not end", cid)
	events := texts(s.take(mine))
	require.Regexp(s.t, "^conn_new 127.0.0.1 [0-9]+/tcp 127.0.0.1 "+s.port+"/tcp$", events[0])
	require.Len(s.t, events, 7)
	return events[1:]
}
