package core

import (
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFewAreOnDisk: however many connections have a spool.
func TestFewAreOnDisk(t *testing.T) {
	var now, most atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			_ = onDisk(func() error {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				now.Add(-1)
				return nil
			})
		})
	}
	all.Wait()
	require.LessOrEqual(t, int(most.Load()), diskMax)
	require.Less(t, diskMax, spareThreads)
}

// TestLaterOrphan: what a process leaves while a connection is up does not wait for the next one.
func TestLaterOrphan(t *testing.T) {
	names := make(chan string, 2)
	f := newFront(t, listening(t, func(nc net.Conn) {
		p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"e", "first"}})
		if err != nil {
			return
		}
		for ev := new(event.Event); p.Next(ev) == nil; {
			names <- ev.Name
		}
	}))
	dir := t.TempDir()
	f.spooled(t, dir)
	f.set.spool.look = 20 * time.Millisecond
	c, err := open(f.link, f.set)
	require.NoError(t, err)
	payload, err := new(wire.Encoder).AppendSerialEvent(nil, &event.Event{Name: "first"})
	require.NoError(t, err)
	require.True(t, f.put(rawRecord(flat.KindRaw, payload)))
	require.Equal(t, "first", <-names, "it has looked for others before")
	other := newFront(t, f.set.peer)
	other.spooled(t, t.TempDir())
	leave(t, other, dir)
	require.Equal(t, "e", <-names)
	require.True(t, c.close(enough))
}
