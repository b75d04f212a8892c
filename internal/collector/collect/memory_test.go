package collect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// TestMemoryIsBounded: who makes the collector hold more than there is goes, those
// who do not stay, and afterwards all of it is there again.
func TestMemoryIsBounded(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, "sensor_sshd.*"), Limits: Limits{Memory: 32 << 20}})
	modest := c.dial(t, peer.Config{})
	// Each announces the most that an event may have, and sends a part of it.
	var greedy []*rawPeer
	for range 3 {
		p := &rawPeer{}
		p.dial(t, c)
		greedy = append(greedy, p)
		head := wire.AppendMessage(nil, wire.MsgSerial, []byte{wire.SerialEvent})
		head = binary.BigEndian.AppendUint32(head[:len(head)-5], 16<<20)
		p.write(head)
		p.write(make([]byte, 8<<20))
	}
	require.Eventually(t, func() bool {
		return strings.Contains(strings.Join(c.told.lines(), "\n"), "no memory is left for a SERIAL of this size")
	}, patience, time.Millisecond)
	send(t, modest, numbered("sensor_sshd_exec", 1))
	c.arrived(t, 1)
	for _, p := range greedy {
		_ = p.nc.Close()
	}
	require.Eventually(t, func() bool { return c.pool.Incoming.Used() == 0 }, patience, time.Millisecond)
	// One such event at a time is welcome.
	big := numbered("sensor_sshd_exec", 2)
	big.Args = append(big.Args, event.Value{Type: event.String, Bytes: bytes.Repeat([]byte("x"), 2<<20)})
	send(t, modest, big)
	require.Eventually(t, func() bool { events, _ := c.Totals(); return events == 2 }, patience, time.Millisecond)
}

// TestNamesAreBounded: those that a peer asks for are memory too.
func TestNamesAreBounded(t *testing.T) {
	const most = 512 << 10
	c := start(t, Config{Destinations: anyone(t, ".*"), Forward: true, Limits: Limits{Memory: 2 * most}})
	names := make([]string, 6000)
	for i := range names {
		names[i] = fmt.Sprintf("event_number_%d", i)
	}
	p := c.dial(t, peer.Config{Requests: names})
	c.subscribed(t, names[0], 1)
	require.Eventually(t, func() bool { return c.pool.Incoming.Used() > most*3/4 }, patience, time.Millisecond)
	require.LessOrEqual(t, c.pool.Incoming.Used(), int64(most))
	c.subscribed(t, names[len(names)-1], 0)
	require.NoError(t, p.Close())
	require.Eventually(t, func() bool { return c.pool.Incoming.Used() == 0 }, patience, time.Millisecond)
}

// TestMessagesThatDoNotEnd: who begins one and does not go on is cut off, and what it
// has held is there for others.
func TestMessagesThatDoNotEnd(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, "sensor_sshd.*"), Limits: Limits{Memory: 32 << 20}}, func(c *Collector) {
		c.message = 300 * time.Millisecond
	})
	quiet := c.dial(t, peer.Config{})
	p := &rawPeer{}
	p.dial(t, c)
	head := wire.AppendMessage(nil, wire.MsgSerial, []byte{wire.SerialEvent})
	head = binary.BigEndian.AppendUint32(head[:len(head)-5], 16<<20)
	p.write(append(head, make([]byte, 2<<20)...))
	require.Eventually(t, func() bool { return c.pool.Incoming.Used() > 1<<20 }, patience, time.Millisecond)
	for range 5 { // a byte now and then does not help
		time.Sleep(100 * time.Millisecond)
		p.write([]byte{0})
	}
	require.Eventually(t, func() bool {
		return strings.Contains(strings.Join(c.told.lines(), "\n"), "a message was begun 300ms ago and has not been ended")
	}, patience, time.Millisecond)
	require.Eventually(t, func() bool { return c.pool.Incoming.Used() == 0 }, patience, time.Millisecond)
	require.EqualValues(t, 1, c.Held().CutOff)
	send(t, quiet, numbered("sensor_sshd_exec", 1))
	time.Sleep(2 * c.message)
	send(t, quiet, numbered("sensor_sshd_exec", 2))
	c.arrived(t, 2)
}

// TestWhatComesLeavesRoomForWhatGoes: messages that are begun take nothing from
// those that wait to be sent on.
func TestWhatComesLeavesRoomForWhatGoes(t *testing.T) {
	c := New(Config{Destinations: anyone(t, ".*"), Forward: true, Limits: Limits{Memory: 32 << 20}})
	for c.pool.Incoming.Take(1 << 20) { // as those do
	}
	s := asking(c, "192.0.2.1:1")
	s.queue = newQueue(16<<20, c.pool.Outgoing, s.count)
	s.put(item{event: make([]byte, 2<<20)})
	require.Nil(t, s.cut.Load())
}

// TestWhoWaitsForMostIsCutOff, when there is no room for all of them.
func TestWhoWaitsForMostIsCutOff(t *testing.T) {
	c := New(Config{Destinations: anyone(t, ".*"), Forward: true, Limits: Limits{Memory: 4 << 20}})
	slow, quick := asking(c, "192.0.2.1:1"), asking(c, "192.0.2.2:1")
	for _, s := range []*session{slow, quick} {
		s.queue = newQueue(16<<20, c.pool.Outgoing, s.count)
		s.nc, _ = net.Pipe()
		c.sends(s)
	}
	for range 8 {
		slow.put(item{event: make([]byte, 110<<10)})
	}
	for range 2 {
		quick.put(item{event: make([]byte, 110<<10)})
	}
	require.Nil(t, quick.cut.Load())
	require.ErrorContains(t, *slow.cut.Load(), "more than for any other")
	require.EqualValues(t, quick.queue.Size(), c.pool.Outgoing.Used())
	require.EqualValues(t, 1, c.Held().CutOff)
}

// TestEventsThatDoNotFit are skipped, and the connection goes on; those that do are
// accounted for while they are written.
func TestEventsThatDoNotFit(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, "sensor_sshd.*"), Limits: Limits{Memory: 32 << 20}})
	p := c.dial(t, peer.Config{})
	large := func(c byte) *event.Event {
		ev := numbered("sensor_sshd_exec", 1)
		ev.Args = append(ev.Args, event.Value{Type: event.String, Bytes: bytes.Repeat([]byte{c}, 2<<20)})
		return ev
	}
	send(t, p, large(1), large('x'), numbered("sensor_sshd_exec", 2))
	c.arrived(t, 2)
	sum, _ := c.Traffic.Totals()
	require.EqualValues(t, 1, sum.Skipped)
	require.Eventually(t, func() bool { return c.pool.Incoming.Used() == 0 }, patience, time.Millisecond)
}

// TestTheRuntimeHoldsMemory, as much as there is for the peers that are there.
func TestTheRuntimeHoldsMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	c := New(Config{Limits: Limits{Memory: 1 << 30}})
	c.pool.Limit()
	require.Equal(t, before, debug.SetMemoryLimit(-1), "only if it is told to")
	c.pool.Hold = true
	for peers, counted := range map[int64]int64{0: 256, 255: 256, 256: 512} {
		c.gate.Open.Store(peers)
		c.pool.Limit()
		require.Equal(t, 1<<30+counted*(128<<10), debug.SetMemoryLimit(-1))
	}
}
