package main

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDescriptorsAreDivided(t *testing.T) {
	for _, c := range []struct {
		d                    descriptors
		logs, peers, clients int
	}{
		{descriptors{limit: 1 << 20, logs: true, maxPeers: 10_000}, 256, 10_000, 0},
		{descriptors{limit: 1 << 20, maxPeers: 10_000}, 0, 10_000, 0},
		{descriptors{limit: 1024, logs: true, maxPeers: 10_000}, 240, 480, 0},
		{descriptors{limit: 256, logs: true, maxPeers: 10_000}, 48, 96, 0},
		{descriptors{limit: 256, maxPeers: 10_000}, 0, 192, 0},
		{descriptors{limit: 1024, logs: true, clients: 256, connect: 100, maxPeers: 100}, 151, 100, 256},
		{descriptors{limit: 256, logs: true, clients: 256, maxPeers: 10_000}, 24, 48, 96},
		{descriptors{limit: 1024, clients: 10, maxPeers: 10_000}, 0, 950, 10},
	} {
		by, err := c.d.divide()
		require.NoError(t, err)
		require.Equal(t, division{c.logs, c.peers, c.clients}, by, "%+v", c.d)
	}
	_, err := descriptors{limit: 64, maxPeers: 1}.divide()
	require.ErrorContains(t, err, "64 files may be open (RLIMIT_NOFILE), which are too few")
}

// TestStrangersLeaveRoomForLogs: with as many of them as there are descriptors, the
// next log can be opened all the same, and rotated.
func TestStrangersLeaveRoomForLogs(t *testing.T) {
	dir := t.TempDir()
	c := launch(t, exec.Command("sh", "-c", `ulimit -n 256 && exec "$0" "$@"`, program,
		"-listen", "127.0.0.1:0", "-log-dir", dir, "-fsync", "never"))
	require.Contains(t, c.passed, "96 peers may be connected at a time, not 10000: 256 files may be open")
	p, _ := sensor(t, c.addr, nil)
	for range 300 {
		nc, err := net.DialTimeout("tcp", c.addr, deadline)
		require.NoError(t, err)
		defer nc.Close()
	}
	c.wait(t, "96 peers are connected, and no more may")
	wrote := func(names ...string) {
		for _, name := range names {
			require.Eventually(t, func() bool {
				info, err := os.Stat(dir + "/sensor_sshd_" + name + ".log")
				return err == nil && info.Size() > 0
			}, deadline, 10*time.Millisecond, name)
		}
	}
	for _, name := range kinds {
		require.NoError(t, p.Send(numbered(name, 1)))
		require.NoError(t, p.Flush())
	}
	wrote(kinds...)
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir + "/sensor_sshd_exec.log")
		return os.IsNotExist(err)
	}, deadline, 10*time.Millisecond, "it is rotated")
	require.NoError(t, p.Send(numbered("auth_ok", 2)))
	require.NoError(t, p.Flush())
	wrote("auth_ok")
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.NotContains(t, said, "too many open files")
}
