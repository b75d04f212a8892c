package hosttest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Where the core is a process of its own, whatever the build has by default.
const coreIsProcess = "/broccoli/core process\n"

// callMax is how long a call of the host's may take while its core dies: what the front gives
// another one to answer, and something for a loaded machine.
const callMax = 8 * time.Second

// deathHost is soakHost for testdata/deaths.c, with a core that can be told from others.
func deathHost(t *testing.T, s soak, dir, conf, addr string, run, events uint64) (cmd *exec.Cmd, said *bytes.Buffer, accepted func() uint64) {
	t.Helper()
	return soakProgram(t, s, "deaths", coreIsProcess+conf, []string{"LD_LIBRARY_PATH=" + dir}, addr, run, events)
}

// noticed is what deaths.c has seen.
type noticed struct{ signals, children, descriptors, memory, longest, processor int }

func readNoticed(t *testing.T, said string) (n noticed) {
	t.Helper()
	_, err := fmt.Sscanf(said, "signals %d children %d descriptors %d memory %d longest %d processor %d",
		&n.signals, &n.children, &n.descriptors, &n.memory, &n.longest, &n.processor)
	require.NoError(t, err, said)
	return n
}

// requireUnnoticed: the host has lost its connection, and nothing else.
func requireUnnoticed(t *testing.T, n noticed) {
	t.Helper()
	assert.Zero(t, n.signals, "SIGPIPE or SIGCHLD")
	assert.Zero(t, n.children, "that wait() could see")
	assert.Zero(t, n.descriptors, "more than before")
	assert.Less(t, n.memory, 8<<10, "KiB more than before")
	assert.Less(t, time.Duration(n.longest)*time.Millisecond, callMax)
}

// TestSoakCoreConfirm: with /broccoli/confirm, what was accepted is delivered though the core,
// a process of its own, is killed again and again, and the host notices nothing of that.
func TestSoakCoreConfirm(t *testing.T) {
	t.Parallel()
	s := newSoak(t)
	dir := ownCore(t)
	r := newRestarted(t)
	cmd, said, accepted := deathHost(t, s, dir, "/broccoli/confirm yes\n/broccoli/retry 1\n", r.addr(), 0, s.events)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	killed := 0
	for k := range s.kills {
		what := fmt.Sprintf("kill %d", k)
		until(t, s, done, what, func() bool { return accepted() >= (k+1)*s.events/(s.kills+1) })
		until(t, s, done, what, func() bool {
			n := kill(cores(dir)) // one may be about to take the place of another
			killed += n
			return n > 0
		})
	}
	until(t, s, done, "all is accepted", func() bool { return accepted() == s.events })
	require.NoError(t, <-done)
	n := readNoticed(t, said.String())
	requireUnnoticed(t, n)
	r.kill()
	a, twice, longest := r.read()
	require.Equal(t, s.events, uint64(len(a[0])), "accepted = delivered")
	require.GreaterOrEqual(t, killed, int(s.kills))
	t.Logf("%d events accepted and delivered, %d of them again, at most %d at a time, over %d kills of the core; host: %+v",
		s.events, twice, longest, killed, n)
	requireBound(t, longest)
}

// uses reports whether one of the processes has a file in that folder open.
func uses(pids []int, folder string) bool {
	return slices.ContainsFunc(pids, func(pid int) bool {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		return err == nil && slices.ContainsFunc(files, func(file string) bool {
			path, err := os.Readlink(file)
			return err == nil && strings.HasPrefix(path, folder+"/")
		})
	})
}

// TestSoakCoreSpool: with /broccoli/spool_dir, what was accepted is delivered though the core is
// killed, or the host, or one after the other.
func TestSoakCoreSpool(t *testing.T) {
	t.Parallel()
	s := newSoak(t)
	dir := ownCore(t)
	r := newRestarted(t)
	rnd := rand.New(rand.NewPCG(s.seed, 3))
	spool := t.TempDir()
	conf := "/broccoli/retry 1\n/broccoli/spool_dir " + spool + "\n"
	var counts []uint64
	killed := 0
	for run := range s.kills {
		events := s.events / s.kills
		before := cores(dir) // which write for hosts that are gone
		cmd, said, accepted := deathHost(t, s, dir, conf, r.addr(), run, events)
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		what, at := fmt.Sprintf("run %d", run), 1+rnd.Uint64N(events)
		until(t, s, done, what, func() bool { return accepted() >= at })
		first := without(cores(dir), before)
		killed += kill(first)
		hostToo := run%2 == 1
		if hostToo { // once another core has what waits, or when all has been delivered
			before = append(before, first...)
			until(t, s, done, what, func() bool { return len(done) > 0 || uses(without(cores(dir), before), spool) })
			at = min(accepted()+10, events)
			until(t, s, done, what, func() bool { return accepted() >= at })
			time.Sleep(time.Duration(rnd.Int64N(int64(100 * time.Millisecond))))
			_ = cmd.Process.Kill()
		}
		err := <-done
		var end *exec.ExitError
		require.True(t, err == nil || hostToo && errors.As(err, &end), "run %d: %v", run, err)
		if err == nil {
			requireUnnoticed(t, readNoticed(t, said.String()))
		}
		counts = append(counts, accepted())
	}
	requireNoCore(t, dir) // it has their spools locked until then
	run := uint64(len(counts))
	until(t, s, make(chan error), "the spool is empty", func() bool {
		cmd, _, _ := deathHost(t, s, dir, conf, r.addr(), run, 1)
		counts = append(counts, 1)
		run++
		require.NoError(t, cmd.Wait())
		left, err := os.ReadDir(spool)
		require.NoError(t, err)
		return len(left) == 0
	})
	r.kill()
	a, twice, longest := r.read()
	total := uint64(0)
	for run, n := range counts {
		// The host may be killed between the acceptance of an event and its count.
		require.GreaterOrEqual(t, len(a[uint64(run)]), int(n), "run %d", run)
		require.LessOrEqual(t, len(a[uint64(run)]), int(n)+1, "run %d", run)
		total += n
	}
	t.Logf("%d events of %d runs accepted and delivered, %d of them again, at most %d at a time, over %d kills of the core",
		total, len(counts), twice, longest, killed)
	requireBound(t, longest)
}

// TestCoreThatDiesAtOnce, each time that it is started, does not keep its host busy.
func TestCoreThatDiesAtOnce(t *testing.T) {
	t.Parallel()
	dir := ownCore(t)
	starts, dying := filepath.Join(dir, "starts"), filepath.Join(dir, "dying")
	real := filepath.Join(dir, "real-core")
	program := filepath.Join(dir, "libbroccoli-core")
	require.NoError(t, os.Rename(program, real))
	require.NoError(t, os.WriteFile(program, fmt.Appendf(nil,
		"#!/bin/sh\necho >> %s\ntest -e %s && exit 1\nexec %s\n", starts, dying, real), 0o755))
	addr, stop := collector(t, "soak")
	s := newSoak(t)
	s.events = 40_000
	cmd, said, accepted := deathHost(t, s, dir, "", addr, 0, s.events)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	until(t, s, done, "some are accepted", func() bool { return accepted() > 10 })
	require.NoError(t, os.WriteFile(dying, nil, 0o644))
	began := time.Now()
	all, err := filepath.Glob("/proc/[0-9]*/exe")
	require.NoError(t, err)
	for _, exe := range all {
		if path, err := os.Readlink(exe); err == nil && path == real {
			var pid int
			_, err = fmt.Sscanf(exe, "/proc/%d/", &pid)
			require.NoError(t, err)
			p, err := os.FindProcess(pid)
			require.NoError(t, err)
			require.NoError(t, p.Kill())
		}
	}
	time.Sleep(3 * time.Second)
	took := time.Since(began)
	b, err := os.ReadFile(starts)
	require.NoError(t, err)
	// One is the first; the next comes at once, and others seconds later.
	require.Greater(t, len(b), 1, "it goes on trying")
	require.Less(t, len(b), 8+int(took/time.Second), "starts in %v", took)
	require.NoError(t, os.Remove(dying))
	require.NoError(t, <-done)
	n := readNoticed(t, said.String())
	requireUnnoticed(t, n)
	t.Logf("%d starts in %v; host: %+v", len(b), took, n)
	require.Greater(t, len(stop()), 10)
}
