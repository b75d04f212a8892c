package main

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// connectTo is a policy with a destination at that listener.
func connectTo(l net.Listener, more string) string {
	return fmt.Sprintf("redef Remote::destinations += { [\"it\"] = [$host=127.0.0.1, $p=%d/tcp, $events=/sensor_sshd_.*/, $connect=T%s] };\n",
		l.Addr().(*net.TCPAddr).Port, more)
}

// TestReloadOnAFullDisk: a destination that is held back and is one no more ends, and
// nothing else does.
func TestReloadOnAFullDisk(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]bool{"alone": false, "with others": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			const anyone = `redef Remote::destinations += { ["others"] = [$host=127.0.0.1, $class="others", $events=/sensor_sshd_.*/] };` + "\n"
			policy := written(t, "local.bro", anyone+connectTo(l, ", $retry=1 sec"))
			c := onSmallDisk(t, "size=8m", "-log-files", "one", "-policy", policy, "-metrics", "127.0.0.1:0")
			metrics := c.earlier(t, `metrics at (\S+)/metrics`)
			nc, err := l.Accept()
			require.NoError(t, err)
			gone := &courier{journal: delivery.NewJournal(64 << 20), n: 2000}
			gone.conn = opened(t, nc, peer.Config{Journal: gone.journal})
			c.fill(t, 64<<10)
			gone.run()
			c.wait(t, `is full, and sensors wait`)
			stays := &courier{journal: delivery.NewJournal(64 << 20), from: 2000}
			stays.conn = opened(t, dialFrom(t, "127.0.0.1", c.addr), peer.Config{Class: "others", Journal: stays.journal})
			if others {
				stays.n = 500
				stays.run()
				require.Eventually(t, func() bool { return stays.sent.Load() == 500 }, deadline, time.Millisecond)
				time.Sleep(500 * time.Millisecond)
			}
			rewrite(t, policy, anyone)
			require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
			c.wait(t, `reloaded: 1 destinations`)
			require.Error(t, <-gone.ended)
			healthy := map[bool]int{false: 200, true: 503}[others]
			require.Eventually(t, func() bool { code, _ := get(t, metrics+"/healthz"); return code == healthy }, deadline, 10*time.Millisecond)
			c.makeRoom(t)
			if !others {
				stays.n = 1
				stays.run()
			}
			c.wait(t, `there is room again`)
			require.Eventually(t, func() bool { return stays.confirmed() == stays.n }, deadline, 10*time.Millisecond)
			require.Empty(t, stays.ended)
			require.Eventually(t, func() bool { code, _ := get(t, metrics+"/healthz"); return code == 200 }, deadline, 10*time.Millisecond)
			code, said := c.end(t, syscall.SIGTERM)
			require.Zero(t, code, said)
			require.Regexp(t, `[1-9]\d* events had come and could not be written`, said)
			found := numbers(t, c.at)
			for n := range gone.confirmed() {
				require.Contains(t, found, fmt.Sprint(n), "it was confirmed")
			}
			for n := range stays.n {
				require.Equal(t, 1, found[fmt.Sprint(stays.from+n)])
			}
		})
	}
}
