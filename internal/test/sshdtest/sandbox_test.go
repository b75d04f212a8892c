package sshdtest

import (
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSandbox: the process that speaks with the network before the login is
// without privileges, in a folder without anything, behind a seccomp filter; so
// the events of the other tests come past all that. It has nothing by which it
// could reach the sensor, and the process that watches over it has.
func TestSandbox(t *testing.T) {
	s := newServer(t, settings{})
	nc := dial(t, s.port)
	_, err := fmt.Fprint(nc, "SSH-2.0-none\r\n")
	require.NoError(t, err)
	sshd, err := os.ReadFile("/proc/" + strconv.Itoa(s.pid()) + "/status")
	require.NoError(t, err)
	require.Contains(t, string(sshd), "Seccomp:\t0")
	var pids []int
	eventually(t, func() bool { pids = s.sandboxed(); return len(pids) == 1 }, "no sandboxed process")
	require.Zero(t, packetSockets(t, pids[0]))
	require.Equal(t, 1, packetSockets(t, parents()[pids[0]]))
	if s.isSplit() {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pids[0]))
		require.NoError(t, err)
		require.NotContains(t, string(environ), "SSHD_SENSOR")
	}
	require.NoError(t, nc.Close())
	s.connection()
}

// TestLinked: of several programs, the one that listens alone has the library.
func TestLinked(t *testing.T) {
	require.Contains(t, libraries(t, m.ours.sshd), "libbroccoli.so.5")
	if m.ours.isSplit() {
		require.NotContains(t, libraries(t, m.ours.session), "libbroccoli.so.5")
		require.NotContains(t, libraries(t, m.ours.auth), "libbroccoli.so.5")
	}
}

func libraries(t *testing.T, program string) []string {
	t.Helper()
	f, err := elf.Open(program)
	require.NoError(t, err)
	defer f.Close()
	names, err := f.ImportedLibraries()
	require.NoError(t, err)
	return names
}

// TestSystemCallsOfSandbox: with the sensor and without it, the sandboxed process
// does what that of Debian's own sshd does.
func TestSystemCallsOfSandbox(t *testing.T) {
	stock := systemCalls(t, nil, settings{stock: true})
	require.Contains(t, stock, "inside ppoll", "what is compared is no trace")
	require.Equal(t, stock, systemCalls(t, nil, settings{}), "without a collector")
	require.Equal(t, stock, systemCalls(t, newCollector(t), settings{}), "with one")
}

var (
	entersSandbox = regexp.MustCompile(`(?m)^(seccomp\(|prctl\(PR_SET_SECCOMP)`)
	hasEnded      = regexp.MustCompile(`(?m)^\+\+\+ (exited|killed)`)
	systemCall    = regexp.MustCompile(`(?m)^(\w+)\(`)
)

// systemCalls returns the names of the system calls of the sandboxed processes
// of some connections, before they are in the sandbox and then.
func systemCalls(t *testing.T, c *collector, set settings) []string {
	t.Helper()
	set.trace = filepath.Join(t.TempDir(), "trace")
	s := startServer(t, c, set)
	require.Equal(t, 0, s.status(s.ssh("good", target(), "true")))
	require.Equal(t, 0, s.status(s.sshPassword(password, target(), "true")))
	require.Equal(t, 255, s.status(s.ssh("bad", target(), "true")))
	require.Equal(t, 255, s.status(s.sshPassword("wrong", "-o", "NumberOfPasswordPrompts=1", target(), "true")))
	s.quit()
	names := map[string]bool{}
	eventually(t, func() bool {
		traces := sandboxTraces(t, set.trace)
		for _, trace := range traces {
			begins := entersSandbox.FindIndex(trace)[0]
			for part, calls := range map[string][]byte{"before": trace[:begins], "inside": trace[begins:]} {
				for _, call := range systemCall.FindAllSubmatch(calls, -1) {
					names[part+" "+string(call[1])] = true
				}
			}
		}
		return len(traces) == 4
	}, "each connection has one sandboxed process, and its end")
	return slices.Sorted(maps.Keys(names))
}

// sandboxTraces returns what strace has written of sandboxed processes that have ended.
func sandboxTraces(t *testing.T, path string) (list [][]byte) {
	t.Helper()
	paths, err := filepath.Glob(path + ".*")
	require.NoError(t, err)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		if entersSandbox.Match(b) && hasEnded.Match(b) {
			list = append(list, b)
		}
	}
	return list
}
