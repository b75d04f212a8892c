package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// courierFrom is a sensor at an address of its own, whose events are confirmed.
func courierFrom(t *testing.T, from, addr string) (*peer.Conn, *delivery.Journal) {
	t.Helper()
	journal := delivery.NewJournal(64 << 20)
	p := opened(t, dialFrom(t, from, addr), peer.Config{Class: "sensor", Journal: journal})
	go func() {
		for ev := new(event.Event); p.Next(ev) == nil; {
		}
	}()
	return p, journal
}

// TestSessionsThatGoOn have lines meanwhile; when their sensor is gone for long, the last
// one says so, also if the collector was killed in between.
func TestSessionsThatGoOn(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-log-dir", dir, "-session-interval", "300ms", "-session-lost", "1s", "-log-format", "json"}
	c := start(t, args...)
	p, journal := courierFrom(t, "127.0.0.1", c.addr)
	sendsAll(t, p, journal, sessionEvents("s", 1, float64(time.Now().Unix()))[:5]...)
	reasons := func() (all []string) {
		for _, r := range records(t, dir) {
			require.Equal(t, []string{"command 1"}, r.Commands)
			all = append(all, r.Reason)
		}
		return all
	}
	// Longer than a sensor may be away: it is there.
	require.Eventually(t, func() bool { return len(reasons()) > 6 }, deadline, 10*time.Millisecond)
	require.NotContains(t, reasons(), "sensor lost")
	c.end(t, syscall.SIGKILL)
	_ = p.Close()
	c = start(t, args...)
	require.Eventually(t, func() bool {
		all := reasons()
		return all[len(all)-1] == "sensor lost" || strings.Contains(strings.Join(all, " "), "sensor lost")
	}, deadline, 10*time.Millisecond)
	n := len(reasons())
	time.Sleep(time.Second)
	require.Len(t, reasons(), n, "it is over")
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}

// TestSessionsHaveBounds: whatever a sensor claims, the program takes no more than it may,
// and tells which records it had to close; those of others stay.
func TestSessionsHaveBounds(t *testing.T) {
	dir := t.TempDir()
	const most = 128 << 20
	args := []string{"-log-dir", dir, "-log-files", "one", "-fsync", "never", "-max-memory", "128M"}
	c := start(t, args...)
	good, receipts := courierFrom(t, "127.0.0.2", c.addr)
	sendsAll(t, good, receipts, sessionEvents("s", 1, 1000)[:5]...)

	bad, journal := courierFrom(t, "127.0.0.1", c.addr)
	long := string(bytes.Repeat([]byte("\x01\xff"), 2<<20))
	const connections = 60_000
	for cid := 1; cid <= connections; cid++ {
		require.NoError(t, bad.Send(told("s", "auth_ok", 1000, cid, "user", int64(1), int64(1))))
		if cid%100 == 0 {
			for n := range 50 { // many texts, of which all that there is is kept
				require.NoError(t, bad.Send(told("s", "exec", 1000, cid, n, strings.Repeat("x", 1100))))
			}
		}
		if cid%20_000 == 0 {
			sendsAll(t, bad, journal, told("s", "exec", 1000, cid, 0, long))
		}
	}
	for n := range 30_000 { // and each of a sensor of its own
		require.NoError(t, bad.Send(told(fmt.Sprint("sensor ", n), "auth_failed", 1000, 1, "user")))
	}
	sendsAll(t, bad, journal)
	const without = 32<<20 + 128<<10*256
	require.Less(t, c.highWater(t), int64(most+without))
	info, err := os.Stat(dir + "/sshd_session.state")
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(64<<20))

	sendsAll(t, good, receipts, sessionEvents("s", 1, 1000)[5:]...)
	c.end(t, syscall.SIGKILL)
	c = start(t, args...) // takes over what there is
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	lines := map[string]int{}
	for _, r := range records(t, dir) {
		key := fmt.Sprint(r.Sid, r.Cid)
		if r.User == "alice" {
			key = "alice"
			require.Equal(t, "closed", r.Reason)
		} else {
			require.Equal(t, "no room", r.Reason)
		}
		lines[key]++
	}
	require.Equal(t, 1, lines["alice"])
	for key, n := range lines {
		require.Equal(t, 1, n, key)
	}
	require.Greater(t, len(lines), connections/2)
	require.Less(t, len(lines), connections+30_000, "some are open")
}
