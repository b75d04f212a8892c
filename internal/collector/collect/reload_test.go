package collect

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/policy"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// reading has a peer take what comes until its connection ends.
func reading(p *peer.Conn) *peer.Conn {
	go func() {
		for ev := new(event.Event); p.Next(ev) == nil; {
		}
	}()
	return p
}

// wants waits until the peer has been asked for an event.
func wants(t *testing.T, p *peer.Conn, name string) {
	t.Helper()
	require.Eventually(t, func() bool { return p.Wants(name) }, patience, time.Millisecond, name)
}

// TestChangeAsksWhoIsThere for what is new, and ignores what is no longer asked for.
func TestChangeAsksWhoIsThere(t *testing.T) {
	for _, forward := range []bool{false, true} {
		c := start(t, Config{Destinations: anyone(t, "sensor_sshd_exec"), Forward: forward})
		a, b := reading(c.dial(t, peer.Config{})), reading(c.dial(t, peer.Config{}))
		known := catalog.Builtin()
		known["made_up"] = []string{"number"}
		require.Equal(t, 2, c.Change(known, anyone(t, "sensor_sshd_exit|made_up")))
		for n, p := range []*peer.Conn{a, b} {
			wants(t, p, "made_up")
			send(t, p, numbered("sensor_sshd_exec", 0), numbered("made_up", n))
		}
		for _, line := range c.arrived(t, 2) {
			require.Contains(t, line, `"event":"made_up","args":{"number":`)
		}
		require.EqualValues(t, 2, c.peers.Load(), "nobody has connected again")
		sum, _ := c.Traffic.Totals()
		require.EqualValues(t, 2, sum.Ignored)
		require.Zero(t, c.Change(known, anyone(t, "sensor_sshd_exit|made_up")), "nothing has changed")
		require.Zero(t, c.Change(known, nil))
		require.Equal(t, 2, c.Change(known, anyone(t, "ftp_.*")), "strangers have become destinations")
		wants(t, a, "ftp_reply")
		require.Zero(t, c.Change(known, nil))
		send(t, a, numbered("made_up", 0))
		require.Eventually(t, func() bool { sum, _ := c.Traffic.Totals(); return sum.Ignored == 3 }, patience, time.Millisecond)
		c.stop()
	}
}

// TestChangeKnowsWhoHasAsked: what a peer has asked for when nobody could have it is
// asked of those who can have it now.
func TestChangeKnowsWhoHasAsked(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, "ftp_.*"), Forward: true})
	sensor := reading(c.dial(t, peer.Config{}))
	asking := c.dial(t, peer.Config{Requests: []string{"http_reply", "ftp_new", "sensor_sshd_exec", "ftp_reply"}})
	c.subscribed(t, "ftp_reply", 1)
	require.False(t, sensor.Wants("http_reply"))
	wants(t, sensor, "ftp_new")
	c.Change(catalog.Builtin(), anyone(t, "http_.*|sensor_.*"))
	wants(t, sensor, "http_reply")
	wants(t, sensor, "sensor_sshd_exec")
	send(t, sensor, numbered("ftp_new", 1), numbered("ftp_reply", 2), numbered("http_reply", 3), numbered("sensor_sshd_exec", 4))
	require.EqualValues(t, 3, next(t, asking).Args[0].Bits)
	require.EqualValues(t, 4, next(t, asking).Args[0].Bits)
	c.arrived(t, 2)

	require.NoError(t, asking.Close())
	require.Eventually(t, func() bool { return c.foreign() == 0 }, patience, time.Millisecond)
	require.NoError(t, sensor.Close())
	require.Eventually(t, func() bool { return c.gate.Open.Load() == 0 }, patience, time.Millisecond)
	require.Empty(t, c.relay.sessions)
	require.Empty(t, c.relay.wants)
	require.Empty(t, c.relay.hosts)
}

// TestChangeOfWhatWeConnectTo: what is new is connected to, what is gone ends, and
// what is asked for something else stays.
func TestChangeOfWhatWeConnectTo(t *testing.T) {
	one, atOne := listen(t)
	two, atTwo := listen(t)
	dest := func(port uint16, events, class string) Destination {
		return Destination{Destination: policy.Destination{
			Host: localhost, Port: port, Class: class, Connect: true, Events: compile(t, events), AcceptInput: true, Retry: time.Hour,
		}}
	}
	c := start(t, Config{Destinations: []Destination{dest(atOne.Port(), "sensor_sshd_exec", "")}})
	first := reading(opened(t, accept(t, one), peer.Config{}))
	known := catalog.Builtin()
	require.Equal(t, 1, c.Change(known, []Destination{dest(atTwo.Port(), "sensor_sshd_exec", ""), dest(atOne.Port(), "sensor_sshd_exit", "")}))
	wants(t, first, "sensor_sshd_exit")
	second := opened(t, accept(t, two), peer.Config{})
	require.True(t, second.Wants("sensor_sshd_exec"))
	send(t, first, numbered("sensor_sshd_exit", 1))
	c.arrived(t, 1)

	c.Change(known, []Destination{dest(atOne.Port(), "sensor_sshd_exit", "another")})
	require.Error(t, second.Next(new(event.Event)), "it is gone")
	third := opened(t, accept(t, one), peer.Config{})
	require.Equal(t, "another", third.PeerClass())
	require.NoError(t, third.Close())
	require.Eventually(t, func() bool { return c.gate.Open.Load() == 0 }, patience, time.Millisecond)
	c.stop()
}

// TestChangeBringsBackWhoWasGivenUp: without a retry a lost connection stays lost, but
// the operator can have it be tried again.
func TestChangeBringsBackWhoWasGivenUp(t *testing.T) {
	l, at := listen(t)
	all := []Destination{{Destination: policy.Destination{
		Host: localhost, Port: at.Port(), Connect: true, Events: compile(t, "ftp_.*"), AcceptInput: true,
	}}}
	c := start(t, Config{Destinations: all})
	require.NoError(t, opened(t, accept(t, l), peer.Config{}).Close())
	require.Eventually(t, func() bool {
		c.links.mu.Lock()
		defer c.links.mu.Unlock()
		return c.links.active == 1
	}, patience, time.Millisecond)
	c.Change(catalog.Builtin(), all)
	opened(t, accept(t, l), peer.Config{})
}

// TestChangeInAHandshake: who was told what it is asked for, but is not up yet, is
// asked for the rest when it is.
func TestChangeInAHandshake(t *testing.T) {
	for _, forward := range []bool{false, true} {
		c := start(t, Config{Destinations: anyone(t, "ftp_reply"), Forward: forward})
		nc, err := net.Dial("tcp", c.addr)
		require.NoError(t, err)
		defer nc.Close()
		require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
		_, err = nc.Write((&wire.Version{Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion}).AppendTo(nil))
		require.NoError(t, err)
		r := wire.NewReader(nc, wire.Limits{})
		require.Equal(t, []string{"ftp_reply"}, requestOf(t, r))
		require.Equal(t, 1, c.Change(catalog.Builtin(), anyone(t, "ftp_re.*")))
		_, err = nc.Write(wire.PhaseDone{}.AppendTo((&wire.Caps{}).AppendTo(nil)))
		require.NoError(t, err)
		require.Equal(t, []string{"ftp_request"}, requestOf(t, r))
		require.NoError(t, nc.Close())
		c.stop()
	}
}

// requestOf returns what the next request is for.
func requestOf(t *testing.T, r *wire.Reader) (names []string) {
	t.Helper()
	for {
		kind, payload, err := r.Next()
		require.NoError(t, err)
		if kind != wire.MsgRequest {
			continue
		}
		for name, err := range wire.RequestNames(payload) {
			require.NoError(t, err)
			names = append(names, string(name))
		}
		return names
	}
}

// TestChangeWhilePeersCome: none misses what it is to be asked for.
func TestChangeWhilePeersCome(t *testing.T) {
	for _, forward := range []bool{false, true} {
		c := start(t, Config{Destinations: anyone(t, "event_0"), Forward: forward})
		known := catalog.Builtin()
		var wg sync.WaitGroup
		peers := make([]*peer.Conn, 40)
		const last = 20
		for n := range last + 1 {
			known.Add(fmt.Sprintf("event_%d", n))
		}
		for i := range peers {
			wg.Go(func() {
				peers[i] = reading(c.dial(t, peer.Config{Requests: []string{"event_7", fmt.Sprintf("foreign_%d", i)}}))
			})
		}
		for n := range last + 1 {
			c.Change(known, anyone(t, fmt.Sprintf("event_%d|foreign_.*", n)))
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		for i, p := range peers {
			wants(t, p, fmt.Sprintf("event_%d", last))
			if forward {
				wants(t, p, fmt.Sprintf("foreign_%d", (i+1)%len(peers)))
			}
		}
		c.stop()
	}
}

// TestChangeBetweenJudgingAndAdding: what was found out by what counted before does
// not count.
func TestChangeBetweenJudgingAndAdding(t *testing.T) {
	c := New(Config{Destinations: anyone(t, "ftp_.*"), Catalog: catalog.Builtin(), Forward: true})
	s, before := asking(c, "192.0.2.1:1"), c.relay.now.Load()
	may := before.judge("ftp_new")
	require.Len(t, may, 1)
	c.Change(catalog.Builtin(), anyone(t, "http_.*"))
	_, done := c.relay.addIn(before, s, "ftp_new", false, may)
	require.False(t, done)
	require.False(t, c.relay.want(s, "ftp_new"))
	require.Empty(t, c.relay.foreign)
	require.Empty(t, may[0].foreign)
}

// TestChangeInTheMiddleOfAnEvent: a peer that becomes a stranger while its event is
// judged is not dropped.
func TestChangeInTheMiddleOfAnEvent(t *testing.T) {
	c := New(Config{Destinations: anyone(t, "event_0"), Catalog: catalog.Builtin()})
	a := &audience{has: map[string]bool{"event_0": true}}
	asked, stranger := &role{&c.cfg.Destinations[0], a}, new(role)
	s := asking(c, "192.0.2.1:1")
	s.role.Store(stranger)
	var wg sync.WaitGroup
	over := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				s.role.Store(asked)
				s.role.Store(stranger)
			}
		}
	})
	for range 1 << 20 {
		s.accepts("event_0")
	}
	close(over)
	wg.Wait()
}
