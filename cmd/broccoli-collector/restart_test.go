package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// TestLoadRestart: the collector is killed under sensors that send, and started again.
// All are back within a minute, and what was confirmed is there.
func TestLoadRestart(t *testing.T) {
	sensors := 100
	if os.Getenv("ROMANESCO_LOAD") != "" {
		sensors = 2000
	}
	needFiles(t, sensors)
	dir := t.TempDir()
	c := launchIn(t, dir, "-listen", "127.0.0.1:0")
	var stop atomic.Bool
	var wg sync.WaitGroup
	all := make([]restless, sensors)
	for i := range all {
		all[i] = restless{addr: c.addr, from: i * perSensor, journal: delivery.NewJournal(1 << 20), stop: &stop}
		wg.Go(func() { all[i].run(t) })
	}
	confirmed := func() (sum int) {
		for i := range all {
			sum += max(int(all[i].sent.Load())-all[i].journal.Pending(), 0)
		}
		return sum
	}
	require.Eventually(t, func() bool { return confirmed() > 5*sensors }, 2*deadline, 10*time.Millisecond)
	c.end(t, syscall.SIGKILL)
	before := confirmed()
	again := launchIn(t, dir, "-listen", c.addr, "-metrics", "127.0.0.1:0")
	url := again.earlier(t, `metrics at (\S+)`)
	begun := time.Now()
	require.Eventually(t, func() bool {
		_, body := get(t, url)
		return strings.Contains(body, fmt.Sprintf("broccoli_peers %d\n", sensors))
	}, time.Minute, 10*time.Millisecond)
	back := time.Since(begun)
	require.Eventually(t, func() bool { return confirmed() > before+2*sensors }, deadline, 10*time.Millisecond)
	stop.Store(true)
	wg.Wait()
	code, said := again.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	found := numbers(t, dir)
	events := 0
	for i := range all {
		for n := range int(all[i].sent.Load()) {
			if found[fmt.Sprint(all[i].from+n)] == 0 {
				t.Errorf("event %d of sensor %d is lost", n, i)
			}
			events++
		}
	}
	require.Len(t, found, events)
	t.Logf("%d sensors are back after %v; %d events, %d confirmed before", sensors, back.Round(time.Millisecond), events, before)
}

// perSensor is more events than a sensor sends.
const perSensor = 100_000

// restless is a sensor that sends until it is told to stop, and connects again and
// again until all is confirmed.
type restless struct {
	addr    string
	from    int
	journal *delivery.Journal
	stop    *atomic.Bool
	sent    atomic.Int64
}

func (r *restless) run(t *testing.T) {
	for !r.stop.Load() || r.journal.Pending() > 0 {
		r.connection(t)
		time.Sleep(100*time.Millisecond + rand.N(200*time.Millisecond))
	}
}

// connection sends over one, until that or all has ended.
func (r *restless) connection(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return
	}
	p, err := peer.Open(ctx, nc, peer.Config{Journal: r.journal})
	if err != nil {
		return
	}
	defer p.Close()
	ended := make(chan error, 1)
	go func() {
		var err error
		for ev := new(event.Event); err == nil; {
			err = p.Next(ev)
		}
		ended <- err
	}()
	for err = p.Flush(); err == nil; { // what the journal holds
		if !r.stop.Load() {
			n := r.sent.Load()
			_ = p.Send(numbered(kinds[0], r.from+int(n))) // after an error it is in the journal
			r.sent.Store(n + 1)
		} else if r.journal.Pending() == 0 {
			return
		}
		err = p.Flush()
		select {
		case <-ended:
			return
		case <-time.After(20*time.Millisecond + rand.N(20*time.Millisecond)):
		}
	}
}
