package hosttest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/collect"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// collector runs until stop is called, which returns how often each event came.
func collector(t *testing.T, names ...string) (addr string, stop func() map[string]int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	known := catalog.Catalog{}
	for _, name := range names {
		known.Add(name)
	}
	all, err := pattern.Compile(".*")
	require.NoError(t, err)
	c := collect.New(collect.Config{
		Catalog: known, Destinations: []collect.Destination{collect.Anyone(all)}, Log: eventlog.NewStream(&out, eventlog.JSON),
	})
	go func() { done <- c.Run(ctx, l) }()
	return l.Addr().String(), func() map[string]int {
		// The senders have written everything and closed; what is under way
		// arrives.
		before := uint64(0)
		for quiet := 0; quiet < 3; quiet++ {
			time.Sleep(300 * time.Millisecond)
			if events, _ := c.Totals(); events != before {
				before, quiet = events, 0
			}
		}
		cancel()
		require.NoError(t, <-done)
		counts := map[string]int{}
		for _, line := range bytes.Fields(out.Bytes()) {
			counts[loggedEvent(t, line).String()]++
		}
		return counts
	}
}

// TestFork: the events of each process arrive, and each exactly once.
func TestFork(t *testing.T) {
	const children = 100
	addr, stop := collector(t, "parent", "child", "grandchild")
	out, err := runFor(t, 5*time.Minute, "host", "fork", addr, fmt.Sprint(children)).Output()
	require.NoError(t, err)
	require.Empty(t, string(out))
	want := map[string]int{"parent[0]": 1, "parent[1]": 1, "parent[2]": 1}
	for i := range children {
		want[fmt.Sprintf("child[%d]", i)] = 1
		want[fmt.Sprintf("grandchild[%d]", i)] = 1
	}
	require.Equal(t, want, stop())
}

// TestChildOfAConnectingProcess: the same for a child that was forked before the
// peer had answered at all.
func TestChildOfAConnectingProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	// Whoever comes after the first has to wait until that is accepted.
	raw, err := l.(*net.TCPListener).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }))
	require.NoError(t, err)
	first, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer first.Close()

	o := newOrphan(t, l.Addr().String(), "killed")
	sent := fmt.Sprintf(":%04X 02", l.Addr().(*net.TCPAddr).Port) // to there, and without an answer
	require.Eventually(t, func() bool {
		table, err := os.ReadFile("/proc/net/tcp")
		return err == nil && strings.Contains(string(table), sent)
	}, 20*time.Second, time.Millisecond)
	o.fork(t)

	_, err = l.Accept()
	require.NoError(t, err)
	require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Second)))
	nc, err := l.Accept()
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, o.cmd.Process.Kill())
	require.NoError(t, nc.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = io.Copy(io.Discard, nc)
	require.NoError(t, err)
}

// TestChildOfAReconnectingProcess: a child that was forked while another thread was in
// bro_conn_reconnect() has a connection, as its parent had one.
func TestChildOfAReconnectingProcess(t *testing.T) {
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	came := make(chan string, 1)
	go func() {
		defer close(came)
		for n := 1; n <= 3; n++ {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			defer nc.Close()
			if n == 2 {
				continue // the parent waits for an answer
			}
			p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"child"}})
			if err != nil {
				return
			}
			if n == 3 {
				_ = receive(p, func(name string, _ uint64) { came <- name })
			}
		}
	}()
	g := guest{program: "reconnfork", limit: time.Minute}
	said, _ := g.call(t, l.Addr().String())
	require.Equal(t, "child: send 1\nchild: delete 1\nstatus 0\n", said)
	require.Equal(t, "child", <-came)
}

// TestForkWhileTheCoreLoads: a child of that moment has a core whose threads are
// not there, in a library that does not know of it yet.
func TestForkWhileTheCoreLoads(t *testing.T) {
	if outside() {
		t.Skip("nothing is loaded")
	}
	bin := built(t, "cc", "loadfork", build+"/lib/libbroccoli.a", "-Wl,--wrap=dlopen", "-ldl", "-pthread")
	besideCore(t, bin)
	addr, stop := collector(t, "parent", "child")
	out, _ := debugging(t, bin, nil, addr)
	require.Empty(t, out)
	require.Equal(t, map[string]int{"parent[]": 1, "child[]": 1}, stop())
}

func TestExitWithoutDelete(t *testing.T) {
	addr, stop := collector(t, "last")
	require.NoError(t, host(t, "exit", addr).Run())
	require.Equal(t, map[string]int{"last[1]": 1}, stop())
}

// orphan is a host that connects in the background, and forks when it is told
// to a child that lives as long as the test.
type orphan struct {
	cmd *exec.Cmd
	in  io.Writer
	out io.Reader
}

func newOrphan(t *testing.T, addr, how string, prepare ...func(*exec.Cmd)) *orphan {
	t.Helper()
	cmd := host(t, "orphan", addr, how)
	for _, f := range prepare {
		f(cmd)
	}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close() // the child's life
		_ = cmd.Wait()
	})
	return &orphan{cmd, in, out}
}

func (o *orphan) fork(t *testing.T) {
	t.Helper()
	_, err := o.in.Write([]byte{'\n'})
	require.NoError(t, err)
	require.True(t, bufio.NewScanner(o.out).Scan())
}

// TestChildKeepsNoConnectionOpen: the peer sees the end of a process though a
// child lives on that was forked while the core was shaking hands; and the end
// of the connection though the library was never told of the child.
func TestChildKeepsNoConnectionOpen(t *testing.T) {
	for _, how := range []string{"killed", "unseen"} {
		t.Run(how, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			o := newOrphan(t, l.Addr().String(), how)
			nc, err := l.Accept()
			require.NoError(t, err)
			defer nc.Close()
			require.NoError(t, nc.SetReadDeadline(time.Now().Add(20*time.Second)))
			_, err = nc.Read(make([]byte, 1)) // it is shaking hands
			require.NoError(t, err)
			o.fork(t)
			if how == "killed" {
				require.NoError(t, o.cmd.Process.Kill())
			}
			require.NoError(t, nc.SetReadDeadline(time.Now().Add(5*time.Second)))
			_, err = io.Copy(io.Discard, nc)
			require.NoError(t, err)
		})
	}
}
