package hosttest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
)

// answering is a peer that answers pings, in Go without C.
func answering(t *testing.T) string {
	t.Helper()
	l, err := broccoli.Listen("127.0.0.1:0", broccoli.Config{Events: []string{"ping"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			peer, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				defer peer.Close()
				for ev, err := range peer.Events(context.Background()) {
					var sent time.Time
					var seq uint64
					if err != nil || ev.Scan(&sent, &seq) != nil ||
						peer.Send(context.Background(), "pong", sent, time.Now(), seq) != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// exampleIn copies an example of another language to a folder of its own, where its
// tools may leave what they like.
func exampleIn(t *testing.T, name, tool string) string {
	t.Helper()
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed: the example in examples/%s is not tried", tool, name)
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("../../../examples/"+name)))
	return dir
}

// requirePings runs a program against a peer that answers, twice, and once against none.
func requirePings(t *testing.T, program string) {
	t.Helper()
	ping := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+build+"/lib", "BROCCOLI_CONFIG_FILE="+os.DevNull)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	addr := answering(t)
	for range 2 {
		out, err := ping(addr, "20")
		require.NoError(t, err, out)
		require.Equal(t, 20, strings.Count(out, "s there and back\n"), out)
		require.Contains(t, out, "pong 19: ")
	}
	out, err := ping("127.0.0.1:1", "1")
	require.Error(t, err)
	require.Contains(t, out, "could not connect to 127.0.0.1:1: ")
}

// TestCgoExample: a program in Go that uses the library has two Go runtimes in it.
func TestCgoExample(t *testing.T) {
	dir := exampleIn(t, "cgo", "go")
	program := filepath.Join(dir, "ping")
	cmd := exec.Command("go", "build", "-o", program, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=-mod=mod",
		"CGO_CFLAGS=-I"+build+"/include", "CGO_LDFLAGS=-L"+build+"/lib -lbroccoli")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	requirePings(t, program)
}

// TestRustExample needs no crates.
func TestRustExample(t *testing.T) {
	dir := exampleIn(t, "rust", "cargo")
	cmd := exec.Command("cargo", "build", "--offline", "--quiet", "--target-dir", filepath.Join(dir, "target"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "BROCCOLI_CONFIG="+build+"/bin/broccoli-config", "RUSTFLAGS=-D warnings")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	requirePings(t, filepath.Join(dir, "target", "debug", "ping"))
}
