package sshdtest

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTimeout: whoever does not log in within LoginGraceTime.
func TestTimeout(t *testing.T) {
	s := newServer(t, settings{sshd: "LoginGraceTime 2"})
	silent := dial(t, s.port)
	defer silent.Close()
	s.connection("auth_timeout")

	// This one comes as far as the process without privileges.
	speaks := dial(t, s.port)
	defer speaks.Close()
	_, err := fmt.Fprint(speaks, "SSH-2.0-none\r\n")
	require.NoError(t, err)
	s.connection("auth_timeout")

	hangsUp := dial(t, s.port)
	require.NoError(t, hangsUp.Close())
	s.connection()
}

// TestSocketIsPrivate: nobody but root reaches the sensor.
func TestSocketIsPrivate(t *testing.T) {
	s := newServer(t, settings{})
	var socket string
	for _, path := range sockets(t) {
		if !slices.Contains(s.before, path) {
			socket = path
		}
	}
	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Zero(t, info.Sys().(*syscall.Stat_t).Uid)
	command := "test -e " + socket + " && ! test -r " + socket + " && ! test -w " + socket
	require.Equal(t, 0, s.status(s.ssh("good", target(), command)))
	s.connection(append([]string{ok()}, exec0(command)...)...)
}

// TestRestart: SIGHUP makes sshd anew, with a sensor of its own; the sessions
// that are open go on, and so do the numbers. No descriptor gets through.
func TestRestart(t *testing.T) {
	s := newServer(t, settings{})
	open := s.ssh("good", target(), "cat")
	in, err := open.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, open.Start())
	s.waitFor(1, "exec 0 cat")
	before := len(descriptors(t, s.pid()))

	for i := range 3 {
		old := s.sensors()
		require.NoError(t, s.cmd.Process.Signal(syscall.SIGHUP))
		s.listener("restart", "listen 127.0.0.1 "+s.port+"/tcp")
		eventually(t, func() bool { return len(s.sensors()) > 0 && len(descriptors(t, s.pid())) == before },
			"%d descriptors, and %d before", len(descriptors(t, s.pid())), before)
		s.cid = i + 1
		require.Equal(t, 0, s.status(s.ssh("good", target(), "true")))
		s.connection(append([]string{ok()}, exec0("true")...)...)
		if i > 0 { // the first one has the open session
			eventually(t, func() bool { return !isSensor(old[len(old)-1]) }, "an old sensor stays")
		}
	}
	require.Len(t, s.sensors(), 2)

	require.NoError(t, in.Close())
	require.NoError(t, open.Wait())
	s.numbered(1, append([]string{ok()}, exec0("cat")...)...)
	eventually(t, func() bool { return len(s.sensors()) == 1 }, "the first sensor stays")
}

// TestSessionsOutliveListener: they are reported to their end.
func TestSessionsOutliveListener(t *testing.T) {
	c := newCollector(t)
	s := startServer(t, c, settings{})
	s.listener("listen 127.0.0.1 " + s.port + "/tcp")
	open := s.ssh("good", target(), "cat")
	in, err := open.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, open.Start())
	s.waitFor(1, "exec 0 cat")
	sensors := s.sensors()
	require.Len(t, sensors, 1)
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	<-s.done
	s.listener("exit")
	require.True(t, isSensor(sensors[0]))
	require.NoError(t, in.Close())
	require.NoError(t, open.Wait())
	s.connection(append([]string{ok()}, exec0("cat")...)...)
	eventually(t, func() bool { return !isSensor(sensors[0]) }, "the sensor stays")
}

// TestKilledListener: it cannot say that it ends, and it is told all the same.
func TestKilledListener(t *testing.T) {
	s := startServer(t, newCollector(t), settings{})
	s.listener("listen 127.0.0.1 " + s.port + "/tcp")
	require.NoError(t, s.cmd.Process.Kill())
	s.listener("exit")
}

// TestKilledSensor: logins go on without it, and it is started again.
func TestKilledSensor(t *testing.T) {
	s := newServer(t, settings{})
	old := s.sensors()
	require.Len(t, old, 1)
	require.NoError(t, syscall.Kill(old[0], syscall.SIGKILL))
	lost := 0
	eventually(t, func() bool {
		require.Equal(t, 0, s.status(s.ssh("good", target(), "true")))
		if len(s.sensors()) == 0 {
			lost++
			return false
		}
		return true
	}, "no new sensor")
	s.cid = lost
	s.listener("listen 127.0.0.1 " + s.port + "/tcp")
	s.connection(append([]string{ok()}, exec0("true")...)...)
}
