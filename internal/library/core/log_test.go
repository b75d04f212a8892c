package core

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// toHost is a connection whose host takes messages itself.
func toHost(t *testing.T) *conn {
	t.Helper()
	f := newFront(t, "192.0.2.1:1")
	one := uint32(1)
	f.set.log = &one
	return &conn{link: f.link, set: f.set}
}

// said takes what waits in the log of the link, as the front does.
func said(c *conn) (lines []string) {
	log := &c.link.s.Log
	for ; log.Tail != atomic.LoadUint32(&log.Head); log.Tail++ {
		m := &log.Messages[int(log.Tail)%len(log.Messages)]
		lines = append(lines, fmt.Sprintf("%d %s", m.Level, text(m.Text[:])))
	}
	return lines
}

// cause is what the front would read.
func cause(c *conn) (ups uint64, s string) {
	from := &c.link.s.Causes[c.link.s.CausePublished%2]
	var b []byte
	for _, w := range from.Text {
		b = binary.NativeEndian.AppendUint64(b, w)
	}
	return from.Ups, text(b)
}

// TestWordsOfThePeer: whatever it says, a message stays on its line, and does nothing
// to a terminal.
func TestWordsOfThePeer(t *testing.T) {
	const words, shown = "x\n\x1b[2J\u009b31m\u202e\xff é", `x \x1b[2J\xc2\x9b31m\xe2\x80\xae\xff é`
	c := toHost(t)
	c.warnf("the peer says: %s", words)
	require.Equal(t, []string{"4 [192.0.2.1:1] the peer says: " + shown}, said(c))
	c.explain(errors.New(words))
	_, s := cause(c)
	require.Equal(t, shown, s)
}

// TestFirstCause: what the host has been told stays, until the connection is up.
func TestFirstCause(t *testing.T) {
	c := toHost(t)
	c.explain(errors.New("the peer closed the connection"))
	c.explain(errors.New("connection refused"))
	_, s := cause(c)
	require.Equal(t, "the peer closed the connection", s)
	c.link.up("")
	ups, s := cause(c)
	require.Equal(t, uint64(1), ups)
	require.Empty(t, s)
	c.explained = false
	c.explain(errors.New(strings.Repeat("long ", 1000)))
	ups, s = cause(c)
	require.Equal(t, uint64(1), ups)
	require.Len(t, s, 511)
}

// TestLevels: debugging is for who asks for it; the rest is the host's, if it takes messages.
func TestLevels(t *testing.T) {
	c := toHost(t)
	require.Nil(t, c.logger())
	c.logf("of no interest")
	c.infof("connected")
	c.warnf("lost: %d", 1)
	require.Equal(t, []string{"6 [192.0.2.1:1] connected", "4 [192.0.2.1:1] lost: 1"}, said(c))
	c.set.debug = true
	c.logger()("phase")
	require.Equal(t, []string{"7 [192.0.2.1:1] phase"}, said(c))
}

// TestFailuresAreTold once, as long as they are the same or come often.
func TestFailuresAreTold(t *testing.T) {
	c := toHost(t)
	for range 100 {
		c.tellFailure(errors.New("connection refused"))
		c.tellFailure(errors.New("no route"))
	}
	require.Equal(t, []string{"4 [192.0.2.1:1] connection refused"}, said(c))
	c.toldAt = c.toldAt.Add(-failureEach)
	c.tellFailure(errors.New("no route"))
	require.Equal(t, []string{"4 [192.0.2.1:1] no route"}, said(c))
}

// TestLossesAreTold: each, but those of a peer that ends each connection at once.
func TestLossesAreTold(t *testing.T) {
	c := toHost(t)
	closed := errors.New("the peer closed the connection")
	c.tellLoss(closed, false)
	c.tellLoss(closed, false)
	for range 100 {
		c.tellLoss(closed, true)
	}
	require.Len(t, said(c), 2)
	c.lostAt = c.lostAt.Add(-failureEach)
	c.tellLoss(closed, true)
	require.Len(t, said(c), 1)
}

// TestStormIsBounded: what has no room is counted, and the first ones stay.
func TestStormIsBounded(t *testing.T) {
	c := toHost(t)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 100 {
				c.warnf("a storm")
			}
		})
	}
	all.Wait()
	lines := said(c)
	require.Len(t, lines, 16)
	require.Equal(t, 984, int(c.link.s.Log.Dropped))
}

// TestNothingIsSaidAfterTheEnd: the link is the host's, which frees it.
func TestNothingIsSaidAfterTheEnd(t *testing.T) {
	c := toHost(t)
	c.out.close()
	c.warnf("too late")
	require.Empty(t, said(c))
}
