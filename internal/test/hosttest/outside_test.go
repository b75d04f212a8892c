package hosttest

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// outside reports whether the library in build has the core in a process of its own unless a
// configuration says otherwise: it was made with CORE=process. The tests expect then what the
// table of docs/daemons.md says of that.
func outside() bool { return os.Getenv("ROMANESCO_CORE") == "process" }

// inMode is the one or the other by where the core is.
func inMode[T any](library, process T) T {
	if outside() {
		return process
	}
	return library
}

// ownCore puts front and core program into a folder of the test's, so that these cores can be
// told from all others: LD_LIBRARY_PATH is to name it.
func ownCore(t *testing.T) (dir string) {
	t.Helper()
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	dir = t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755)) // a core of root's becomes nobody
	for _, name := range []string{"libbroccoli.so.5", "libbroccoli-core"} {
		b, err := os.ReadFile(filepath.Join(build, "lib", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o755))
	}
	t.Cleanup(func() { requireNoCore(t, dir) })
	return dir
}

// cores are the processes that run a core program of that folder.
func cores(dir string) (pids []int) {
	all, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return nil
	}
	program := filepath.Join(dir, "libbroccoli-core")
	for _, exe := range all {
		if path, err := os.Readlink(exe); err != nil || strings.TrimSuffix(path, " (deleted)") != program {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(exe, "/")[2]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// goneIn is how long a core may still write what its hosts have accepted, and then some.
const goneIn = 30 * time.Second

// requireNoCore waits until no core of that folder is left.
func requireNoCore(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(cores(dir)) == 0 }, goneIn, 10*time.Millisecond, "a core is left over")
}

// leftOver waits as long for the cores of the library in build, and returns those that stay.
func leftOver() (pids []int) {
	if build == "" {
		return nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(build, "lib"))
	if err != nil {
		return nil
	}
	for end := time.Now().Add(goneIn); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if pids = cores(dir); len(pids) == 0 {
			return nil
		}
	}
	return pids
}

// kill kills processes, and returns how many there were.
func kill(pids []int) (killed int) {
	for _, pid := range pids {
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

// without returns those that others are not.
func without(pids, others []int) []int {
	return slices.DeleteFunc(pids, func(pid int) bool { return slices.Contains(others, pid) })
}
