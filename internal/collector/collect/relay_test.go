package collect

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// next returns the next event that a peer gets.
func next(t *testing.T, p *peer.Conn) *event.Event {
	t.Helper()
	type result struct {
		ev  event.Event
		err error
	}
	got := make(chan result, 1)
	go func() {
		var r result
		r.err = p.Next(&r.ev)
		got <- r
	}()
	select {
	case r := <-got:
		require.NoError(t, r.err)
		return &r.ev
	case <-time.After(patience):
		require.Fail(t, "nothing comes")
		return nil
	}
}

// subscribed waits until n peers have asked for an event.
func (r *running) subscribed(t *testing.T, name string, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		r.relay.mu.RLock()
		defer r.relay.mu.RUnlock()
		return len(r.relay.wants[name]) == n
	}, patience, time.Millisecond)
}

func TestForwardsToThoseWhoAsk(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, "ftp_.*"), Forward: true})
	sensor := c.dial(t, peer.Config{})
	both := c.dial(t, peer.Config{Requests: []string{"ftp_reply", "ftp_request"}})
	one := c.dial(t, peer.Config{Requests: []string{"ftp_request"}})
	c.subscribed(t, "ftp_request", 2)
	c.subscribed(t, "ftp_reply", 1)
	compound := numbered("ftp_reply", 1)
	compound.Args = append(compound.Args, event.Value{Type: event.Record, Elems: []event.Value{
		{Type: event.String, Bytes: []byte("x"), Field: "uid"}, {Field: "unset"},
	}})
	send(t, sensor, compound, numbered("ftp_request", 2))
	require.Equal(t, compound.Args, next(t, both).Args)
	require.Equal(t, "ftp_request", next(t, both).Name)
	require.EqualValues(t, 2, next(t, one).Args[0].Bits)
	c.arrived(t, 2)

	// A peer gets nothing of its own.
	send(t, both, numbered("ftp_request", 3))
	require.EqualValues(t, 3, next(t, one).Args[0].Bits)
	send(t, sensor, numbered("ftp_request", 4))
	require.EqualValues(t, 4, next(t, both).Args[0].Bits)

	// One that leaves is forgotten.
	require.NoError(t, one.Close())
	c.subscribed(t, "ftp_request", 1)
}

func TestForwardsNothingUnlessToldTo(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, "ftp_.*")})
	sensor := c.dial(t, peer.Config{})
	c.dial(t, peer.Config{Requests: []string{"ftp_reply"}})
	send(t, sensor, numbered("ftp_reply", 1))
	c.arrived(t, 1)
	require.Empty(t, c.relay.wants)
}

// TestAsksForWhatOthersAskFor: an event that the catalogue does not know is asked
// of those who may have it, whether they come before or after who wants it.
func TestAsksForWhatOthersAskFor(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, "sensor_.*"), Forward: true})
	early := c.dial(t, peer.Config{})
	require.True(t, early.Wants("sensor_sshd_exec"))
	require.False(t, early.Wants("sensor_new"))
	wants := c.dial(t, peer.Config{Requests: []string{"sensor_new", "other"}})
	go func() { _ = early.Next(&event.Event{}) }()
	require.Eventually(t, func() bool { return early.Wants("sensor_new") }, patience, time.Millisecond)
	require.False(t, early.Wants("other"), "not what is asked of this peer")
	late := c.dial(t, peer.Config{})
	require.True(t, late.Wants("sensor_new"))
	c.subscribed(t, "sensor_new", 1)
	send(t, early, numbered("sensor_new", 1))
	require.EqualValues(t, 1, next(t, wants).Args[0].Bits)
	send(t, late, numbered("sensor_new", 2))
	require.EqualValues(t, 2, next(t, wants).Args[0].Bits)
}

// TestSlowPeerIsCutOff: and costs the others nothing.
func TestSlowPeerIsCutOff(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, "ftp_.*"), Forward: true, Limits: Limits{Queue: 1 << 20}})
	slow, err := net.Dial("tcp", c.addr)
	require.NoError(t, err)
	require.NoError(t, slow.(*net.TCPConn).SetReadBuffer(4<<10))
	opened(t, slow, peer.Config{Requests: []string{"ftp_reply"}}) // and reads nothing
	quick := c.dial(t, peer.Config{Requests: []string{"ftp_reply"}})
	sensor := c.dial(t, peer.Config{})
	c.subscribed(t, "ftp_reply", 2)
	text := []byte(strings.Repeat("x", 64<<10))
	const n = 200 // more than the buffers of the sockets and the queue have room for
	for i := range n {
		ev := numbered("ftp_reply", i)
		ev.Args = append(ev.Args, event.Value{Type: event.String, Bytes: text})
		send(t, sensor, ev)
		require.EqualValues(t, i, next(t, quick).Args[0].Bits)
	}
	require.Eventually(t, func() bool {
		return strings.Contains(strings.Join(c.told.lines(), "\n"), "cut off: it takes events too slowly")
	},
		patience, time.Millisecond)
	require.Eventually(t, func() bool { return c.pool.Outgoing.Used() < 1<<20 }, patience, time.Millisecond)
}
