package core

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
)

// zero makes *p point to a zero value: C's types have no name in a test.
// receiving is a session whose host processes nothing.
func receiving() *session {
	const size = 1 << 20
	s := new(shared.Link)
	l := view(Memory{Link: s, Out: ring.New(&s.Out, make([]byte, size)), In: ring.New(&s.In, make([]byte, size)), Far: heap{}})
	return &session{
		conn: &conn{link: l, ending: make(chan struct{})}, peer: quiet{},
		room: make(chan struct{}, 1), over: make(chan struct{}),
	}
}

// quiet is a connection that has received all there is.
type quiet struct{ connection }

func (quiet) Buffered() int { return 0 }

// TestLargeEventsAreBounded: of what travels outside of the ring, no more waits
// for the host than is allowed; the rest waits with the peer.
func TestLargeEventsAreBounded(t *testing.T) {
	s := receiving()
	rec := make([]byte, farMax/2-8)
	require.True(t, s.hand(rec))
	require.True(t, s.hand(rec))
	time.AfterFunc(50*time.Millisecond, func() { close(s.over) })
	require.False(t, s.hand(rec))
	require.EqualValues(t, 2*len(rec), atomic.LoadUint64(s.conn.link.farIn()))
}

// TestFullRingIsWaitedFor: until there is room, whoever says so or not, or
// until the end of the connection or of the host.
func TestFullRingIsWaitedFor(t *testing.T) {
	for name, end := range map[string]func(*session){
		"connection": func(s *session) { close(s.over) },
		"host":       func(s *session) { close(s.conn.ending) },
	} {
		t.Run(name, func(t *testing.T) {
			s := receiving()
			tries := 0
			require.True(t, s.wait(func() bool { tries++; return tries > 10 }), "nobody has said so")
			end(s)
			require.False(t, s.wait(func() bool { return false }))
		})
	}
}

// TestHandshakeIsNotUnsent: what waits after a loss still waits while further
// handshakes are tried, and the bytes of those are not the host's.
func TestHandshakeIsNotUnsent(t *testing.T) {
	s := receiving()
	c, unsent := s.conn, s.conn.link.unsent()
	c.publishUnsent(1000)
	c.unwritten(32)
	require.EqualValues(t, 1000, atomic.LoadUint32(unsent))
	c.unwritten(0)
	require.EqualValues(t, 1000, atomic.LoadUint32(unsent))
	c.current.Store(s)
	c.unwritten(500)
	require.EqualValues(t, 500, atomic.LoadUint32(unsent))
}
