package hosttest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// rawZeek is a Zeek of which the test writes and reads the frames itself.
type rawZeek struct {
	net.Conn
	in *bufio.Reader
}

func newRawZeek(t *testing.T, nc net.Conn) *rawZeek {
	t.Helper()
	_, err := ws.Upgrade(nc)
	require.NoError(t, err)
	z := &rawZeek{nc, bufio.NewReader(nc)}
	z.read(t) // the subscription
	ack := zeek.Ack{Endpoint: "e", Version: "8.2.2"}
	require.NoError(t, ws.WriteFrame(nc, ws.NewTextFrame(ack.AppendTo(nil))))
	return z
}

func (z *rawZeek) read(t *testing.T) ws.OpCode {
	t.Helper()
	require.NoError(t, z.SetReadDeadline(time.Now().Add(20*time.Second)))
	op, _, err := z.frame()
	require.NoError(t, err)
	return op
}

// frame reads a frame.
func (z *rawZeek) frame() (ws.OpCode, []byte, error) {
	h, err := ws.ReadHeader(z.in)
	if err != nil {
		return 0, nil, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(z.in, payload)
	ws.Cipher(payload, h.Mask, 0)
	return h.OpCode, payload, err
}

// answers asks, and waits for the answer.
func (z *rawZeek) answers(t *testing.T) time.Duration {
	t.Helper()
	asked := time.Now()
	require.NoError(t, ws.WriteFrame(z, ws.NewPingFrame([]byte("heartbeat"))))
	for {
		if z.read(t) == ws.OpPong {
			return time.Since(asked)
		}
	}
}

// events sends those of the numbers from from to to.
func (z *rawZeek) events(t *testing.T, from, to, size int) {
	t.Helper()
	enc := zeek.NewEncoder("broccoli/to-clients", zeek.Dialect{})
	var b bytes.Buffer
	for i := from; i < to; i++ {
		m, err := enc.AppendEvent(nil, &event.Event{Name: "in", Args: []event.Value{
			{Type: event.Count, Bits: uint64(i)}, {Type: event.String, Bytes: bytes.Repeat([]byte("x"), size)},
		}})
		require.NoError(t, err)
		require.NoError(t, ws.WriteFrame(&b, ws.NewTextFrame(m)))
		if b.Len() > 1<<20 || i == to-1 {
			require.NoError(t, z.SetWriteDeadline(time.Now().Add(5*time.Second)), "as Zeek does")
			_, err = z.Write(b.Bytes())
			require.NoError(t, err, "somebody reads it")
			b.Reset()
		}
	}
}

// silent is a program that processes nothing until it is told to.
type silent struct {
	zeek *rawZeek
	pid  int
	in   io.WriteCloser
	out  *bufio.Reader
	wait func() error
	// lines are its statistics, told its messages.
	lines func() string
	told  func() string
}

func startSilent(t *testing.T, conf string) *silent {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dir := t.TempDir()
	file, stats := filepath.Join(dir, "broccoli.conf"), filepath.Join(dir, "stats")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "/broccoli/debug_messages yes\n"+
		"/broccoli/stats_interval 86400\n/broccoli/stats_file %s\n%s", stats, conf), 0o600))
	cmd := run(t, "silent", "ws://"+l.Addr().String())
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+file)
	var told bytes.Buffer
	cmd.Stderr = &told
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	nc, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	s := &silent{zeek: newRawZeek(t, nc), pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out), wait: cmd.Wait}
	line, err := s.out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "connected\n", line)
	s.lines = func() string {
		b, err := os.ReadFile(stats)
		require.NoError(t, err)
		return string(b)
	}
	s.told = told.String
	return s
}

// resident is the memory of the program, in bytes.
func (s *silent) resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	require.NoError(t, err)
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	require.NotNil(t, m)
	kib, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return kib << 10
}

// process has it process, and returns what it has seen by then.
func (s *silent) process(t *testing.T) (seen, first, last int, ordered, up bool) {
	t.Helper()
	_, err := io.WriteString(s.in, "\n")
	require.NoError(t, err)
	var o, u int
	_, err = fmt.Fscan(s.out, &seen, &first, &last, &o, &u)
	require.NoError(t, err)
	return seen, first, last, o == 1, u == 1
}

// end ends it orderly, and returns how many events it has dropped.
func (s *silent) end(t *testing.T) int {
	t.Helper()
	require.NoError(t, s.in.Close())
	for s.zeek.read(t) != ws.OpClose {
	}
	require.NoError(t, ws.WriteFrame(s.zeek, ws.NewCloseFrame(nil)))
	_ = s.zeek.Close()
	require.NoError(t, s.wait())
	m := regexp.MustCompile(`received=(\d+) set_aside=0 dropped=(\d+)\n$`).FindStringSubmatch(s.lines())
	require.NotNil(t, m, s.lines())
	n, err := strconv.Atoi(m[2])
	require.NoError(t, err)
	return n
}

// TestSilentReader: a program that processes nothing while Zeek sends stays
// connected, answers, and takes no more memory than is set; afterwards it has the
// first events in order, and knows how many it does not have.
func TestSilentReader(t *testing.T) {
	for name, c := range map[string]struct {
		conf      string
		size      int
		events    int
		most      int // bytes
		processed int // events at least
	}{
		"default": {"", 100, 200_000, 16 << 20, 15_000},
		"small":   {"/broccoli/zeek_inbound 4194304\n", 100, 100_000, 4 << 20, 5_000},
		"large":   {"", 300_000, 200, 16 << 20, 10},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSilent(t, c.conf)
			s.zeek.events(t, 0, 100, c.size)
			s.zeek.answers(t)
			before := s.resident(t)
			s.zeek.events(t, 100, c.events, c.size)
			took := s.zeek.answers(t)
			time.Sleep(100 * time.Millisecond)
			grown := s.resident(t) - before
			seen, first, last, ordered, up := s.process(t)
			t.Logf("%d of %d events, %d bytes more, pong after %v", seen, c.events, grown, took)
			require.True(t, ordered && up)
			require.Zero(t, first)
			require.Equal(t, seen-1, last, "the first ones, without a gap")
			require.Greater(t, seen, c.processed)
			require.Less(t, seen, c.events)
			require.Less(t, grown, c.most+4<<20, "what it takes to read anything at all included")

			s.zeek.events(t, c.events, c.events+10, c.size)
			again, _, last, ordered, _ := s.process(t)
			require.Equal(t, seen+10, again, "there is room again")
			require.Equal(t, c.events+9, last)
			require.True(t, ordered)
			require.Equal(t, c.events+10-again, s.end(t))
			require.Equal(t, 1, bytes.Count([]byte(s.told()), []byte("zeek_inbound")), s.told())
		})
	}
}

// TestSilentReaderLoses the connection, not what was received before.
func TestSilentReaderLoses(t *testing.T) {
	const n = 20_000
	s := startSilent(t, "/broccoli/zeek_inbound 67108864\n")
	s.zeek.events(t, 0, n, 100)
	s.zeek.answers(t)
	_ = s.zeek.Close()
	time.Sleep(200 * time.Millisecond)
	seen, first, last, ordered, _ := s.process(t)
	require.Equal(t, []int{n, 0, n - 1}, []int{seen, first, last})
	require.True(t, ordered)
	require.NoError(t, s.in.Close())
	require.NoError(t, s.wait())
	require.Contains(t, s.lines(), fmt.Sprintf("received=%d set_aside=0 dropped=0\n", n))
}
