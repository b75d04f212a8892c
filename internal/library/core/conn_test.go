package core

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
)

// TestBackoff: at once after a loss, then in pauses that double up to a bound,
// and that are not the same for everybody.
func TestBackoff(t *testing.T) {
	const most = 10 * time.Second
	require.Zero(t, backoff(0, most))
	for failures := 1; failures <= 1000; failures++ {
		middle := most
		if failures <= 5 {
			middle = []time.Duration{500, 1000, 2000, 4000, 8000}[failures-1] * time.Millisecond
		}
		seen := map[time.Duration]bool{}
		for range 20 {
			d := backoff(failures, most)
			require.GreaterOrEqual(t, d, middle*3/4, "after %d failures", failures)
			require.LessOrEqual(t, d, middle*5/4, "after %d failures", failures)
			seen[d] = true
		}
		require.Greater(t, len(seen), 1)
	}
}

// TestPauseIsSpent: a peer that is away is not asked again at once, and the
// host's end is not waited for until the pause is over.
func TestPauseIsSpent(t *testing.T) {
	c := &conn{set: Settings{retry: time.Hour}, ending: make(chan struct{}), spool: &spooler{}}
	r := newRun()
	require.True(t, c.pause(r, 0))
	time.AfterFunc(50*time.Millisecond, func() { close(c.ending) })
	require.False(t, c.pause(r, 16), "the host has ended before")
}

// TestPanicRefuses: the same of a connect, which says so.
func TestPanicRefuses(t *testing.T) {
	m := Memory{Link: &shared.Link{State: shared.Opening}}
	require.Equal(t, Refused, new(Core).Connect(m, Settings{socket: -1}), "there is no ring to read")
	require.Equal(t, shared.Down, m.Link.State)
	require.NotZero(t, m.Link.Error[0])
}

// panicking is a connection on which everything goes wrong.
type panicking struct{ connection }

func (panicking) Close() error                            { return nil }
func (panicking) Step(*event.Event) (arrival.Kind, error) { panic("in Step") }
func (panicking) Buffered() int                           { panic("in Buffered") }
func (panicking) Send(*event.Event) error                 { panic("in Send") }
func (panicking) Flush() error                            { panic("in Flush") }

// TestPanicEndsTheConnectionOnly: whatever is wrong in the core, the host lives.
func TestPanicEndsTheConnectionOnly(t *testing.T) {
	s := &session{conn: &conn{}, peer: panicking{}, over: make(chan struct{})}
	require.ErrorContains(t, s.run(), "internal error")

	err := guard("sending", func() error { return errors.New("the peer is gone") })
	require.EqualError(t, err, "sending: the peer is gone")
	require.NoError(t, guard("sending", func() error { return nil }))
}
