package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// load is how much TestLoad asks for: a little, or with "make load" what the
// collector has to bear.
func load() (sensors, events int) {
	if os.Getenv("ROMANESCO_LOAD") != "" {
		return 2000, 1_000_000
	}
	return 100, 10_000
}

// TestLoad: many sensors, connected at the same time, all of whose events arrive,
// while others are silent, or do not even shake hands.
func TestLoad(t *testing.T) {
	sensors, events := load()
	t.Run("clear", func(t *testing.T) { bear(t, sensors, events, nil) })
	t.Run("TLS", func(t *testing.T) {
		a := newAuthority(t)
		cfg, err := secure.Settings{CACert: a.ca, HostCert: a.host}.Config()
		require.NoError(t, err)
		bear(t, sensors, events/10, cfg, append(a.args(), "-listen", "", "-tls-listen", "127.0.0.1:0")...)
	})
}

func bear(t *testing.T, sensors, events int, secured *tls.Config, args ...string) {
	const silent, mute = 50, 20
	dir := t.TempDir()
	if secured == nil {
		args = []string{"-listen", "127.0.0.1:0"}
	}
	c := launchIn(t, dir, append(args, "-fsync", "never")...)
	for range mute {
		nc, err := net.Dial("tcp", c.addr)
		require.NoError(t, err)
		defer nc.Close()
	}
	peers := connectAll(t, c.addr, sensors+silent, secured)
	idle := residentPeak(t, c)
	begun := time.Now()
	var wg sync.WaitGroup
	for s, p := range peers[:sensors] {
		wg.Go(func() { p.send(t, s*(events/sensors), events/sensors) })
	}
	wg.Wait()
	took := time.Since(begun)
	busy := residentPeak(t, c)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Contains(t, said, fmt.Sprintf("%d events from %d peers", events, sensors+silent))
	found := numbers(t, dir)
	require.Len(t, found, events)
	for n, times := range found {
		require.Equal(t, 1, times, n)
	}
	t.Logf("%d sensors, %d events in %v; memory at most %d MB, %d MB before the first event",
		sensors, events, took.Round(time.Millisecond), busy>>10, idle>>10)
}

// loader is a sensor that sends, and knows what has been confirmed.
type loader struct {
	peer    *peer.Conn
	journal *delivery.Journal
}

// connectAll connects sensors, and returns when all are.
func connectAll(t *testing.T, addr string, n int, secured *tls.Config) []loader {
	t.Helper()
	all := make([]loader, n)
	var wg sync.WaitGroup
	turns := make(chan bool, 50)
	for i := range all {
		wg.Go(func() {
			turns <- true
			defer func() { <-turns }()
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			if secured != nil {
				nc = tls.Client(nc, secured)
			}
			all[i].journal = delivery.NewJournal(1 << 20)
			all[i].peer = opened(t, nc, peer.Config{Journal: all[i].journal, Whole: secured != nil})
			go func() {
				var ev event.Event
				for all[i].peer.Next(&ev) == nil {
				}
			}()
		})
	}
	wg.Wait()
	require.False(t, t.Failed())
	return all
}

// send sends events that are numbered from from on, and returns when all have
// been confirmed.
func (l *loader) send(t *testing.T, from, n int) {
	for i := range n {
		if err := l.peer.Send(numbered(kinds[i%len(kinds)], from+i)); err != nil {
			t.Error(err)
			return
		}
		if i%100 == 99 {
			_ = l.peer.Flush()
		}
	}
	_ = l.peer.Flush()
	for timeout := time.After(10 * deadline); l.journal.Pending() > 0; {
		select {
		case <-l.journal.Room():
		case <-timeout:
			t.Errorf("%d events are not confirmed", l.journal.Pending())
			return
		}
	}
}

// residentPeak returns the most KB of memory that a collector has had so far.
func residentPeak(t *testing.T, c *collector) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	require.NoError(t, err)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	require.NotNil(t, m)
	n, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return n
}
