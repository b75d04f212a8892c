package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io/fs"
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

func TestApply(t *testing.T) {
	const text = "package p\n\nfunc a() {\n\tone()\n}\n\nfunc b() {\n\tone()\n}\n"
	changed, err := apply(text, change{"func b(", "one()", "two()"})
	require.NoError(t, err)
	assert.Equal(t, "package p\n\nfunc a() {\n\tone()\n}\n\nfunc b() {\n\ttwo()\n}\n", changed)

	_, err = apply(changed, change{"func b(", "one()", "two()"})
	assert.ErrorContains(t, err, "0 times", "changed already")
	_, err = apply(text, change{"", "one()", "two()"})
	assert.ErrorContains(t, err, "2 times")
	_, err = apply(text, change{"func c(", "one()", "two()"})
	assert.ErrorContains(t, err, "begins 0 lines")
	_, err = apply(text+text, change{"func b(", "one()", "two()"})
	assert.ErrorContains(t, err, "begins 2 lines")
}

func TestCheckTable(t *testing.T) {
	assert.NoError(t, checkTable("\t/* 11 */ {_SigPanic + _SigUnblock, \"SIGSEGV: segmentation violation\"},\n"))
	assert.ErrorContains(t, checkTable("\t/* 10 */ {_SigNotify + _SigUnblock, \"SIGUSR1: user-defined signal 1\"},\n"),
		"opens another signal")
}

// What is written for the installed Go differs from it where it should, and is all
// that the overlay names.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, run("", dir))
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	src := filepath.Join(strings.TrimSpace(string(goroot)), "src")
	b, err := os.ReadFile(filepath.Join(dir, "overlay.json"))
	require.NoError(t, err)
	var overlay struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal(b, &overlay))

	files := map[string]bool{}
	for _, e := range effects {
		files[e.file] = true
	}
	assert.Len(t, overlay.Replace, len(files)+len(added))
	for original, replacement := range overlay.Replace {
		name, err := filepath.Rel(src, original)
		require.NoError(t, err)
		after, err := os.ReadFile(replacement)
		require.NoError(t, err, "of %s", name)
		before, err := os.ReadFile(original)
		if added[name] != "" {
			assert.ErrorIs(t, err, fs.ErrNotExist)
			continue
		}
		require.NoError(t, err)
		assert.True(t, files[name], name)
		assert.NotEqual(t, string(before), string(after), name)
	}
}

// Each effect is an effect that docs/architecture.md tells of.
func TestEffectsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../../docs/architecture.md")
	require.NoError(t, err)
	for _, e := range effects {
		assert.True(t, strings.Contains(string(b), "`"+e.file+"`"), "nothing is said of %s: %s", e.file, e.what)
	}
}

// What is put into the standard library compiles, for each processor.
func TestCompiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, run("", dir))
	for _, arch := range []string{"amd64", "arm64"} {
		cmd := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "runtime", "syscall", "internal/poll")
		cmd.Env = append(os.Environ(), "GOARCH="+arch, "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "for %s: %s", arch, out)
	}
}

// All signals are all but 32 and 33: a thread that waits to enter Go has blocked them.
// How a thread that blocks these holds up setuid() is too rare to wait for.
func TestSetOfAllSignals(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, run("", dir))
	cmd := exec.Command("go", "run", "-overlay", filepath.Join(dir, "overlay.json"),
		"-ldflags=-checklinkname=0", "./testdata/sigset")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "7fffffff fffffffe\n", string(out))
}

// A Go that reads otherwise is refused, and nothing is written for it.
func TestUnknownGo(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	src := filepath.Join(strings.TrimSpace(string(goroot)), "src")
	for _, e := range effects {
		other, dir := t.TempDir(), t.TempDir()
		for _, f := range effects {
			text, err := os.ReadFile(filepath.Join(src, f.file))
			require.NoError(t, err)
			if f.file == e.file {
				text = bytes.ReplaceAll(text, []byte(e.changes[0].from), nil)
			}
			name := filepath.Join(other, "src", f.file)
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
			require.NoError(t, os.WriteFile(name, text, 0o644))
		}
		assert.ErrorContains(t, run(other, dir), "unknown to Romanesco", e.what)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, left)
	}
}

// The core that was built asks the C library for no names and no users: that loads
// modules into the host, and waits.
func TestCoreLooksNothingUp(t *testing.T) {
	build := os.Getenv("ROMANESCO_BUILD")
	if build == "" {
		t.Skip("ROMANESCO_BUILD does not say where the built library is: use make test")
	}
	f, err := elf.Open(filepath.Join(build, "lib", "libbroccoli-core.so"))
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.ImportedSymbols()
	require.NoError(t, err)
	require.NotEmpty(t, symbols)
	for _, s := range symbols {
		assert.NotRegexp(t, `^(getaddrinfo|getnameinfo|res_|getpw|getgr|getgrouplist)`, s.Name)
	}
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
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=0")
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
