package hosttest

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// TestCrashesOfChildrenAreTheHosts: whether a child has used the handle or not, it ends
// by the signal, dumps core, runs its handlers, and nobody else has anything to say.
func TestCrashesOfChildrenAreTheHosts(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGFPE, syscall.SIGBUS} {
		for _, how := range []string{"bare", "before", "after"} {
			for _, use := range []string{"unused", "used"} {
				t.Run(fmt.Sprint(sig, " ", how, " ", use), func(t *testing.T) {
					addr, _ := collector(t, "child")
					cmd := run(t, "heir", "crash", addr, fmt.Sprint(int(sig)), how, use)
					cmd.Dir = t.TempDir() // for the dump
					var told bytes.Buffer
					cmd.Stderr = &told
					out, err := cmd.Output()
					require.NoError(t, err)
					want := fmt.Sprintf("%d 1\n", int(sig))
					if how != "bare" {
						want = "handler\n" + want
					}
					require.Equal(t, want, string(out))
					require.Empty(t, told.String())
				})
			}
		}
	}
}

// TestStateIsAskedForDuringTheFirstUse of a handle in a child.
func TestStateIsAskedForDuringTheFirstUse(t *testing.T) {
	t.Parallel()
	out, err := run(t, "heir", "readers", "2000").Output()
	require.NoError(t, err)
	require.Equal(t, "0\n", string(out))
}

// telling makes the library talk.
func telling(t *testing.T, cmd *exec.Cmd) *bytes.Buffer {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, []byte("/broccoli/debug_messages yes\n"), 0o600))
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
	told := new(bytes.Buffer)
	cmd.Stderr = told
	return told
}

// TestRefusalInAChildIsTold with its reason.
func TestRefusalInAChildIsTold(t *testing.T) {
	l, err := net.Listen("tcp", nobody(t))
	require.NoError(t, err)
	done := acceptOn(t, l, peer.Config{}, drain)
	cmd := run(t, "heir", "refused", l.Addr().String())
	told := telling(t, cmd)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.True(t, bufio.NewScanner(out).Scan())
	require.NoError(t, l.Close())
	_, err = in.Write([]byte{'\n'})
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	require.NoError(t, <-done)
	require.Regexp(t, `connecting: .*connection refused`, told.String())
}

// TestChildKeepsNoSpoolLocked: what a process has adopted, and its own, can be
// adopted by others once it has died, though a child lives on that was forked meanwhile.
func TestChildKeepsNoSpoolLocked(t *testing.T) {
	addr := nobody(t)
	first := host(t, "leave", addr, "500")
	dir := spooling(t, first)
	require.NoError(t, first.Run())
	awaitUnlocked(t, dir)
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	defer l.Close()

	var told *bufio.Scanner
	o := newOrphan(t, addr, "killed", func(cmd *exec.Cmd) {
		respool(t, cmd, dir, "/broccoli/debug_messages yes")
		cmd.Stderr = nil
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		told = bufio.NewScanner(stderr)
	})
	nc, err := l.Accept()
	require.NoError(t, err)
	defer nc.Close()
	// It confirms nothing, so that all of it stays there.
	p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"left"}})
	require.NoError(t, err)
	if outside() { // what the core has to say waits for a call of the host's
		require.NoError(t, p.Next(new(event.Event)))
	} else {
		for told.Scan() && !strings.Contains(told.Text(), "adopted") {
		}
		require.Contains(t, told.Text(), "adopted")
	}
	o.fork(t)
	require.NoError(t, o.cmd.Process.Kill())
	_, err = o.cmd.Process.Wait()
	require.NoError(t, err)

	folders, err := filepath.Glob(dir + "/*/lock")
	require.NoError(t, err)
	require.Len(t, folders, 2)
	for _, lock := range folders {
		f, err := os.Open(lock)
		require.NoError(t, err)
		// The child may just be about to close it.
		require.Eventually(t, func() bool {
			return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
		}, 10*time.Second, 10*time.Millisecond, lock)
		require.NoError(t, f.Close())
	}
	require.Len(t, deliver(t, l, dir, "deliver"), 501)
	requireEmpty(t, dir)
}
