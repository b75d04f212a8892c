package main

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestReloadsWithPeersThatReadNothing: what peers are to be asked for takes memory once,
// and is not waited for at the end.
func TestReloadsWithPeersThatReadNothing(t *testing.T) {
	namesOf := func(set int) string {
		var b strings.Builder
		for i := range 3000 {
			fmt.Fprintf(&b, "made_up_event_number_%d_%d_%s\n", set, i, strings.Repeat("n", 60))
		}
		return b.String()
	}
	names := written(t, "names.txt", "one_event\n")
	c := launch(t, exec.Command(program, "-listen", "127.0.0.1:0", "-max-memory", "64M", "-log-dir", t.TempDir(),
		"-events", names, "/one_event|made_up.*/"))
	for range 100 {
		require.NoError(t, shakesHands(t, c.addr).(*net.TCPConn).SetReadBuffer(2048))
	}
	time.Sleep(500 * time.Millisecond)
	for n := range 45 {
		rewrite(t, names, "one_event\n"+namesOf(n%3))
		c.reload(t)
	}
	high := c.highWater(t)
	t.Logf("%d MiB were resident", high>>20)
	require.Less(t, high, int64(64<<20+32<<20+256*128<<10))
	begun := time.Now()
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Less(t, time.Since(begun), endTime)
}
