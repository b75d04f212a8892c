package core

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// fakeZeek takes events on one connection after another, and is killed after some
// time, a number of times.
type fakeZeek struct {
	addr  string
	kills atomic.Int32 // still to come

	mu    sync.Mutex
	had   map[uint64]int
	first []uint64 // in the order in which they came for the first time
}

func newFakeZeek(t *testing.T, kills int) *fakeZeek {
	z := &fakeZeek{had: map[uint64]int{}}
	z.kills.Store(int32(kills))
	rnd := rand.New(rand.NewPCG(5, 6))
	var mu sync.Mutex
	z.addr = listening(t, func(nc net.Conn) {
		defer nc.Close()
		ctx, cancel := context.WithTimeout(t.Context(), enough)
		defer cancel()
		c, err := websocket.Accept(ctx, nc, websocket.Config{All: true, Version: "8.2.2"})
		if err != nil {
			return
		}
		mu.Lock()
		if z.kills.Add(-1) >= 0 {
			after := time.Duration(rnd.IntN(20_000)) * time.Microsecond
			time.AfterFunc(after, func() { _ = nc.Close() })
		}
		mu.Unlock()
		z.take(c, nc)
	})
	return z
}

// poison is the number of an event that a Zeek closes the connection for.
const poison = 1 << 40

func (z *fakeZeek) take(c *websocket.Conn, nc net.Conn) {
	for ev := new(event.Event); c.Next(ev) == nil; {
		n := ev.Args[0].Bits
		if n == poison {
			_ = wsutil.WriteServerMessage(nc, ws.OpClose, ws.NewCloseFrameBody(1007, "no"))
			return
		}
		z.mu.Lock()
		if z.had[n]++; z.had[n] == 1 {
			z.first = append(z.first, n)
		}
		z.mu.Unlock()
	}
}

func (z *fakeZeek) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return len(z.first)
}

// zeekFront is one of a program that is connected to that Zeek, with a spool in dir.
func zeekFront(t *testing.T, z *fakeZeek, dir string) (*front, string) {
	f := newFront(t, z.addr)
	f.set.zeek = &zeekSettings{topic: "t", subscribe: "u"}
	return f, f.spooled(t, dir)
}

// TestSpoolToZeek: a Zeek that is killed again and again gets all that was
// accepted, in order, and nothing is left.
func TestSpoolToZeek(t *testing.T) {
	const events, kills = 20_000, 20
	z := newFakeZeek(t, kills)
	f, folder := zeekFront(t, z, t.TempDir())
	f.set.background = true
	c, err := open(f.link, f.set)
	require.ErrorIs(t, err, errBackground)
	for n := range uint64(events) {
		for !f.put(numbered(t, n)) {
			time.Sleep(time.Millisecond)
		}
	}
	require.Eventually(t, func() bool { return z.count() == events }, enough, time.Millisecond)
	require.Eventually(t, func() bool { return c.journal.Pending() == 0 }, enough, time.Millisecond)
	c.close(enough) // a kill may come meanwhile
	for i, n := range z.first {
		require.EqualValues(t, i, n)
	}
	require.Zero(t, c.stats.setAside.Load())
	require.NoFileExists(t, filepath.Join(folder, "log"))
	require.NoFileExists(t, filepath.Join(filepath.Dir(folder), refusedName))
	require.Less(t, z.kills.Load(), int32(kills-3))
}

// TestOrphanToZeek: what a process has left for a Zeek comes, before one's own.
func TestOrphanToZeek(t *testing.T) {
	names := make(chan string, 10)
	addr := listening(t, func(nc net.Conn) {
		c, err := websocket.Accept(t.Context(), nc, websocket.Config{All: true})
		for ev := new(event.Event); err == nil; {
			if err = c.Next(ev); err == nil {
				names <- fmt.Sprint(ev.Name, len(ev.Args))
			}
		}
	})
	dir := t.TempDir()
	f, _ := zeekFront(t, &fakeZeek{addr: addr}, dir)
	leave(t, f, dir)
	c, err := open(f.link, f.set)
	require.NoError(t, err)
	require.True(t, f.put(numbered(t, 7)))
	require.Equal(t, "e0", <-names)
	require.Equal(t, "e1", <-names)
	require.True(t, c.close(enough))
}

// TestOneEventStopsNoOther: neither one that a Zeek refuses, which is in a file
// then, nor one that has no counterpart in Zeek; with a spool and without.
func TestOneEventStopsNoOther(t *testing.T) {
	for name, spooled := range map[string]bool{"spool": true, "confirm": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			z := newFakeZeek(t, 0)
			f, _ := zeekFront(t, z, dir)
			if !spooled {
				f.set.spool, f.set.confirm = spoolSettings{}, true
				f.set.refusedFile = filepath.Join(dir, refusedName)
			}
			c, err := open(f.link, f.set)
			require.NoError(t, err)
			const events = 300
			enum, err := flat.AppendEvent(nil, &event.Event{Name: "e", Args: []event.Value{{Type: event.Enum, TypeName: "T", Bits: 1}}})
			require.NoError(t, err)
			for n := range uint64(events) {
				if n == 150 {
					require.True(t, f.put(numbered(t, poison)))
					require.True(t, f.put(enum))
				}
				require.True(t, f.put(numbered(t, n)))
			}
			require.Eventually(t, func() bool { return z.count() == events }, enough, time.Millisecond)
			require.True(t, c.close(enough))
			require.EqualValues(t, 1, c.stats.setAside.Load())
			require.EqualValues(t, 2, atomic.LoadUint64(f.link.refused()))
			b, err := os.ReadFile(filepath.Join(dir, refusedName))
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(b), "\n"))
			require.Contains(t, string(b), `code 1007`)
			require.Contains(t, string(b), `"event":"e","args":{"arg1":1099511627776}`)
		})
	}
}
