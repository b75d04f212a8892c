package hosttest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// spooling gives the host a spool, and returns its directory.
func spooling(t *testing.T, cmd *exec.Cmd, settings ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "spool")
	require.NoError(t, os.Mkdir(dir, 0o700))
	respool(t, cmd, dir, settings...)
	return dir
}

// respool is the same with a spool that is there already.
func respool(t *testing.T, cmd *exec.Cmd, dir string, settings ...string) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	lines := append([]string{"/broccoli/spool_dir " + dir}, settings...)
	require.NoError(t, os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
}

// awaitUnlocked waits until nobody has the spools in that directory, as far as there are any: a core
// that is a process of its own goes on for a moment when its host has ended.
func awaitUnlocked(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool {
		locks, err := filepath.Glob(dir + "/*/lock")
		return err == nil && !slices.ContainsFunc(locks, isLocked)
	}, goneIn, time.Millisecond)
}

func isLocked(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false // it has been removed
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// requireOurs: nobody else can look at what a spool holds.
func requireOurs(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, path)
		return nil
	}))
}

// TestSpoolAndFork: each process has a spool of its own; no event is lost or
// comes twice, and nothing is left.
func TestSpoolAndFork(t *testing.T) {
	const children = 10
	addr, stop := collector(t, "parent", "child", "grandchild")
	cmd := host(t, "fork", addr, fmt.Sprint(children))
	dir := spooling(t, cmd)
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Empty(t, string(out))
	want := map[string]int{"parent[0]": 1, "parent[1]": 1, "parent[2]": 1}
	for i := range children {
		want[fmt.Sprintf("child[%d]", i)] = 1
		want[fmt.Sprintf("grandchild[%d]", i)] = 1
	}
	require.Equal(t, want, stop())
	requireEmpty(t, dir)
}

func TestSpoolAndForkWhileThreadsSend(t *testing.T) {
	addr, stop := collector(t, "tick", "child", "total")
	cmd := run(t, "daemon", "busyfork", addr, "5")
	// Little, so that all of it can be sent at the end.
	dir := spooling(t, cmd, "/broccoli/spool_max_bytes 1048576")
	out, err := cmd.Output()
	require.NoError(t, err, string(out))
	got := stop()
	ticks, total := 0, 0
	for name, n := range got {
		if strings.HasPrefix(name, "tick") {
			ticks += n
		}
		_, _ = fmt.Sscanf(name, "total[%d]", &total)
	}
	require.Equal(t, total, ticks)
	for i := range 5 {
		require.Equal(t, 1, got[fmt.Sprintf("child[%d]", i)])
	}
	requireEmpty(t, dir)
}

// TestSpoolOutlivesTheProcess: the peer is not there as long as the first
// process lives, and the second one sends what that has left before its own.
func TestSpoolOutlivesTheProcess(t *testing.T) {
	addr := nobody(t)
	first := host(t, "leave", addr, "500")
	dir := spooling(t, first)
	out, err := first.Output()
	require.NoError(t, err)
	require.Equal(t, "500\n", string(out))
	requireOurs(t, dir)

	// One that never connects changes nothing.
	other := host(t, "leave", nobody(t), "7")
	respool(t, other, dir)
	require.NoError(t, other.Run())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2)

	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	events := deliver(t, l, dir, "deliver")
	require.Len(t, events, 501)
	for i := range 500 {
		require.Equal(t, fmt.Sprintf("left %d", i), events[i])
	}
	require.Equal(t, "last 1", events[500])
	left, err = os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "that of the other peer")
}

// TestSpoolOutlivesADelete: who ends as it should be, with the peer away, leaves
// its events too.
func TestSpoolOutlivesADelete(t *testing.T) {
	addr := nobody(t)
	first := host(t, "leave", addr, "500", "delete")
	dir := spooling(t, first)
	out, err := first.Output()
	require.NoError(t, err)
	require.Equal(t, "500\n", string(out))
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	require.Len(t, deliver(t, l, dir, "deliver"), 501)
	requireEmpty(t, dir)
}

// deliver runs a host with that spool, and returns the events that arrive.
func deliver(t *testing.T, l net.Listener, dir, mode string) []string {
	t.Helper()
	var events []string
	done := acceptOn(t, l, peer.Config{Requests: []string{"left", "last"}}, func(p *peer.Conn) error {
		return receive(p, func(name string, n uint64) { events = append(events, fmt.Sprintf("%s %d", name, n)) })
	})
	cmd := host(t, mode, l.Addr().String())
	respool(t, cmd, dir)
	awaitUnlocked(t, dir)
	require.NoError(t, cmd.Run())
	require.NoError(t, <-done)
	awaitUnlocked(t, dir)
	return events
}

// TestSpoolIsReportedBroken: a file that was damaged meanwhile costs only what
// it held, and that is told.
func TestSpoolIsReportedBroken(t *testing.T) {
	addr := nobody(t)
	first := host(t, "leave", addr, "2000", "settle")
	dir := spooling(t, first)
	require.NoError(t, first.Run())
	awaitUnlocked(t, dir)
	segments, err := filepath.Glob(dir + "/*/log/*")
	require.NoError(t, err)
	require.NotEmpty(t, segments)
	b, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(segments[0], b, 0o600))

	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	var got int
	done := acceptOn(t, l, peer.Config{Requests: []string{"left", "last"}}, func(p *peer.Conn) error {
		return receive(p, func(string, uint64) { got++ })
	})
	cmd := host(t, "exit", addr)
	stats := filepath.Join(t.TempDir(), "stats")
	respool(t, cmd, dir, "/broccoli/debug_messages yes", "/broccoli/stats_interval 1000", "/broccoli/stats_file "+stats)
	var told bytes.Buffer
	cmd.Stderr = &told
	require.NoError(t, cmd.Run())
	require.NoError(t, <-done)
	require.Less(t, got, 2001)
	require.Greater(t, got, 1, "other batches arrive")
	require.Contains(t, told.String(), "is lost")
	line, err := os.ReadFile(stats)
	require.NoError(t, err)
	require.Regexp(t, `lost=1\n$`, string(line))
	requireEmpty(t, dir)
}

// TestSpoolInJail: who gives up everything after the connect goes on
// delivering, though new files cannot be made any more.
func TestSpoolInJail(t *testing.T) {
	addr, stop := collector(t, "jailed")
	cmd := run(t, "daemon", "jail", addr)
	spooling(t, cmd)
	require.NoError(t, cmd.Run())
	got := stop()
	for i := range 1000 {
		require.Equal(t, 1, got[fmt.Sprintf("jailed[%d]", i)], "event %d", i)
	}
}

// TestSpoolRefuses: a spool that cannot be had, or that is not safe, makes the
// connect FALSE, with the reason.
func TestSpoolRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(open, 0o700))
	require.NoError(t, os.Chmod(open, 0o777))
	reasons := map[string]string{
		"spool":        "full path",
		"/nonexistent": "No such file",
		file:           "no directory",
		open:           "others can write",
		"/proc/self":   "cannot make a folder",
	}
	if os.Geteuid() == 0 { // only root can give one away
		theirs := filepath.Join(t.TempDir(), "theirs")
		require.NoError(t, os.Mkdir(theirs, 0o700))
		require.NoError(t, os.Chown(theirs, 65534, 65534))
		reasons[theirs] = "must belong to root or to the user"
	}
	for dir, reason := range reasons {
		addr, _ := collector(t)
		cmd := host(t, "connect", addr)
		respool(t, cmd, dir, "/broccoli/debug_messages yes")
		var told bytes.Buffer
		cmd.Stderr = &told
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Contains(t, string(out), "FALSE", dir)
		require.Contains(t, told.String(), reason, dir)
	}
	// A directory that several users share.
	require.NoError(t, os.Chmod(open, 0o777|os.ModeSticky))
	addr, _ := collector(t)
	cmd := host(t, "connect", addr)
	respool(t, cmd, open)
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "TRUE")
	requireEmpty(t, open)
}

// TestIdleSpoolEnds: where there is nothing to wait for, bro_conn_delete() does
// not wait until its time is over.
func TestIdleSpoolEnds(t *testing.T) {
	addr, _ := collector(t)
	_, told := secureHost(t, "/broccoli/spool_dir "+t.TempDir()+"\n", "idle", addr, "300")
	require.NotContains(t, told, "not everything")
}

// TestSpoolHasItsBlocks: a disk that becomes full does not end a host that
// writes to its ring, and a limit on the size of files makes a connect FALSE.
func TestSpoolHasItsBlocks(t *testing.T) {
	cmd := host(t, "leave", nobody(t), "1")
	dir := spooling(t, cmd)
	require.NoError(t, cmd.Run())
	rings, err := filepath.Glob(dir + "/*/ring")
	require.NoError(t, err)
	require.Len(t, rings, 1)
	info, err := os.Stat(rings[0])
	require.NoError(t, err)
	require.GreaterOrEqual(t, info.Sys().(*syscall.Stat_t).Blocks*512, info.Size())

	addr, _ := collector(t)
	cmd = host(t, "connect", addr)
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -f 64; exec "$0" "$@"`}, cmd.Args...)
	spooling(t, cmd, "/broccoli/debug_messages yes")
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.Output()
	require.NoError(t, err, told.String())
	require.Contains(t, string(out), "FALSE")
	require.Contains(t, told.String(), "File too large")
}

// TestSpoolIsBounded: with the peer away, events are accepted until the spool
// is full and then the queue; what was accepted arrives.
func TestSpoolIsBounded(t *testing.T) {
	t.Parallel()
	addr := nobody(t)
	cmd := host(t, "leave", addr, "1000000")
	dir := spooling(t, cmd, "/broccoli/spool_max_bytes 4194304")
	out, err := cmd.Output()
	require.NoError(t, err)
	var accepted int
	_, err = fmt.Sscan(string(out), &accepted)
	require.NoError(t, err)
	require.Less(t, accepted, 200_000)
	require.Greater(t, accepted, 16384, "more than the queue takes")
	used, err := exec.Command("du", "-sb", dir).Output()
	require.NoError(t, err)
	var bytes int
	_, err = fmt.Sscan(string(used), &bytes)
	require.NoError(t, err)
	require.Less(t, bytes, 6<<20)
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	seen := map[string]bool{}
	for again := true; again; { // a process that ends does not wait until all is delivered
		for _, ev := range deliver(t, l, dir, "exit") {
			seen[ev] = true
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		again = len(left) > 0
	}
	require.Equal(t, accepted+1, len(seen), "with one of our own")
}
