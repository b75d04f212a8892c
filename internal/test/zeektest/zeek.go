package zeektest

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

const root = "../../.."

// Declarations is a Zeek script with the events that tests send back and forth.
//
//go:embed testdata/values.zeek
var Declarations string

var (
	program = os.Getenv("ROMANESCO_ZEEK")
	build   = os.Getenv("ROMANESCO_BUILD")
)

// backends are the ways in which the nodes of a Zeek reach each other, each with what
// a Zeek by itself loads to have it since 8.1. Before, it always has broker.
var backends = map[string][]string{
	"broker": {"frameworks/cluster/backend/broker"},
	"zeromq": {"frameworks/cluster/backend/zeromq", "Cluster::Backend::ZeroMQ::run_proxy_thread=T"},
}

// is reports whether the program is a Zeek of that version or of a later one.
func is(t *testing.T, major, minor int) bool {
	t.Helper()
	out, err := exec.Command(program, "--version").CombinedOutput()
	require.NoError(t, err)
	var has [2]int
	_, err = fmt.Sscanf(regexp.MustCompile(`\d+\.\d+`).FindString(string(out)), "%d.%d", &has[0], &has[1])
	require.NoError(t, err, "%s", out)
	return slices.Compare(has[:], []int{major, minor}) >= 0
}

// since skips a test of what Zeeks before that version have not.
func since(t *testing.T, major, minor int, what string) {
	t.Helper()
	if program != "" && !is(t, major, minor) {
		t.Skipf("%s: since Zeek %d.%d", what, major, minor)
	}
}

// EachBackend runs a test with a Zeek that has loaded the package, with each backend.
func EachBackend(t *testing.T, f func(t *testing.T, z *Zeek), args ...string) {
	t.Helper()
	for name := range backends {
		if name != "broker" && program != "" && !is(t, 8, 1) {
			continue
		}
		t.Run(name, func(t *testing.T) { f(t, Start(t, name, args...)) })
	}
}

// Zeek is a Zeek that runs, or has run.
type Zeek struct {
	Addr  string // of its WebSocket port
	dir   string
	args  []string
	cmd   *exec.Cmd
	said  *bytes.Buffer
	ended chan error // has how it has ended
}

// Start starts a Zeek with our package, and returns when it listens.
func Start(t *testing.T, backend string, args ...string) *Zeek {
	t.Helper()
	if program == "" || build == "" {
		t.Skip("needs a real Zeek and the built library: ROMANESCO_ZEEK=program make test-zeek")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	z := &Zeek{Addr: l.Addr().String(), dir: t.TempDir()}
	require.NoError(t, l.Close())
	_, port, err := net.SplitHostPort(z.Addr)
	require.NoError(t, err)
	z.args = []string{"-b"} // without what it knows of traffic
	if is(t, 8, 1) {
		z.args = append(z.args, backends[backend]...)
	}
	z.args = append(z.args, Absolute(t, "zeek/scripts"), Absolute(t, "zeek/scripts/listen.zeek"))
	z.args = append(append(z.args, args...), "SSHDSensor::listen_port="+port+"/tcp")
	z.start(t)
	t.Cleanup(func() { z.kill() })
	return z
}

func Absolute(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, name))
	require.NoError(t, err)
	return path
}

func (z *Zeek) start(t *testing.T) {
	t.Helper()
	z.cmd, z.said, z.ended = exec.Command(program, z.args...), new(bytes.Buffer), make(chan error, 1)
	z.cmd.Dir, z.cmd.Stderr, z.cmd.Stdout = z.dir, z.said, z.said
	require.NoError(t, z.cmd.Start())
	cmd, ended := z.cmd, z.ended
	go func() { ended <- cmd.Wait() }()
	for began := time.Now(); !z.listens(t); {
		select {
		case err := <-z.ended:
			t.Fatalf("it has ended: %v: %s", err, z.said)
		case <-time.After(20 * time.Millisecond):
		}
		require.Less(t, time.Since(began), time.Minute, "it does not listen")
	}
}

// listens asks the kernel: Zeek complains of who connects and says nothing.
func (z *Zeek) listens(t *testing.T) bool {
	t.Helper()
	at, err := netip.ParseAddrPort(z.Addr)
	require.NoError(t, err)
	b, err := os.ReadFile("/proc/net/tcp")
	require.NoError(t, err)
	const listening = "00000000:0000 0A"
	return strings.Contains(string(b), fmt.Sprintf(":%04X %s", at.Port(), listening))
}

// kill ends it as a crash would.
func (z *Zeek) kill() {
	_ = z.cmd.Process.Kill()
	_ = z.wait()
}

func (z *Zeek) wait() error {
	err := <-z.ended
	z.ended <- err
	return err
}

// end ends it in order, so that its logs are whole, and returns what it has said.
func (z *Zeek) end(t *testing.T) string {
	t.Helper()
	require.NoError(t, z.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, z.wait(), "%s", z.said)
	return regexp.MustCompile(`(?m)^.*received termination signal\n`).ReplaceAllString(z.said.String(), "")
}

// log returns the lines of one of its logs, each by the names of its columns.
func (z *Zeek) log(t *testing.T, name string) (lines []map[string]string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(z.dir, name+".log"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	var names []string
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if cells[0] == "#fields" {
			names = cells[1:]
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := map[string]string{}
		for i, cell := range cells {
			fields[names[i]] = cell
		}
		lines = append(lines, fields)
	}
	return lines
}

// awaits waits until one of its logs has so many lines, for half a minute at the most.
func (z *Zeek) awaits(t *testing.T, name string, lines int) {
	t.Helper()
	for range 300 {
		if len(z.log(t, name)) >= lines {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// complaints returns what Zeek has found wrong.
func (z *Zeek) complaints(t *testing.T) (found []string) {
	t.Helper()
	for _, line := range z.log(t, "reporter") {
		if line["message"] == "received termination signal" { // until 7.0 it is told here
			continue
		}
		found = append(found, line["level"]+": "+line["message"])
	}
	for _, line := range z.log(t, "cluster") {
		if strings.Contains(line["message"], "gone with code") && !strings.Contains(line["message"], "code 1000") {
			found = append(found, line["message"])
		}
	}
	return found
}

// handled returns how often each number was handled by count.zeek.
func (z *Zeek) handled(t *testing.T) map[uint64]int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(z.dir, "handled"))
	require.NoError(t, err)
	found := map[uint64]int{}
	for line := range strings.Lines(string(b)) {
		_, number, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok, line)
		n, err := strconv.ParseUint(number, 10, 64)
		require.NoError(t, err)
		found[n]++
	}
	return found
}

// client is a WebSocket client of it.
func (z *Zeek) client(t *testing.T, cfg websocket.Config) *websocket.Conn {
	t.Helper()
	c, err := z.open(t, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (z *Zeek) open(t *testing.T, cfg websocket.Config) (*websocket.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", z.Addr)
	require.NoError(t, err)
	cfg.Host, cfg.All, cfg.Logf = z.Addr, true, t.Logf
	return websocket.Open(ctx, nc, cfg)
}
