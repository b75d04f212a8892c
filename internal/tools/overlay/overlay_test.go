package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// table returns a table of signals with only the lines to change, and more.
func table(more string) string {
	var b strings.Builder
	for _, c := range changes {
		b.WriteString("\t" + c.from + "\n")
	}
	return b.String() + more
}

func TestBlock(t *testing.T) {
	const fault = "\t/* 11 */ {_SigPanic + _SigUnblock, \"SIGSEGV: segmentation violation\"},\n"
	changed, err := Block(table(fault))
	require.NoError(t, err)
	for _, c := range changes {
		assert.Contains(t, changed, "\t"+c.to+"\n")
	}
	assert.Equal(t, 1, strings.Count(changed, "_SigUnblock"))
	assert.Contains(t, changed, fault)

	_, err = Block(changed)
	assert.ErrorContains(t, err, "0 times", "changed already")
	_, err = Block(table(table("")))
	assert.ErrorContains(t, err, "2 times")
	_, err = Block(table("\t/* 10 */ {_SigNotify + _SigUnblock, \"SIGUSR1: user-defined signal 1\"},\n"))
	assert.ErrorContains(t, err, "opens another signal")
}

// What is written for the installed Go differs from it in the lines to change only.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, run("", dir))
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	original := filepath.Join(strings.TrimSpace(string(goroot)), "src/runtime/sigtab_linux_generic.go")
	before, err := os.ReadFile(original)
	require.NoError(t, err)
	after, err := os.ReadFile(filepath.Join(dir, "sigtab_linux_generic.go"))
	require.NoError(t, err)
	a, b := strings.Split(string(before), "\n"), strings.Split(string(after), "\n")
	require.Len(t, b, len(a))
	differ := 0
	for i := range a {
		if a[i] != b[i] {
			differ++
		}
	}
	assert.Equal(t, len(changes), differ)

	overlay, err := os.ReadFile(filepath.Join(dir, "overlay.json"))
	require.NoError(t, err)
	assert.Contains(t, string(overlay), strconv.Quote(original))
}

// The core that was built leaves the host's signals alone.
func TestCoreLeavesSignalsAlone(t *testing.T) {
	build := os.Getenv("ROMANESCO_BUILD")
	if build == "" {
		t.Skip("ROMANESCO_BUILD does not say where the built library is: use make test")
	}
	host := filepath.Join(t.TempDir(), "host")
	out, err := exec.Command("cc", "-o", host, "testdata/host.c", "-ldl", "-lpthread").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(host, filepath.Join(build, "lib", "libbroccoli-core.so"))
	cmd.Env = append(os.Environ(), "GODEBUG=")
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	open := map[int]bool{
		int(syscall.SIGKILL): true, int(syscall.SIGSTOP): true, // nobody can block these
	}
	for sig := range mayStayOpen {
		n, err := strconv.Atoi(sig)
		require.NoError(t, err)
		open[n] = true
	}
	faults := map[int]bool{
		int(syscall.SIGSEGV): true, int(syscall.SIGBUS): true, int(syscall.SIGFPE): true,
	}
	threads := 0
	for line := range strings.Lines(string(out)) {
		var what string
		var n int
		_, err := fmt.Sscanf(line, "%s %d", &what, &n)
		require.NoError(t, err, line)
		switch what {
		case "threads":
			threads = n
		case "open":
			assert.True(t, open[n], "signal %d is open on a thread of Go", n)
		case "handler":
			assert.True(t, faults[n], "the handler of signal %d was changed", n)
		}
	}
	assert.Greater(t, threads, 1)
}
