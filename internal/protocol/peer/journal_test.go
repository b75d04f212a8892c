package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// cut is a stream that breaks after a number of written bytes, in the middle
// of whatever it is.
type cut struct {
	net.Conn
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	if c.left >= len(b) {
		c.left -= len(b)
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:c.left])
	_ = c.Close()
	return n, errors.New("cut")
}

// TestConfirmedDelivery cuts the connection at random bytes: every event that
// was sent arrives, in order, and what arrives twice was not confirmed.
func TestConfirmedDelivery(t *testing.T) {
	const n = 5000
	rnd := rand.New(rand.NewPCG(1, 2))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	arrived := make(chan uint64, 100*n)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			p, err := Open(ctx, nc, Config{Requests: []string{"e"}})
			if err != nil {
				continue
			}
			var ev event.Event
			for p.Next(&ev) == nil {
				arrived <- ev.Args[0].Bits
			}
			_ = p.Close()
		}
	}()
	j := delivery.NewJournal(32 << 10)
	cuts := 0
	for next := 0; next < n || j.Pending() > 0; cuts++ {
		nc, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		c, err := Open(ctx, &cut{nc, 500 + rnd.IntN(100_000)}, Config{Journal: j})
		if err != nil {
			continue // cut in the handshake
		}
		received := make(chan error, 1)
		go func() { received <- c.Next(&event.Event{}) }()
		for err = c.Flush(); err == nil && (next < n || j.Pending() > 0); {
			if j.Full() || next == n {
				select {
				case <-j.Room():
				case err = <-received:
				}
				continue
			}
			ev := &event.Event{Name: "e", Args: []event.Value{{Type: event.Count, Bits: uint64(next)}}}
			next++
			if err = c.Send(ev); err == nil && rnd.IntN(20) == 0 {
				err = c.Flush()
			}
			if next == n && err == nil {
				err = c.Flush()
			}
		}
		_ = c.Close()
	}
	close(arrived)
	seen := make([]int, n)
	order := 0
	for i := range arrived {
		if seen[i]++; seen[i] == 1 {
			require.Equal(t, uint64(order), i, "first arrivals are in order")
			order++
		}
	}
	require.Equal(t, n, order, "all arrived")
	require.Greater(t, cuts, 2)
	t.Logf("%d events over %d connections", n, cuts)
}

// TestWhatIsNotWrittenIsLeftToTheJournal, at the end, and when the connection
// is lost already.
func TestWhatIsNotWrittenIsLeftToTheJournal(t *testing.T) {
	j := delivery.NewJournal(1 << 20)
	a, _ := pair(t, Config{Journal: j}, Config{})
	require.NoError(t, a.Send(&event.Event{Name: "small"}))
	require.Zero(t, j.Pending(), "it waits for more")
	large := &event.Event{Name: "large", Args: []event.Value{{Type: event.String, Bytes: make([]byte, delivery.BatchSize)}}}
	require.NoError(t, a.Send(large))
	require.Equal(t, 2, j.Pending(), "that is enough for a receipt")
	require.NoError(t, a.Send(&event.Event{Name: "small"}))
	require.NoError(t, a.Close())
	require.Equal(t, 3, j.Pending())

	b, _ := pair(t, Config{Journal: j}, Config{})
	require.NoError(t, b.net.Close())
	require.Error(t, b.Send(&event.Event{Name: "lost"}))
	require.Equal(t, 4, j.Pending())
}

// TestCloseDoesNotWaitForAWrite to a peer that reads nothing.
func TestCloseDoesNotWaitForAWrite(t *testing.T) {
	a, _ := pair(t, Config{}, Config{})
	// More than both kernels take.
	large := &event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 32<<20)}}}
	done := make(chan error)
	go func() { done <- a.Send(large) }()
	require.Eventually(t, func() bool { // it is about to write, and will not end
		if a.mu.TryLock() {
			a.mu.Unlock()
			return false
		}
		return true
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, a.Close())
	require.Error(t, <-done)
}

// handshaken is connected to a peer that shakes hands, with these capabilities, and reads nothing
// until it is told.
func handshaken(t *testing.T, caps uint32, j *delivery.Journal) (c *Conn, read func() []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	other, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	require.NoError(t, other.(*net.TCPConn).SetReadBuffer(4<<10))
	said := (&wire.Version{Protocol: 7, DataFormat: 26}).AppendTo(nil)
	_, err = other.Write(wire.PhaseDone{}.AppendTo((&wire.Caps{Flags: caps}).AppendTo(said)))
	require.NoError(t, err)
	c, err = Open(t.Context(), nc, Config{Journal: j})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, func() []byte {
		b, _ := io.ReadAll(other)
		return b
	}
}

// TestKernelConfirmsWhatItHas, all of it, also of what is sent again.
func TestKernelConfirmsWhatItHas(t *testing.T) {
	j := delivery.NewJournal(1 << 20)
	old, err := new(wire.Encoder).AppendEvent(nil, &event.Event{Name: "old"})
	require.NoError(t, err)
	j.Add(old, 1)
	c, read := handshaken(t, 0, j)
	require.NoError(t, c.Flush())
	require.Eventually(t, func() bool { return j.Pending() == 0 }, 30*time.Second, time.Millisecond)

	// More than the other kernel takes, and not more than ours.
	large := &event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 300<<10)}}}
	require.NoError(t, c.net.(*net.TCPConn).SetWriteBuffer(1<<20))
	require.NoError(t, c.Send(large))
	require.NoError(t, c.Flush())
	time.Sleep(100 * time.Millisecond) // time to do wrong
	require.Equal(t, 1, j.Pending())
	go read()
	require.Eventually(t, func() bool { return j.Pending() == 0 }, 30*time.Second, time.Millisecond)
}

// TestPeerWithoutReceiptsGetsEverything, though it is slow, of what is sent again.
func TestPeerWithoutReceiptsGetsEverything(t *testing.T) {
	j := delivery.NewJournal(1 << 20)
	for range 3 {
		b, err := new(wire.Encoder).AppendEvent(nil, &event.Event{Name: "old", Args: []event.Value{{Type: event.String, Bytes: make([]byte, delivery.BatchSize)}}})
		require.NoError(t, err)
		j.Add(b, 1)
	}
	c, read := handshaken(t, wire.CapBroccoli, j)
	got := make(chan []byte, 1)
	go func() { got <- read() }()
	require.NoError(t, c.Flush())
	require.NoError(t, c.Close())
	require.Equal(t, 3, bytes.Count(<-got, []byte("old")))
	require.Equal(t, 3, j.Pending())
}

// TestWhatIsSentAgainComesFirst, though nobody has flushed before there was
// something new.
func TestWhatIsSentAgainComesFirst(t *testing.T) {
	j := delivery.NewJournal(1 << 20)
	old, err := new(wire.Encoder).AppendEvent(nil, &event.Event{Name: "old"})
	require.NoError(t, err)
	j.Add(old, 1)
	a, b := pair(t, Config{Journal: j}, Config{})
	require.NoError(t, a.Send(&event.Event{Name: "new"}))
	require.NoError(t, a.Flush())
	for _, name := range []string{"old", "new"} {
		var got event.Event
		require.NoError(t, b.Next(&got))
		require.Equal(t, name, got.Name)
	}
}

// TestBroIsNotPinged: a peer that is not a Broccoli gets no PING, which would
// end a Bro, and the kernel's word is taken instead.
func TestBroIsNotPinged(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	told := make(chan []byte, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		said := (&wire.Version{Protocol: 7, DataFormat: 26}).AppendTo(nil)
		said = (&wire.Caps{Flags: wire.CapNewCacheStrategy}).AppendTo(said)
		_, _ = nc.Write(wire.PhaseDone{}.AppendTo(said))
		b, _ := io.ReadAll(nc)
		told <- b
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	j := delivery.NewJournal(1 << 20)
	c, err := Open(t.Context(), nc, Config{Journal: j})
	require.NoError(t, err)
	require.NoError(t, c.Send(&event.Event{Name: "e"}))
	require.NoError(t, c.Flush())
	require.Eventually(t, func() bool { return j.Pending() == 0 }, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, c.Close())
	r := wire.NewReader(bytes.NewReader(<-told), wire.Limits{})
	for {
		typ, _, err := r.Next()
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		require.NotEqual(t, wire.MsgPing, typ)
	}
}
