package admit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is for what must come in the end.
const patience = 60 * time.Second

// diary keeps what a gate says.
type diary struct {
	mu   sync.Mutex
	text string
}

func (d *diary) logf(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text += fmt.Sprintf(format, args...) + "\n"
}

func (d *diary) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text
}

// serve has a gate let in connections, each of which is echoed.
func serve(t *testing.T, g *Gate, listener func(net.Listener) net.Listener) (addr string, said func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d := new(diary)
	g.What, g.Logf = "guests", d.logf
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Serve(ctx, listener(l), echo) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.Zero(t, g.Open.Load())
	})
	return l.Addr().String(), d.said
}

func echo(ctx context.Context, nc net.Conn) {
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	b := make([]byte, 1)
	for {
		if _, err := nc.Read(b); err != nil {
			_ = nc.Close()
			return
		}
		if b[0] == '!' {
			panic("not thought of")
		}
		_, _ = nc.Write(b)
	}
}

func same(l net.Listener) net.Listener { return l }

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	return nc
}

// answered reports whether a connection was let in.
func answered(t *testing.T, nc net.Conn) bool {
	t.Helper()
	_, err := nc.Write([]byte("x"))
	if err == nil {
		_, err = io.ReadFull(nc, make([]byte, 1))
	}
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "it hears nothing")
	return err == nil
}

// TestGateIsFull: as many as may be are let in, the first of the others is said, and
// when there is room again the next one is let in.
func TestGateIsFull(t *testing.T) {
	g := &Gate{Max: 2}
	addr, said := serve(t, g, same)
	a, b := dial(t, addr), dial(t, addr)
	require.True(t, answered(t, a))
	require.True(t, answered(t, b))
	first := dial(t, addr)
	require.False(t, answered(t, first))
	for range 20 {
		require.False(t, answered(t, dial(t, addr)))
	}
	require.EqualValues(t, 21, g.TurnedAway())
	require.Equal(t, "2 guests are connected, and no more may: "+first.LocalAddr().String()+" is the first that is turned away\n", said())
	require.NoError(t, a.Close())
	letIn := func() bool {
		nc := dial(t, addr)
		defer nc.Close()
		return answered(t, nc)
	}
	require.Eventually(t, letIn, patience, time.Millisecond)
	require.Equal(t, 1, strings.Count(said(), "\n"), "it has been full just now")
	g.crowd.mu.Lock()
	g.crowd.full = g.crowd.full.Add(-quiet)
	g.crowd.mu.Unlock()
	require.Eventually(t, letIn, patience, time.Millisecond)
	require.Regexp(t, `there is room for guests again: 2\d were turned away since \d\d:\d\d:\d\d\n$`, said())
}

func (l *leaving) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// TestGoodbye: each one that is turned away is told so. Not all of them may stay to
// listen: the first ones give way, and those that are silent keep nobody out.
func TestGoodbye(t *testing.T) {
	var saying atomic.Int64
	g := &Gate{Goodbye: func(nc net.Conn) {
		saying.Add(1)
		defer saying.Add(-1)
		_, _ = io.WriteString(nc, "full")
		_, _ = io.Copy(io.Discard, nc)
	}}
	addr, _ := serve(t, g, same)
	const beyond = 5
	var all []net.Conn
	for range mostLeaving + beyond {
		nc, b := dial(t, addr), make([]byte, 4)
		_, err := io.ReadFull(nc, b)
		require.NoError(t, err)
		require.Equal(t, "full", string(b))
		all = append(all, nc)
	}
	for _, nc := range all[:beyond] {
		_, err := nc.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	}
	require.Equal(t, mostLeaving, g.leaving.count())
	require.Eventually(t, func() bool { return saying.Load() == mostLeaving }, patience, time.Millisecond)
	for _, nc := range all {
		require.NoError(t, nc.Close())
	}
	require.Eventually(t, func() bool { return g.leaving.count() == 0 }, patience, time.Millisecond)
}

// TestPanicEndsOneConnection, and says where it was.
func TestPanicEndsOneConnection(t *testing.T) {
	addr, said := serve(t, &Gate{Max: 2}, same)
	other, nc := dial(t, addr), dial(t, addr)
	_, err := nc.Write([]byte("!"))
	require.NoError(t, err)
	_, err = io.ReadAll(nc)
	require.NoError(t, err)
	require.Contains(t, said(), "internal error: not thought of")
	require.Contains(t, said(), "gate_test.go")
	require.True(t, answered(t, other))
}

// troubled is a listener that fails at first.
type troubled struct {
	net.Listener
	err      error
	failures int
}

func (l *troubled) Accept() (net.Conn, error) {
	if l.failures--; l.failures >= 0 {
		return nil, &net.OpError{Op: "accept", Err: l.err}
	}
	return l.Listener.Accept()
}

// TestNoDescriptors: that passes, and is said once.
func TestNoDescriptors(t *testing.T) {
	addr, said := serve(t, &Gate{Max: 1}, func(l net.Listener) net.Listener {
		return &troubled{l, os.NewSyscallError("accept", syscall.EMFILE), 3}
	})
	require.True(t, answered(t, dial(t, addr)))
	require.Equal(t, "accepting guests: accept: accept: too many open files; this is tried again\n", said())
}

// TestListenerThatFails: those that it has let in are ended with it.
func TestListenerThatFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &Gate{What: "guests", Max: 2, Logf: t.Logf}
	done := make(chan error, 1)
	go func() { done <- g.Serve(t.Context(), l, echo) }()
	nc := dial(t, l.Addr().String())
	require.True(t, answered(t, nc))
	require.NoError(t, l.Close())
	require.ErrorContains(t, <-done, "accepting guests: ")
	_, err = io.ReadAll(nc)
	require.NoError(t, err)
}
