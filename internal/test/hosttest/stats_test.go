package hosttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// wireHeaders is what a message begins with before the bytes of the event: a
// header chunk, the length of the payload, and the kind of object.
const wireHeaders = 4 + 8 + 4 + 1

// TestStatsTellTheTruth compares what the host says that waits with what the
// records of these events are known to take.
func TestStatsTellTheTruth(t *testing.T) {
	const in, out = 100, 300
	numbered := func(name string, i int) *event.Event {
		return &event.Event{Name: name, Time: 1, Args: []event.Value{{Type: event.Count, Bits: uint64(i)}}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	connection := func() *peer.Conn {
		nc, err := l.Accept()
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		p, err := peer.Open(ctx, nc, peer.Config{Requests: []string{"steady"}})
		require.NoError(t, err)
		return p
	}
	cmd := host(t, "stats", l.Addr().String(), fmt.Sprint(out))
	lines := statistics(t, cmd, 86400)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := func() (rx, tx int) {
		_, err := fmt.Fscan(stdout, &rx, &tx)
		require.NoError(t, err)
		return rx, tx
	}

	p := connection()
	for i := range in {
		require.NoError(t, p.Send(numbered("in", i)))
	}
	require.NoError(t, p.Flush())
	require.NoError(t, p.Close())
	// The host gets them with the wire's bytes.
	arrived := 0
	for i := range in {
		ev := numbered("in", i)
		message, err := new(wire.Encoder).AppendEvent(nil, ev)
		require.NoError(t, err)
		ev.Raw = message[wireHeaders:]
		rec, err := flat.AppendEvent(nil, ev)
		require.NoError(t, err)
		arrived += len(rec)
	}
	rx, tx := said()
	require.Equal(t, arrived, rx)
	require.Zero(t, tx)

	record, err := flat.AppendEvent(nil, numbered("steady", 0))
	require.NoError(t, err)
	rx, tx = said()
	require.Equal(t, arrived, rx)
	require.Equal(t, out*len(record), tx)
	rx, tx = said()
	require.Zero(t, rx)
	require.Equal(t, out*len(record), tx)

	p = connection()
	var ev event.Event
	for i := range uint64(out) {
		require.NoError(t, p.Next(&ev))
		require.Equal(t, i, ev.Args[0].Bits)
	}
	rx, tx = said()
	require.Zero(t, rx)
	require.Zero(t, tx)
	require.NoError(t, drain(p))
	require.NoError(t, cmd.Wait())
	last := lines()
	require.Len(t, last, 1, "one at the end")
	require.Regexp(t, fmt.Sprintf(`^[0-9]+\.[0-9]{3} pid=%d peer=%s state=down connects=2 accepted=%d full=0 queued=0 `+
		`sent=%d unwanted=0 unsendable=0 unconfirmed=0 received=%d set_aside=0$`, cmd.Process.Pid, l.Addr(), out, out, in), last[0])
}

// statistics has the host write its statistics, and returns what reads them.
func statistics(t *testing.T, cmd *exec.Cmd, seconds int) func() []string {
	t.Helper()
	dir := t.TempDir()
	conf, file := filepath.Join(dir, "broccoli.conf"), filepath.Join(dir, "stats")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil,
		"/broccoli/stats_interval %d\n/broccoli/stats_file %s\n", seconds, file), 0o600))
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
	return func() []string {
		b, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		require.NoError(t, err)
		return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	}
}

// TestStatsTellWhatNobodyWants: an event that the peer has not asked for.
func TestStatsTellWhatNobodyWants(t *testing.T) {
	addr, wait := serve(t, peer.Config{}, drain)
	cmd := host(t, "exit", addr)
	lines := statistics(t, cmd, 86400)
	require.NoError(t, cmd.Run())
	require.NoError(t, wait())
	got := lines()
	require.Len(t, got, 1)
	require.Contains(t, got[0], "accepted=1 full=0 queued=0 sent=0 unwanted=1 unsendable=0")
}

// TestStatsComeEachInterval: a line each second, and those who want none get none.
func TestStatsComeEachInterval(t *testing.T) {
	t.Parallel()
	addr, wait := serve(t, peer.Config{}, drain)
	cmd := host(t, "idle", addr, "3000")
	lines := statistics(t, cmd, 1)
	require.NoError(t, cmd.Run())
	require.NoError(t, wait())
	got := lines()
	require.Greater(t, len(got), 2)
	require.Contains(t, got[0], "state=up connects=1 accepted=0")

	addr, wait = serve(t, peer.Config{}, drain)
	cmd = host(t, "idle", addr, "1500")
	lines = statistics(t, cmd, 0)
	require.NoError(t, cmd.Run())
	require.NoError(t, wait())
	require.Empty(t, lines())
}
