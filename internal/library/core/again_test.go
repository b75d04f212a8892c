package core

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// numbered is the record of an event "e" with a number.
func numbered(t *testing.T, n uint64) []byte {
	t.Helper()
	rec, err := flat.AppendEvent(nil, &event.Event{Name: "e", Args: []event.Value{{Type: event.Count, Bits: n}}})
	require.NoError(t, err)
	return rec
}

// arrivals is a set of numbers that peers have had.
type arrivals struct {
	mu  sync.Mutex
	had map[uint64]bool
}

func (a *arrivals) take(p *peer.Conn) {
	for ev := new(event.Event); p.Next(ev) == nil; {
		a.mu.Lock()
		a.had[ev.Args[0].Bits] = true
		a.mu.Unlock()
	}
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.had)
}

// TestAgainKeepsWhatIsNotConfirmed: a host without BRO_CFLAG_RECONNECT, that
// connects again by itself after each loss, loses nothing with confirm.
func TestAgainKeepsWhatIsNotConfirmed(t *testing.T) {
	const events, cuts = 1000, 5
	all := arrivals{had: map[uint64]bool{}}
	var cut atomic.Int32
	f := newFront(t, listening(t, func(nc net.Conn) {
		p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"e"}})
		if err != nil {
			return
		}
		if cut.Add(1) <= cuts {
			time.AfterFunc(20*time.Millisecond, func() { _ = nc.Close() }) // confirms nothing, and reads nothing
			return
		}
		all.take(p)
	}))
	f.set.reconnect, f.set.confirm = false, true
	c, err := open(f.link, f.set)
	require.NoError(t, err)
	for n := range uint64(events) {
		for !f.put(numbered(t, n)) || f.link.is(4) { // down
			_ = c.again(anew(f.set, false))
		}
		if n%100 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	require.Eventually(t, func() bool {
		_ = c.again(anew(f.set, false))
		return all.count() == events
	}, enough, 5*time.Millisecond)
	require.True(t, c.close(enough))
	require.Greater(t, cut.Load(), int32(cuts))
}

// TestAgainEndsASession, if the host asks for that, and begins another one, as often
// as it likes; what is not confirmed goes along.
func TestAgainEndsASession(t *testing.T) {
	const times, each = 20, 50
	all := arrivals{had: map[uint64]bool{}}
	var sessions atomic.Int32
	for name, reconnect := range map[string]bool{"reconnect": true, "once": false} {
		t.Run(name, func(t *testing.T) {
			all.had = map[uint64]bool{}
			sessions.Store(0)
			f := newFront(t, listening(t, func(nc net.Conn) {
				if p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"e"}}); err == nil {
					sessions.Add(1)
					all.take(p)
				}
			}))
			f.set.reconnect, f.set.confirm = reconnect, true
			c, err := open(f.link, f.set)
			require.NoError(t, err)
			for i := range uint64(times) {
				for n := range uint64(each) {
					require.True(t, f.put(numbered(t, i*each+n)))
				}
				require.NoError(t, c.again(anew(f.set, true)))
				require.True(t, f.link.is(stateUp))
			}
			require.True(t, c.close(enough))
			require.Equal(t, times*each, all.count())
			require.EqualValues(t, times+1, sessions.Load())
		})
	}
}

// TestAgainWhileTrying makes an attempt at once, and says what came of it.
func TestAgainWhileTrying(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close()) // nobody listens
	f := newFront(t, addr)
	f.set.retry = time.Hour
	c, err := open(f.link, f.set)
	require.Error(t, err)
	for range 3 {
		require.Error(t, c.again(anew(f.set, false)))
		require.True(t, f.link.is(3), "it goes on trying")
	}
	l, err = net.Listen("tcp", addr)
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = peer.Open(t.Context(), nc, peer.Config{}) }()
		}
	}()
	require.NoError(t, c.again(anew(f.set, false)))
	require.True(t, f.link.is(stateUp))
	require.True(t, c.close(enough))
}

// anew are settings whose connect ends a session that is up, or does not.
func anew(s Settings, anew bool) Settings {
	s.anew = anew
	return s
}
