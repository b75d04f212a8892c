package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
)

// patience is how long tests wait for what has to happen.
const patience = 30 * time.Second

func compile(t testing.TB, text string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Compile(text)
	require.NoError(t, err)
	return p
}

// anyone asks every peer that connects for the events that match.
func anyone(t testing.TB, text string) []Destination {
	return []Destination{Anyone(compile(t, text))}
}

// output is what a collector writes, to be looked at while it does.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

// lines returns what has been written so far.
func (o *output) lines() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Split(strings.TrimSuffix(o.b.String(), "\n"), "\n")
}

// running is a collector that listens in the clear.
type running struct {
	*Collector
	addr   string
	events *output // one line of JSON each
	told   *output // what was said in Messages
	stop   func()
}

// start runs a collector until the test ends.
func start(t testing.TB, cfg Config, change ...func(*Collector)) *running {
	t.Helper()
	r := &running{events: &output{}, told: &output{}}
	if cfg.Catalog == nil {
		cfg.Catalog = catalog.Builtin()
	}
	if cfg.Log == nil {
		cfg.Log = eventlog.NewStream(r.events, eventlog.JSON)
	}
	cfg.Messages = messages(r.told)
	r.Collector = New(cfg)
	for _, f := range change {
		f(r.Collector)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, l) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(r.stop)
	return r
}

// TestRecordedSSHDSession plays what the recorded client sent to a collector.
func TestRecordedSSHDSession(t *testing.T) {
	client, err := os.ReadFile("../../../testdata/vectors/sensor-sshd/client.bin")
	require.NoError(t, err)
	c := start(t, Config{Destinations: anyone(t, "sensor_sshd.*")})
	nc, err := net.Dial("tcp", c.addr)
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Write(client)
	require.NoError(t, err)
	require.NoError(t, nc.(*net.TCPConn).CloseWrite())
	require.Eventually(t, func() bool { _, err := nc.Read(make([]byte, 4096)); return err != nil },
		patience, time.Millisecond) // the collector closes at the end
	c.stop()
	lines := c.events.lines()
	require.Len(t, lines, 16)
	var first struct {
		Peer, Event string
		Ts          float64
		Args        map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
	require.Equal(t, "sensor_sshd_listen", first.Event)
	require.Contains(t, first.Peer, "127.0.0.1:")
	require.Contains(t, first.Args["server_p"], "/tcp")
	for _, line := range lines {
		require.Contains(t, line, `"args":{"ts":`)
	}
	events, peers := c.Totals()
	require.Equal(t, []uint64{16, 1, 0}, []uint64{events, peers, c.Refused()})
}
