package hosttest

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

var build = os.Getenv("ROMANESCO_BUILD")

// programs compiles each program of testdata once.
var programs struct {
	sync.Mutex
	dir  string
	made map[string]bool
}

// programDir makes the folder of the programs, with an empty configuration, once;
// programs is locked.
func programDir() (string, error) {
	if programs.made != nil {
		return programs.dir, nil
	}
	dir, err := os.MkdirTemp("", "hosttest")
	if err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	programs.dir, programs.made = dir, map[string]bool{}
	if err := os.WriteFile(filepath.Join(dir, "broccoli.conf"), nil, 0o600); err != nil {
		return "", fmt.Errorf("making an empty configuration: %w", err)
	}
	return dir, nil
}

// program compiles testdata/NAME.c and returns the path of the program.
func program(name string) (string, error) {
	programs.Lock()
	defer programs.Unlock()
	dir, err := programDir()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, name)
	if programs.made[name] {
		return bin, nil
	}
	out, err := exec.Command("cc", "-D_GNU_SOURCE", "-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-pthread",
		"-I"+build+"/include", "testdata/"+name+".c", "-L"+build+"/lib", "-lbroccoli", "-o", bin).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("compiling %s.c: %w: %s", name, err, out)
	}
	programs.made[name] = true
	return bin, nil
}

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "6") // these wait more than they work
	code := m.Run()
	if pids := leftOver(); len(pids) > 0 {
		fmt.Fprintln(os.Stderr, "cores are left over:", pids)
		code = 1
	}
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir)
	}
	os.Exit(code)
}

// host runs testdata/host.c, run any of them, with the built library and an
// empty configuration.
func host(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return run(t, "host", args...)
}

func run(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	return runFor(t, time.Minute, name, args...)
}

func runFor(t *testing.T, limit time.Duration, name string, args ...string) *exec.Cmd {
	t.Helper()
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	bin, err := program(name)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+build+"/lib",
		"BROCCOLI_CONFIG_FILE="+filepath.Join(programs.dir, "broccoli.conf"))
	cmd.Stderr = os.Stderr
	return cmd
}

// nobody returns an address at which nobody listens. Until the end of the test nobody
// else gets it: it is bound, so that who asks for any port is given another one, and
// listening there goes on to be possible.
func nobody(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	at, err := unix.Getsockname(fd)
	require.NoError(t, err)
	return fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
}

// serve accepts one peer and hands it to f.
func serve(t *testing.T, cfg peer.Config, f func(*peer.Conn) error) (addr string, wait func() error) {
	t.Helper()
	addr, done := accept(t, func(nc net.Conn) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		p, err := peer.Open(ctx, nc, cfg)
		if err != nil {
			return err
		}
		return f(p)
	})
	return addr, func() error { return <-done }
}

// acceptOn is serve for a listener that is there already.
func acceptOn(t *testing.T, l net.Listener, cfg peer.Config, f func(*peer.Conn) error) chan error {
	t.Helper()
	t.Cleanup(func() { _ = l.Close() })
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err == nil {
			var p *peer.Conn
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if p, err = peer.Open(ctx, nc, cfg); err == nil {
				err = f(p)
			}
		}
		done <- err
	}()
	return done
}

// serveAll hands each peer that comes to f, until stop, which says how many came.
func serveAll(t *testing.T, cfg peer.Config, f func(*peer.Conn)) (addr string, stop func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var peers int
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			peers++
			all.Go(func() {
				if p, err := peer.Open(t.Context(), nc, cfg); err == nil {
					f(p)
					_ = p.Close()
				}
			})
		}
	})
	return l.Addr().String(), func() int {
		_ = l.Close()
		all.Wait()
		return peers
	}
}

// receive hands each event with a number to f, until the peer closes.
func receive(p *peer.Conn, f func(name string, number uint64)) error {
	var ev event.Event
	for p.Next(&ev) == nil {
		f(ev.Name, ev.Args[0].Bits)
	}
	return nil
}

func accept(t *testing.T, f func(net.Conn) error) (string, chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err == nil {
			defer nc.Close()
			err = f(nc)
		}
		done <- err
	}()
	return l.Addr().String(), done
}

func drain(p *peer.Conn) error {
	var ev event.Event
	for p.Next(&ev) == nil {
	}
	return nil
}

// TestNoSignalIsOpenOnThreadsOfGo: of the signals that others can send, none
// may run a handler of the host on a thread of ours.
func TestNoSignalIsOpenOnThreadsOfGo(t *testing.T) {
	addr, wait := serve(t, peer.Config{}, drain)
	out, err := host(t, "masks", addr).Output()
	require.NoError(t, err)
	require.NoError(t, wait())
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if outside() {
		require.Len(t, lines, 1, "the core has no thread here")
	} else {
		require.Greater(t, len(lines), 2, "the core has threads")
	}
	const host = uint64(0)
	first := mask(t, lines[0])
	require.Equal(t, host, first, "the host's own mask is as it was")
	// What the processor raises in a thread of Go is Go's; KILL and STOP
	// cannot be blocked, 32 and 33 are the C library's. STKFLT is never sent,
	// and URG is Go's own, and ignored by default.
	own := bits(syscall.SIGILL, syscall.SIGTRAP, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGKILL,
		syscall.SIGSEGV, syscall.SIGSTKFLT, syscall.SIGSTOP, syscall.SIGURG, 32, 33)
	for _, line := range lines[1:] {
		open := ^mask(t, line) &^ own
		require.Zero(t, open, "signals open in %s", line)
	}
}

func bits(signals ...syscall.Signal) (m uint64) {
	for _, s := range signals {
		m |= 1 << (s - 1)
	}
	return m
}

func mask(t *testing.T, line string) uint64 {
	t.Helper()
	m, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(line, "SigBlk:")), 16, 64)
	require.NoError(t, err)
	return m
}

// connects runs "host connect" and returns what it said.
func connects(t *testing.T, addr string) (ok bool, took time.Duration) {
	t.Helper()
	out, err := host(t, "connect", addr).Output()
	require.NoError(t, err)
	word, ms, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	f, err := strconv.ParseFloat(ms, 64)
	require.NoError(t, err)
	t.Logf("%s: %s after %s ms", addr, word, ms)
	return word == "TRUE", time.Duration(f * float64(time.Millisecond))
}

func TestConnectToPeer(t *testing.T) {
	addr, wait := serve(t, peer.Config{}, drain)
	ok, _ := connects(t, addr)
	require.True(t, ok)
	require.NoError(t, wait())
}

// TestFallsBackToIPv4: a name may stand for an IPv6 address too, where nobody listens.
func TestFallsBackToIPv4(t *testing.T) {
	addr, wait := serve(t, peer.Config{}, drain)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	ok, _ := connects(t, "localhost:"+port)
	require.True(t, ok)
	require.NoError(t, wait())
}

// TestConnectFails: FALSE within the time limit, and long before it where the
// peer's answer is there at once.
func TestConnectFails(t *testing.T) {
	refused := nobody(t)
	says := func(b []byte) string {
		addr, _ := accept(t, func(nc net.Conn) error {
			_, err := nc.Write(b)
			_, _ = nc.Read(make([]byte, 1024))
			time.Sleep(100 * time.Millisecond)
			return err
		})
		return addr
	}
	silent, _ := accept(t, func(net.Conn) error { time.Sleep(30 * time.Second); return nil })
	endless, _ := accept(t, func(nc net.Conn) error {
		chunk := make([]byte, 4096) // a header of an unknown type, again and again
		for {
			if _, err := nc.Write(chunk); err != nil {
				return nil
			}
		}
	})
	const atOnce = 5 * time.Second // of ten; generous, for a loaded machine
	for name, c := range map[string]struct {
		addr  string
		limit time.Duration
	}{
		"refused":      {refused, atOnce},
		"no port":      {"localhost", atOnce},
		"http":         {says([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")), atOnce},
		"4 GiB":        {says([]byte{0xff, 0xff, 0xff, 0xff, 1, 2, 3}), atOnce},
		"truncated":    {says([]byte{0, 0, 0, 8, 1}), 11 * time.Second},
		"endless":      {endless, 11 * time.Second},
		"silent":       {silent, 11 * time.Second},
		"unresolvable": {"no-such-host.invalid:47757", 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ok, took := connects(t, c.addr)
			require.False(t, ok)
			require.Less(t, took, c.limit)
		})
	}
}

// TestReasonIsTold: with debugging on, standard error says why a connect failed.
func TestReasonIsTold(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, []byte("/broccoli/debug_messages yes\n"), 0o600))
	for peer, reason := range map[string]string{
		"127.0.0.1:1":            "connection refused",
		"localhost":              "missing port",
		"no-such-host.invalid:1": "no-such-host.invalid",
	} {
		cmd := host(t, "connect", peer)
		cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
		var told bytes.Buffer
		cmd.Stderr = &told
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Contains(t, string(out), "FALSE")
		require.Contains(t, told.String(), reason)
	}
}

// TestValuesComeBack sends every kind of value to a program in C, which sends
// it back by value and in the wire's bytes.
func TestValuesComeBack(t *testing.T) {
	valuesComeBack(t, func(addr string) *exec.Cmd { return host(t, "echo", addr) })
}

func valuesComeBack(t *testing.T, echo func(addr string) *exec.Cmd) {
	t.Helper()
	args := everyValue()
	sent := &event.Event{Name: "echo", Time: 1000, Args: args}
	addr, wait := serve(t, peer.Config{Requests: []string{"echo", "echoed"}}, func(p *peer.Conn) error {
		if err := p.Send(sent); err != nil {
			return err
		}
		if err := p.Flush(); err != nil {
			return err
		}
		for _, name := range []string{"echoed", "echo"} {
			var got event.Event
			if err := p.Next(&got); err != nil {
				return err
			}
			if got.Name != name {
				return fmt.Errorf("got %s instead of %s", got.Name, name)
			}
			if a, b := fmt.Sprintf("%+v", args), fmt.Sprintf("%+v", got.Args); a != b {
				return fmt.Errorf("%s:\nsent %s\ngot  %s", name, a, b)
			}
		}
		return p.Close()
	})
	require.NoError(t, echo(addr).Run())
	require.NoError(t, wait())
}

// TestHalfAnEventHoldsNoOtherBack: the host gets an event though the next one
// is still on its way.
func TestHalfAnEventHoldsNoOtherBack(t *testing.T) {
	one, err := new(wire.Encoder).AppendEvent(nil, &event.Event{Name: "echo", Time: 1})
	require.NoError(t, err)
	addr, done := accept(t, func(nc net.Conn) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		p, err := peer.Open(ctx, nc, peer.Config{Requests: []string{"echoed"}})
		if err != nil {
			return err
		}
		half := len(one) / 2
		for _, part := range [][]byte{slices.Concat(one, one[:half]), one[half:]} {
			if _, err := nc.Write(part); err != nil {
				return err
			}
			var ev event.Event
			if err := p.Next(&ev); err != nil {
				return err
			}
		}
		return p.Close()
	})
	cmd := host(t, "echo", addr)
	cmd.Stderr = nil // it may find the connection closed before its last word
	require.NoError(t, cmd.Run())
	require.NoError(t, <-done)
}

func everyValue() []event.Value {
	v4 := [16]byte{10: 255, 11: 255, 12: 192, 13: 0, 14: 2, 15: 1}
	count := func(n uint64) event.Value { return event.Value{Type: event.Count, Bits: n} }
	text := func(s string) event.Value { return event.Value{Type: event.String, Bytes: []byte(s)} }
	field := func(name string, v event.Value) event.Value { v.Field = name; return v }
	many := func(t event.Type, vs ...event.Value) event.Value { return event.Value{Type: t, Elems: vs} }
	record := many(event.Record, field("a", count(1)), field("b", many(event.Record, field("c", text("deep")))))
	return []event.Value{
		{Type: event.Bool, Bits: 1}, {Type: event.Int, Bits: 1 << 63}, count(math.MaxUint64),
		{Type: event.Double, Bits: math.Float64bits(-1.5)}, {Type: event.Time, Bits: math.Float64bits(1.25)},
		{Type: event.Interval, Bits: math.Float64bits(60)},
		text("bytes\x00and more"), text(""), text(strings.Repeat("long", 100_000)),
		{Type: event.Port, Bits: 22, Proto: 6}, {Type: event.Addr, Addr: v4},
		{Type: event.Subnet, Addr: v4, Width: 24},
		{Type: event.Pattern, Bytes: []byte("a|b.*")},
		record,
		many(event.Vector, count(1), count(2)),
		many(event.Set, text("x"), text("y")),
		many(event.Set, many(event.List, count(1), text("x"))),
		many(event.Table, text("k"), count(1), text("l"), count(2)),
		many(event.Table, many(event.List, count(1), text("x")), record),
	}
}

// TestStalledPeerLosesNothing: while a peer reads nothing, sending goes on until
// the queue is full, and every event that was accepted arrives in the end.
func TestStalledPeerLosesNothing(t *testing.T) {
	const n, size = 20_000, 1000
	addr, wait := serve(t, peer.Config{Requests: []string{"flood"}}, func(p *peer.Conn) error {
		time.Sleep(500 * time.Millisecond)
		var ev event.Event
		for i := range uint64(n) {
			if err := p.Next(&ev); err != nil {
				return err
			}
			if ev.Args[0].Bits != i || len(ev.Args[1].Bytes) != size {
				return fmt.Errorf("event %d has number %d", i, ev.Args[0].Bits)
			}
		}
		return drain(p)
	})
	out, err := host(t, "flood", addr, strconv.Itoa(n), strconv.Itoa(size)).Output()
	require.NoError(t, err)
	t.Logf("%s", bytes.TrimSpace(out))
	require.NoError(t, wait())
}

// TestLateHostLosesNothing: what a host does not process in time waits, in the
// ring and before it.
func TestLateHostLosesNothing(t *testing.T) {
	const n, size = 5000, 1000
	addr, wait := serve(t, peer.Config{}, func(p *peer.Conn) error {
		text := event.Value{Type: event.String, Bytes: make([]byte, size)}
		for i := range uint64(n) {
			ev := &event.Event{Name: "in", Time: 1, Args: []event.Value{{Type: event.Count, Bits: i}, text}}
			if err := p.Send(ev); err != nil {
				return err
			}
		}
		if err := p.Flush(); err != nil {
			return err
		}
		return drain(p)
	})
	out, err := host(t, "late", addr, strconv.Itoa(n)).Output()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintln(n), string(out))
	require.NoError(t, wait())
}

// TestLossEndsCarelessLoops: the descriptor goes with the connection, so that
// loops of programs which only look at that end, and do not spin.
func TestLossEndsCarelessLoops(t *testing.T) {
	addr, wait := serve(t, peer.Config{}, func(p *peer.Conn) error { return p.Close() })
	out, err := host(t, "careless", addr).Output()
	require.NoError(t, err)
	require.Equal(t, "1 -1\n", string(out))
	require.NoError(t, wait())
}

// TestConnectsAgain: after a loss, as often as the host likes, and hears of the
// next peer's events as it did of the first's.
func TestConnectsAgain(t *testing.T) {
	addr, stop := serveAll(t, peer.Config{}, func(p *peer.Conn) {
		ask := func() bool { return p.Wants("in") }
		if assert.Eventually(t, ask, 10*time.Second, time.Millisecond) {
			_ = p.Send(&event.Event{Name: "in", Args: []event.Value{}})
			_ = p.Flush()
		}
	})
	out, err := host(t, "again", addr).Output()
	require.NoError(t, err)
	require.Equal(t, "in\nin\n", string(out))
	require.Equal(t, 2, stop())
}

// TestCrowdConnectsOnce: threads that connect one handle at the same time have one
// connection, and one of its own in a child.
func TestCrowdConnectsOnce(t *testing.T) {
	const n = 16
	var events atomic.Int32
	addr, stop := serveAll(t, peer.Config{Requests: []string{"together"}}, func(p *peer.Conn) {
		for ev := new(event.Event); p.Next(ev) == nil; {
			events.Add(1)
		}
	})
	out, err := host(t, "crowd", addr, strconv.Itoa(n)).Output()
	require.NoError(t, err)
	require.Empty(t, string(out))
	require.Equal(t, 2, stop())
	require.EqualValues(t, 2*n, events.Load())
}

func TestAlwaysQueue(t *testing.T) {
	addr, wait := serve(t, peer.Config{Requests: []string{"queued"}}, func(p *peer.Conn) error {
		var ev event.Event
		if err := p.Next(&ev); err != nil {
			return err
		}
		return drain(p)
	})
	out, err := host(t, "queue", addr).Output()
	require.NoError(t, err)
	require.Equal(t, "1 1 1\n", string(out))
	require.NoError(t, wait())
}

// TestHostListens: the host accepts, and the collector's side connects.
func TestHostListens(t *testing.T) {
	cmd := host(t, "listen", "0")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var port int
	_, err = fmt.Fscan(out, &port)
	require.NoError(t, err)
	nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	p, err := peer.Open(ctx, nc, peer.Config{Requests: []string{"from_listener"}})
	require.NoError(t, err)
	var ev event.Event
	require.NoError(t, p.Next(&ev))
	require.Equal(t, "from_listener", ev.Name)
	require.NoError(t, drain(p))
	require.NoError(t, cmd.Wait())
}
