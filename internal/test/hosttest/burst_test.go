package hosttest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// bursting runs a host that sends that many events, and returns what it says.
func bursting(t *testing.T, settings, addr string, events int, args ...string) (refused int, all, longest time.Duration) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, []byte(settings), 0o600))
	cmd := run(t, "burst", append([]string{addr, fmt.Sprint(events)}, args...)...)
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	var ms, most int
	_, err = fmt.Sscan(string(out), &refused, &ms, &most)
	require.NoError(t, err)
	return refused, time.Duration(ms) * time.Millisecond, time.Duration(most) * time.Millisecond
}

// TestSlowPeerIsWaitedFor: a program that does not look at what bro_event_send() returns loses
// nothing to a peer that takes its time; here with more patience than the 50 ms of a machine that
// does nothing else.
func TestSlowPeerIsWaitedFor(t *testing.T) {
	const events = 20_000
	arrived := make(chan int, 1)
	addr, done := accept(t, func(nc net.Conn) error {
		p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"burst"}})
		if err != nil {
			return err
		}
		n := 0
		for ev := new(event.Event); p.Next(ev) == nil; n++ {
			for begin := time.Now(); time.Since(begin) < 20*time.Microsecond; {
			}
		}
		arrived <- n
		return nil
	})
	refused, _, _ := bursting(t, "/broccoli/send_wait 5000\n", addr, events)
	require.Zero(t, refused)
	require.NoError(t, <-done)
	require.Equal(t, events, <-arrived)
}

// TestStalledPeerIsWaitedForOnce: one that reads nothing holds the program for a moment in all, and
// with BRO_CFLAG_NOWAIT not at all.
func TestStalledPeerIsWaitedForOnce(t *testing.T) {
	for _, args := range [][]string{nil, {"nowait"}} {
		stop := make(chan struct{})
		addr, done := accept(t, func(nc net.Conn) error {
			_, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"burst"}})
			<-stop
			return err
		})
		refused, all, longest := bursting(t, "", addr, 200_000, args...)
		close(stop)
		require.NoError(t, <-done)
		require.Greater(t, refused, 10_000)
		t.Logf("%v: %d refused, %v in all, the longest %v", args, refused, all, longest)
		require.Less(t, longest, 2*time.Second, "50 ms on a machine with time")
		require.Less(t, all, 20*time.Second)
	}
}
