package hosttest

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// daemon runs testdata/daemon.c against a collector, expects it to have
// nothing to complain of, and returns what arrived.
func daemon(t *testing.T, mode string, args ...string) map[string]int {
	t.Helper()
	addr, stop := collector(t, "tick", "child", "jailed", "detached", "total")
	out, err := run(t, "daemon", append([]string{mode, addr}, args...)...).Output()
	require.NoError(t, err, string(out))
	require.Empty(t, string(out))
	return stop()
}

// TestSignalsWakeTheListener: blocking signals and waiting with them open in
// ppoll loses no wake-up, though the core has threads.
func TestSignalsWakeTheListener(t *testing.T) { daemon(t, "ppoll", "200") }

func TestSignalStormStaysOnTheHost(t *testing.T) { daemon(t, "storm", "100000") }

func TestDispositionsAreKept(t *testing.T) {
	addr, stop := collector(t)
	out, err := run(t, "daemon", "kept", addr).Output()
	if outside() {
		require.Empty(t, string(out))
		require.NoError(t, err)
	}
	// What the processor raises is Go's, for its own threads; it hands it on
	// to the host's handler.
	left := strings.NewReplacer("signal 7 has another handler\n", "", "signal 8 has another handler\n", "",
		"signal 11 has another handler\n", "").Replace(string(out))
	require.Empty(t, left)
	if len(out) == 0 {
		require.NoError(t, err)
	}
	stop()
}

// TestLimits: with whatever limit, a connect is TRUE, or FALSE with a reason,
// and never the end of the process.
func TestLimits(t *testing.T) {
	for what, amounts := range map[string][]int{
		"memory":    {16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 384, 512, 1024, 1100, 1300, 1500, 1700, 1900, 2100, 2200, 2300, 4096},
		"files":     {0, 4, 5, 6, 7, 8, 9, 10, 12, 14, 64},
		"processes": {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 24, 200},
	} {
		said := map[string]int{}
		for _, n := range amounts {
			addr, _ := collector(t)
			cmd := run(t, "daemon", "limit", addr, what, fmt.Sprint(n))
			var told bytes.Buffer
			cmd.Stderr = &told
			out, err := cmd.Output()
			require.NoError(t, err, "%d %s: %s", n, what, told.String())
			word := strings.TrimSpace(string(out))
			said[word]++
			if word == "FALSE" {
				require.Regexp(t, `libbroccoli: \[.*\] (cannot |copying descriptor )`, told.String(), "a reason for %d %s", n, what)
			}
			t.Logf("%d %s: %s %s", n, what, word, strings.TrimSpace(told.String()))
		}
		require.NotZero(t, said["FALSE"], what)
		require.NotZero(t, said["TRUE"], what)
		require.Len(t, said, 2, what)
	}
}

// TestConnectInJail: who connects for the first time after chroot and setuid is
// told why that is too late.
func TestConnectInJail(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for chroot")
	}
	addr, stop := collector(t)
	cmd := run(t, "daemon", "limit", addr, "jail", "0")
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.Output()
	require.NoError(t, err, told.String())
	require.Equal(t, "FALSE\n", string(out))
	require.Regexp(t, `^libbroccoli: \[.*\] cannot `+inMode(`load the core: .*No such file`,
		`start the core .*: (No such file|Permission denied)`), told.String())
	stop()
}

// TestJail: after chroot, setuid, limits of zero and a filter of system calls,
// an open connection goes on delivering, and can be ended.
func TestJail(t *testing.T) {
	for _, how := range [][]string{nil, {"deletes"}} {
		got := daemon(t, "jail", how...)
		for i := range 1000 {
			require.Equal(t, 1, got[fmt.Sprintf("jailed[%d]", i)], "event %d, %v", i, how)
		}
	}
}

func TestNoDescriptorLeaksIntoPrograms(t *testing.T) {
	addr, stop := collector(t)
	out, err := run(t, "daemon", "exec", addr).Output()
	require.NoError(t, err)
	require.Equal(t, "0\n1\n2\n3\n", string(out), "3 is what ls reads the folder with")
	stop()
}

// TestChildThatDeletesPaysNothing: it has no use for a core, and the parent's
// connection goes on.
func TestChildThatDeletesPaysNothing(t *testing.T) {
	require.Equal(t, map[string]int{"tick[1]": 1}, daemon(t, "unused"))
}

func TestOtherWaysToStartPrograms(t *testing.T) {
	require.Equal(t, map[string]int{"tick[0]": 1, "tick[1]": 1}, daemon(t, "spawn"))
}

func TestDaemonises(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			addr, stop := collector(t, "detached")
			require.NoError(t, run(t, "daemon", "detach", addr, when).Run())
			time.Sleep(500 * time.Millisecond) // the child goes on by itself
			require.Equal(t, map[string]int{"detached[1]": 1}, stop())
		})
	}
}

// TestCrashesAreTheHosts: a host that crashes while it is connected ends by the
// signal, dumps core, runs its handlers, and nobody else has anything to say.
func TestCrashesAreTheHosts(t *testing.T) {
	for _, sig := range []syscall.Signal{
		syscall.SIGSEGV, syscall.SIGFPE, syscall.SIGABRT, syscall.SIGILL, syscall.SIGBUS, syscall.SIGTRAP,
		syscall.SIGSYS, syscall.SIGQUIT,
	} {
		for _, how := range []string{"bare", "before", "after"} {
			t.Run(sig.String()+" "+how, func(t *testing.T) {
				addr, _ := collector(t)
				cmd := run(t, "daemon", "crash", addr, fmt.Sprint(int(sig)), how)
				cmd.Dir = t.TempDir() // for the dump
				var told bytes.Buffer
				cmd.Stderr = &told
				out, err := cmd.Output()
				require.Error(t, err)
				status := cmd.ProcessState.Sys().(syscall.WaitStatus)
				require.Equal(t, sig, status.Signal(), "%v %s", cmd.ProcessState, told.String())
				require.True(t, status.CoreDump())
				require.Empty(t, told.String())
				if how == "bare" {
					require.Empty(t, string(out))
				} else {
					require.Equal(t, "handler\n", string(out))
				}
			})
		}
	}
}

// TestForkWhileThreadsSend: no event of the parent's threads is lost or comes
// twice, and each child's arrives.
func TestForkWhileThreadsSend(t *testing.T) {
	const children = 10
	got := daemon(t, "busyfork", fmt.Sprint(children))
	ticks, total := 0, 0
	for name, n := range got {
		if strings.HasPrefix(name, "tick") {
			ticks += n
		}
		_, _ = fmt.Sscanf(name, "total[%d]", &total)
	}
	require.Equal(t, total, ticks)
	for i := range children {
		require.Equal(t, 1, got[fmt.Sprintf("child[%d]", i)])
	}
}
