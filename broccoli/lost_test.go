package broccoli_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
)

// cutter passes connections on to an address, and cuts them.
type cutter struct {
	l    net.Listener
	mu   sync.Mutex
	open []net.Conn
}

func newCutter(t *testing.T, addr string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cutter{l: l}
	t.Cleanup(func() { _ = l.Close(); c.cut() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", addr)
			if err != nil {
				_ = from.Close()
				continue
			}
			c.mu.Lock()
			c.open = append(c.open, from, to)
			c.mu.Unlock()
			pass := func(a, b net.Conn) {
				_, _ = io.Copy(a, b)
				_ = a.(*net.TCPConn).CloseWrite()
			}
			go pass(from, to)
			go pass(to, from)
		}
	}()
	return c
}

// cut ends all connections in the rough way.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, nc := range c.open {
		_ = nc.(*net.TCPConn).SetLinger(0)
		_ = nc.Close()
	}
	c.open = nil
}

// serve takes all numbered events of all peers of a listener.
func serve(t *testing.T, l *broccoli.Listener) func() map[int]int {
	var mu sync.Mutex
	seen := map[int]int{}
	go func() {
		for {
			c, err := l.Accept(t.Context())
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for ev, err := range c.Events(t.Context()) {
					var n int
					if err != nil || ev.Scan(&n) != nil {
						return
					}
					mu.Lock()
					seen[n]++
					mu.Unlock()
				}
			}()
		}
	}()
	return func() map[int]int {
		mu.Lock()
		defer mu.Unlock()
		all := make(map[int]int, len(seen))
		for n, times := range seen {
			all[n] = times
		}
		return all
	}
}

// TestReconnectsLoseNothing with Confirm, however often the connection is cut.
func TestReconnectsLoseNothing(t *testing.T) {
	l := listen(t, broccoli.Config{Events: []string{"e"}, Confirm: true})
	seen := serve(t, l)
	middle := newCutter(t, l.Addr().String())
	c := dial(t, middle.l.Addr().String(), broccoli.Config{Confirm: true, Reconnect: true, Pending: 32 << 10})
	const n, cuts = 20_000, 10
	stop := make(chan struct{})
	var cutting sync.WaitGroup
	cutting.Go(func() {
		for range cuts {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rand.IntN(200)) * time.Millisecond):
				middle.cut()
			}
		}
	})
	for i := range n {
		require.NoError(t, c.Send(within(t), "e", i))
	}
	cutting.Wait()
	close(stop)
	require.NoError(t, c.Flush(within(t)))
	// The last one may have been taken and not be noted yet.
	require.Eventually(t, func() bool { return len(seen()) == n }, patience, time.Millisecond)
	require.NotZero(t, c.Stats().Reconnects)
}

// TestFlushAfterAWriteThatFailed: what a lost connection has in its hands is confirmed on the
// next one, though nothing follows it.
func TestFlushAfterAWriteThatFailed(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer first.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		nc, err := first.Accept()
		if err == nil {
			_, _ = nc.Write(hello("e")) // and reads nothing
			accepted <- nc
		}
	}()
	c := dial(t, first.Addr().String(), broccoli.Config{Confirm: true, Reconnect: true, Pending: 16 << 20})
	const size = 12 << 20 // more than the kernel takes
	require.NoError(t, c.Send(within(t), "e", make([]byte, size)))
	time.Sleep(200 * time.Millisecond) // it waits in a write by now
	stuck := <-accepted
	require.NoError(t, first.Close())
	second, err := broccoli.Listen(first.Addr().String(), broccoli.Config{Events: []string{"e"}, MaxEvent: 2 * size})
	require.NoError(t, err)
	defer second.Close()
	require.NoError(t, stuck.(*net.TCPConn).SetLinger(0))
	require.NoError(t, stuck.Close())
	peer, err := second.Accept(within(t))
	require.NoError(t, err)
	defer peer.Close()
	var text []byte
	require.NoError(t, receive(t, peer).Scan(&text))
	require.Len(t, text, size)
	require.NoError(t, c.Flush(within(t)))
}

// TestReconnectKeepsWhatWaits, also without Confirm; what is asked for is asked again.
func TestReconnectKeepsWhatWaits(t *testing.T) {
	l := listen(t, broccoli.Config{Events: []string{"e"}})
	middle := newCutter(t, l.Addr().String())
	c := dial(t, middle.l.Addr().String(), broccoli.Config{Reconnect: true, Events: []string{"first"}})
	c.Request("second")
	first, err := l.Accept(within(t))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return first.Wants("second") }, patience, time.Millisecond)
	middle.cut()
	_, err = first.Receive(within(t))
	require.Error(t, err)
	second, err := l.Accept(within(t))
	require.NoError(t, err)
	defer second.Close()
	require.True(t, second.Wants("first") && second.Wants("second"))
	require.NoError(t, c.Send(within(t), "e", 1))
	receive(t, second)
	require.NoError(t, second.Send(within(t), "second"))
	receive(t, c)
	require.EqualValues(t, 1, c.Stats().Reconnects)
}

// TestCloseEndsReconnecting, and says what has not arrived.
func TestCloseEndsReconnecting(t *testing.T) {
	l := listen(t, broccoli.Config{Events: []string{"e"}})
	c := dial(t, l.Addr().String(), broccoli.Config{Reconnect: true, Confirm: true})
	peer, err := l.Accept(within(t))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, peer.Close())
	require.NoError(t, c.Send(within(t), "e", 1))
	require.ErrorContains(t, c.Close(), "1 events may not have arrived")
	_, err = c.Receive(within(t))
	require.ErrorIs(t, err, broccoli.ErrClosed)
	<-c.Done()
}

// TestWithoutReconnect the end is an error for all that follows.
func TestWithoutReconnect(t *testing.T) {
	l := listen(t, broccoli.Config{Events: []string{"e"}})
	middle := newCutter(t, l.Addr().String())
	c := dial(t, middle.l.Addr().String(), broccoli.Config{Events: []string{"x"}, Confirm: true})
	_, err := l.Accept(within(t))
	require.NoError(t, err)
	require.NoError(t, c.Send(within(t), "e", 1))
	middle.cut()
	_, err = c.Receive(within(t))
	require.Error(t, err)
	require.NotErrorIs(t, err, broccoli.ErrClosed)
	require.Error(t, c.Send(within(t), "e", 1))
	require.Error(t, c.Flush(within(t)))
	require.ErrorContains(t, c.Close(), "1 events may not have arrived")
}
