package collect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/traffic"
)

// asking returns a peer that can ask a collector which does not run.
func asking(c *Collector, from string) *session {
	s := &session{
		c: c, from: from, extra: map[string]bool{}, count: new(traffic.Counters),
		queue: newQueue(16<<20, c.pool.Incoming, new(traffic.Counters)), note: c.cfg.Comm.Connected(nil),
	}
	if len(c.cfg.Destinations) > 0 {
		s.link = new(link)
		s.link.dest.Store(&c.cfg.Destinations[0])
	}
	return s
}

// numberedNames returns n names.
func numberedNames(format string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf(format, i)
	}
	return names
}

func (r *running) foreign() int {
	r.relay.mu.RLock()
	defer r.relay.mu.RUnlock()
	return len(r.relay.foreign)
}

// TestBadNamesCostOthersNothing: what one peer asks for keeps no sensor from being
// asked for what the collector wants, and is forgotten when it leaves.
func TestBadNamesCostOthersNothing(t *testing.T) {
	const most = 8 << 10 // what a peer of ours can be asked for
	c := start(t, Config{Destinations: anyone(t, "sensor_sshd.*"), Forward: true})
	for _, format := range []string{"sensor_sshd_!%05d", "sensor_sshd_%05d", "other_%05d", "sensor_sshd_a:%05d"} {
		bad := c.dial(t, peer.Config{Requests: append(numberedNames(format, most-1), "sensor_sshd_exit")})
		c.subscribed(t, "sensor_sshd_exit", 1) // all of them have been looked at
		c.dial(t, peer.Config{Requests: []string{"sensor_sshd_honest"}})
		c.subscribed(t, "sensor_sshd_honest", 1)
		sensor := c.dial(t, peer.Config{})
		require.True(t, sensor.Wants("sensor_sshd_exec"), format)
		require.True(t, sensor.Wants("sensor_sshd_honest"), format)
		require.LessOrEqual(t, c.foreign(), maxForeignPeer+1)
		require.Equal(t, format == "sensor_sshd_%05d", sensor.Wants(fmt.Sprintf(format, 0)), format)
		require.NoError(t, bad.Close())
		require.Eventually(t, func() bool { return c.foreign() == 1 }, patience, time.Millisecond)
		sensor = c.dial(t, peer.Config{})
		require.False(t, sensor.Wants(fmt.Sprintf(format, 0)), format)
		c.stop()
		c = start(t, Config{Destinations: anyone(t, "sensor_sshd.*"), Forward: true})
	}
}

// TestOwnNamesComeFirst, however others sort.
func TestOwnNamesComeFirst(t *testing.T) {
	c := New(Config{Destinations: anyone(t, ".*"), Catalog: catalog.Catalog{"own": nil}, Forward: true})
	require.True(t, c.relay.want(asking(c, "192.0.2.1:1"), "other"))
	require.True(t, c.relay.want(asking(c, "192.0.2.1:1"), "a"))
	names, _ := c.relay.join(asking(c, "192.0.2.2:1"))
	require.Equal(t, []string{"own", "a", "other"}, names)
}

// TestForeignNamesAreBounded: for a peer, for an address, and in all. The others
// have what is left, and all of it when those have gone.
func TestForeignNamesAreBounded(t *testing.T) {
	c := New(Config{Destinations: anyone(t, ".*"), Forward: true})
	r := &c.relay
	var all []*session
	took := func(from, prefix string) (n int) {
		s := asking(c, from)
		all = append(all, s)
		for _, name := range numberedNames(prefix+"_%d", maxForeign) {
			if r.want(s, name) {
				n++
			}
		}
		return n
	}
	require.Equal(t, maxForeignPeer, took("192.0.2.1:1", "a"))
	require.Equal(t, maxForeignPeer, took("192.0.2.1:2", "b"))
	require.Zero(t, took("192.0.2.1:3", "c"), "the address has had its share")
	require.Equal(t, maxForeignPeer, took("192.0.2.1:4", "a"), "of names that are there already")
	require.Equal(t, maxForeignPeer, took("192.0.2.2:1", "c"), "of another address")
	for i := range 2 * maxForeign / maxForeignPeer {
		took(fmt.Sprintf("192.0.2.%d:1", i+10), fmt.Sprintf("d%d", i))
	}
	require.Len(t, r.foreign, maxForeign)
	late := asking(c, "192.0.2.9:1")
	names, _ := r.join(late)
	require.Len(t, names, maxExtra)
	require.False(t, r.want(late, strings.Repeat("n", maxForeignName+1)))
	for _, s := range append(all, late) {
		r.leave(s)
	}
	require.Empty(t, r.foreign)
	require.Empty(t, r.hosts)
	require.Empty(t, r.wants)
	require.Empty(t, r.asked)
	require.LessOrEqual(t, len(r.now.Load().verdicts), maxVerdicts)
}

// TestAConnectionIsAskedForSoMuch: names that come and go do not fill it.
func TestAConnectionIsAskedForSoMuch(t *testing.T) {
	c := New(Config{Destinations: anyone(t, ".*"), Forward: true})
	sensor := asking(c, "192.0.2.1:1")
	c.relay.join(sensor)
	for i := range 2 * maxExtra / maxForeignPeer {
		s := asking(c, "192.0.2.2:1")
		for _, name := range numberedNames(fmt.Sprintf("n%d_%%d", i), maxForeignPeer) {
			c.relay.want(s, name)
		}
		c.relay.leave(s)
	}
	require.Len(t, sensor.extra, maxExtra)
	require.Len(t, sensor.queue.Take(), maxExtra)
}

// TestTheFirstWhoAsksIsAskedToo, as soon as another asks.
func TestTheFirstWhoAsksIsAskedToo(t *testing.T) {
	c := New(Config{Destinations: anyone(t, ".*"), Forward: true})
	first, second := asking(c, "192.0.2.1:1"), asking(c, "192.0.2.2:1")
	for _, s := range []*session{first, second} {
		c.relay.join(s)
	}
	c.relay.want(first, "new")
	require.Empty(t, first.queue.Take())
	require.Equal(t, []item{{request: "new"}}, second.queue.Take())
	c.relay.want(second, "new")
	require.Equal(t, []item{{request: "new"}}, first.queue.Take())
	require.Empty(t, second.queue.Take())
}

// TestManyPeersAskAlike: a pattern is tried once for each name, not for each peer,
// and the time grows with the peers.
func TestManyPeersAskAlike(t *testing.T) {
	c := New(Config{Destinations: anyone(t, "sensor_.*"), Catalog: catalog.Builtin(), Forward: true})
	tried := 0
	for _, a := range c.relay.now.Load().audiences {
		match := a.match
		a.match = func(name string) bool { tried++; return match(name) }
	}
	matching, others := numberedNames("sensor_new_%d", 100), numberedNames("http_%d", 100)
	begun := time.Now()
	var all []*session
	for range 4000 {
		s := asking(c, "192.0.2.1:1")
		all = append(all, s)
		c.relay.join(s)
		for i := range matching {
			require.True(t, c.relay.want(s, matching[i]))
			require.False(t, c.relay.want(s, others[i]))
		}
	}
	for _, s := range all {
		c.relay.leave(s)
	}
	require.Equal(t, 200, tried)
	require.Less(t, time.Since(begun), 10*time.Second)
}

// TestWhatWasNotAskedForIsIgnored, though it matches, and counted.
func TestWhatWasNotAskedForIsIgnored(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, "sensor_sshd.*")})
	var p rawPeer
	p.dial(t, c)
	p.send(t, numbered("sensor_sshd_unknown", 1), numbered("sensor_sshd_exec", 2))
	require.Contains(t, c.arrived(t, 1)[0], "sensor_sshd_exec")
	sum, _ := c.Traffic.Totals()
	require.EqualValues(t, 1, sum.Ignored)
	require.EqualValues(t, 2, sum.EventsIn)
}
