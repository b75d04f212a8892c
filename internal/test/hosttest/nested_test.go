package hosttest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// nested prepares testdata/nested.c with a core of its own, a process.
func nested(t *testing.T, addr string, n int, how string) (cmd *exec.Cmd, dir string) {
	t.Helper()
	dir = ownCore(t)
	cmd = run(t, "nested", addr, fmt.Sprint(n), how)
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, []byte(coreIsProcess), 0o600))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+dir, "BROCCOLI_CONFIG_FILE="+conf)
	return cmd, dir
}

func ticks(n int) map[string]int {
	all := map[string]int{}
	for i := range n {
		all[fmt.Sprintf("tick[%d]", i)] = 1
	}
	return all
}

// TestNestedHosts: the core of a host that is process 1 of its namespace, or adopts all orphans, or
// forks in handlers of signals, is started, serves it, and ends.
func TestNestedHosts(t *testing.T) {
	t.Parallel()
	const n = 100
	for how, events := range map[string]int{"init": n, "subreaper": n, "handler": n + 1} {
		t.Run(how, func(t *testing.T) {
			addr, stop := collector(t, "tick")
			cmd, _ := nested(t, addr, n, how)
			out, err := cmd.Output()
			require.NoError(t, err, "%s", out)
			if string(out) == "refused\n" {
				t.Skip("needs the right to make a namespace of processes")
			}
			require.Equal(t, "wrong 0\n", string(out))
			require.Equal(t, ticks(events), stop())
		})
	}
}

// TestNestedKilledHost: what a host has sent arrives though it is killed at once: the core goes on.
func TestNestedKilledHost(t *testing.T) {
	t.Parallel()
	const n, rounds = 200, 30
	for i := range rounds {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			addr, stop := collector(t, "tick")
			cmd, dir := nested(t, addr, n, "killed")
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			require.True(t, bufio.NewScanner(out).Scan())
			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait()
			requireNoCore(t, dir)
			require.Equal(t, ticks(n), stop())
		})
	}
}
