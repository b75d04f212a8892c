package peer

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
)

func numbered(n int) *event.Event {
	return &event.Event{Name: "e", Args: []event.Value{{Type: event.Count, Bits: uint64(n)}}}
}

// destination takes events on one connection after another.
type destination struct {
	t    *testing.T
	addr string

	mu   sync.Mutex
	had  map[uint64]int
	held int // connections
}

// listenFor hands each connection to serve.
func listenFor(t *testing.T, serve func(d *destination, p *Conn, nc net.Conn)) *destination {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	d := &destination{t: t, addr: l.Addr().String(), had: map[uint64]int{}}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.held++
			d.mu.Unlock()
			go func() {
				defer nc.Close()
				if p, err := Open(t.Context(), nc, Config{Requests: []string{"e"}}); err == nil {
					serve(d, p, nc)
				}
			}()
		}
	}()
	return d
}

// take takes events up to one that is not to be had.
func (d *destination) take(p *Conn, until func(n uint64) bool) {
	for ev := new(event.Event); p.Next(ev) == nil; {
		if until(ev.Args[0].Bits) {
			return
		}
		d.mu.Lock()
		d.had[ev.Args[0].Bits]++
		d.mu.Unlock()
	}
}

func (d *destination) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.had)
}

func never(uint64) bool { return false }

// deliver sends events through a journal until it is empty, over as many
// connections as that takes, or as many as are allowed.
func (d *destination) deliver(j *delivery.Journal, events, connections int, setAside func(*event.Event, error) error) {
	t := d.t
	next := 0
	for range connections {
		if next == events && j.Pending() == 0 {
			return
		}
		nc, err := net.Dial("tcp", d.addr)
		require.NoError(t, err)
		c, err := Open(t.Context(), nc, Config{Journal: j, SetAside: setAside})
		if err != nil {
			continue
		}
		over := make(chan error, 1)
		go func() {
			err := c.Next(&event.Event{})
			_ = c.Close()
			over <- err
		}()
		for err = c.Flush(); err == nil && (next < events || j.Pending() > 0); {
			if next < events && !j.Full() {
				err = c.Send(numbered(next))
				next++
				if err == nil && next%10 == 0 {
					err = c.Flush()
				}
				continue
			}
			if err = c.Flush(); err != nil {
				break
			}
			select {
			case <-j.Room():
			case err = <-over:
				over <- err
			}
		}
		if err != nil {
			<-over // what the peer has said counts, not that we have closed
		}
		_ = c.Close()
	}
}

// aside takes note of what is set aside.
type aside struct{ numbers []uint64 }

func (a *aside) take(ev *event.Event, why error) error {
	if why == nil {
		return errors.New("no reason")
	}
	a.numbers = append(a.numbers, ev.Args[0].Bits)
	return nil
}

// TestWhatEndsConnectionsIsSetAside: a peer that ends at certain events gets all
// others, in order at first, and no more often than it must.
func TestWhatEndsConnectionsIsSetAside(t *testing.T) {
	const events = 500
	poison := []uint64{0, 250, 251, 499}
	d := listenFor(t, func(d *destination, p *Conn, nc net.Conn) {
		d.take(p, func(n uint64) bool { return slices.Contains(poison, n) })
	})
	var set aside
	j := delivery.NewJournal(1 << 20)
	d.deliver(j, events, 100, set.take)
	require.Zero(t, j.Pending())
	require.Equal(t, poison, set.numbers)
	require.Equal(t, events-len(poison), d.count())
	require.LessOrEqual(t, d.held, len(poison)*(2+5+1)+1, "two ends until the search begins, five that prove, and one")
}

// TestNobodyIsSetAsideByKills, which come when they come: all arrive.
func TestNobodyIsSetAsideByKills(t *testing.T) {
	const events, kills = 50_000, 40
	rnd := rand.New(rand.NewPCG(3, 4))
	var mu sync.Mutex
	killed := 0
	d := listenFor(t, func(d *destination, p *Conn, nc net.Conn) {
		mu.Lock()
		killed++
		mine, after := killed, time.Duration(rnd.IntN(1000))*time.Microsecond
		mu.Unlock()
		if mine <= kills {
			time.AfterFunc(after, func() { _ = nc.(*net.TCPConn).CloseWrite() }) // as if it had read all
			time.AfterFunc(after, func() { _ = nc.Close() })
		}
		d.take(p, never)
	})
	var set aside
	j := delivery.NewJournal(1 << 20)
	d.deliver(j, events, 10*kills, set.take)
	require.Empty(t, set.numbers)
	require.Equal(t, events, d.count())
	require.Zero(t, j.Pending())
	require.Greater(t, d.held, kills)
}

// TestWhatProvesNothingSetsNothingAside, however often it happens.
func TestWhatProvesNothingSetsNothingAside(t *testing.T) {
	const times = 30
	for name, serve := range map[string]func(d *destination, p *Conn, nc net.Conn){
		"ends before it has read": func(_ *destination, _ *Conn, nc net.Conn) { time.Sleep(time.Millisecond) },
		"resets": func(d *destination, p *Conn, nc net.Conn) {
			d.take(p, func(uint64) bool { return true })
			_ = nc.(*net.TCPConn).SetLinger(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := listenFor(t, serve)
			var set aside
			j := delivery.NewJournal(1 << 20)
			d.deliver(j, 5, times, set.take)
			require.Empty(t, set.numbers)
			require.Equal(t, 5, j.Pending())
		})
	}
}

// divided returns a Journal that searches: each of n events is to be under way alone.
func divided(t *testing.T, n int) *delivery.Journal {
	t.Helper()
	j := delivery.NewJournal(1 << 20)
	c := &Conn{}
	var messages []byte
	for i := range n {
		var err error
		messages, err = c.enc.AppendEvent(messages, numbered(i))
		require.NoError(t, err)
	}
	j.Add(messages, n)
	for range 2 { // the same head at the end of two connections
		_, _ = j.Again(nil, 0, func(b []byte, _ uint32) []byte { return b })
		_, err := j.Over(delivery.Lost, io.EOF, delivery.Form{Split: c.split})
		require.NoError(t, err)
		j.Connected()
	}
	b, _ := j.Again(nil, 0, func(b []byte, _ uint32) []byte { return b })
	require.Empty(t, b, "what goes first has no event")
	return j
}

// TestPeerWithoutReceiptsSetsNothingAside: one that never answers may end as often
// as it likes.
func TestPeerWithoutReceiptsSetsNothingAside(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for answers")
	}
	d := listenFor(t, func(_ *destination, p *Conn, nc net.Conn) {
		time.AfterFunc(1200*time.Millisecond, func() { _ = nc.(*net.TCPConn).CloseWrite() })
		_, _ = io.Copy(io.Discard, nc)
	})
	var set aside
	j := divided(t, 3)
	d.deliver(j, 0, 6, set.take)
	require.Empty(t, set.numbers)
	require.Equal(t, 3, j.Pending())
}

// TestWhatCannotBeSetAsideStays until it can.
func TestWhatCannotBeSetAsideStays(t *testing.T) {
	d := listenFor(t, func(d *destination, p *Conn, nc net.Conn) {
		d.take(p, func(n uint64) bool { return n == 1 })
	})
	var set aside
	tries := 0
	j := delivery.NewJournal(1 << 20)
	d.deliver(j, 3, 100, func(ev *event.Event, why error) error {
		if tries++; tries < 4 {
			return errors.New("no room on the disk")
		}
		return set.take(ev, why)
	})
	require.Equal(t, 4, tries)
	require.Equal(t, []uint64{1}, set.numbers)
	require.Equal(t, 2, d.count())
}
