package broccoli_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
)

// TestEveryKindOfValue comes as it was sent, by way of another instance of the package.
func TestEveryKindOfValue(t *testing.T) {
	a, b := pair(t, broccoli.Config{Class: "sensor"}, broccoli.Config{Events: []string{"all"}})
	require.Equal(t, "sensor", b.PeerClass())
	require.True(t, a.Wants("all"))
	require.False(t, a.Wants("other"))
	sent := sample()
	require.NoError(t, a.Send(within(t), "all", sent, "x", uint8(7)))
	ev := receive(t, b)
	require.Equal(t, "all", ev.Name)
	require.WithinDuration(t, time.Now(), ev.Time, patience)
	var got everything
	var x string
	var n uint16
	require.NoError(t, ev.Scan(&got, &x, &n))
	require.True(t, sent.At.Equal(got.At))
	got.At = sent.At
	require.Equal(t, sent, got)
	require.Equal(t, "x", x)
	require.EqualValues(t, 7, n)

	// And back, as it came.
	record, ok := ev.Args[0].(broccoli.Record)
	require.True(t, ok)
	require.EqualValues(t, -1, record.Get("int"))
	require.Nil(t, record.Get("missing"))
	a.Request("all")
	require.Eventually(t, func() bool { return b.Wants("all") }, patience, time.Millisecond)
	require.NoError(t, b.SendEvent(within(t), ev))
	again := receive(t, a)
	require.Equal(t, ev.Args, again.Args)
	require.True(t, ev.Time.Equal(again.Time))
}

// TestNothingIsSentThatNobodyWants, and that is counted.
func TestNothingIsSentThatNobodyWants(t *testing.T) {
	a, b := pair(t, broccoli.Config{}, broccoli.Config{Events: []string{"wanted"}})
	require.NoError(t, a.Send(within(t), "unwanted"))
	require.NoError(t, a.Send(within(t), "wanted"))
	require.NoError(t, a.Flush(within(t)))
	require.Equal(t, "wanted", receive(t, b).Name)
	require.Equal(t, broccoli.Stats{Sent: 1, Unwanted: 1}, a.Stats())
}

// TestCloseTakesNothingAway of what was accepted: a program that sends and ends, a thousand
// events and a large one.
func TestCloseTakesNothingAway(t *testing.T) {
	for _, confirm := range []bool{false, true} {
		a, b := pair(t, broccoli.Config{Confirm: confirm}, broccoli.Config{Events: []string{"e"}})
		const n = 1000
		got := make(chan int)
		go func() {
			count := 0
			for _, err := range b.Events(within(t)) {
				if err != nil {
					break
				}
				count++
			}
			got <- count
		}()
		for i := range n {
			require.NoError(t, a.Send(within(t), "e", i))
		}
		require.NoError(t, a.Send(within(t), "e", make([]byte, 3<<20)))
		require.NoError(t, a.Close())
		require.Equal(t, n+1, <-got)
		_, err := b.Receive(within(t))
		require.ErrorIs(t, err, io.EOF)
		require.ErrorIs(t, a.Send(within(t), "e"), broccoli.ErrClosed)
		_, err = a.Receive(within(t))
		require.ErrorIs(t, err, broccoli.ErrClosed)
		require.ErrorIs(t, b.Send(within(t), "e"), io.EOF)
	}
}

// TestFlushSaysWhatHasArrived with Confirm: that Receive has returned it.
func TestFlushSaysWhatHasArrived(t *testing.T) {
	a, b := pair(t, broccoli.Config{Confirm: true}, broccoli.Config{Events: []string{"e"}})
	for i := range 10 {
		require.NoError(t, a.Send(within(t), "e", i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, a.Flush(ctx), context.DeadlineExceeded, "nobody has taken anything")
	for range 9 {
		receive(t, b)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, a.Flush(ctx), context.DeadlineExceeded)
	receive(t, b)
	require.NoError(t, a.Flush(within(t)))
}

// TestFlushWhileEventsCome: who waits for a confirmation need not receive meanwhile, although
// the peer wants receipts too.
func TestFlushWhileEventsCome(t *testing.T) {
	a, b := pair(t, broccoli.Config{Confirm: true, Events: []string{"answer"}}, broccoli.Config{Confirm: true, Events: []string{"question"}})
	go func() {
		for ev, err := range b.Events(within(t)) {
			if err != nil {
				return
			}
			for range 20 {
				_ = b.Send(within(t), "answer", ev.Args...)
			}
		}
	}()
	const rounds = 20
	for i := range rounds {
		require.NoError(t, a.Send(within(t), "question", i))
		require.NoError(t, a.Flush(within(t)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.Flush(ctx), context.DeadlineExceeded, "the answers have not been taken")
	for range 20 * rounds {
		receive(t, a)
	}
	require.NoError(t, b.Flush(within(t)))
}

// TestWhoReceivesNothingLives: a peer that asks for a sign of life gets one.
func TestWhoReceivesNothingLives(t *testing.T) {
	const silence = 2 * time.Second // a busy machine answers sooner
	a, b := pair(t, broccoli.Config{Confirm: true, Silence: silence}, broccoli.Config{Events: []string{"e"}})
	require.NoError(t, a.Send(within(t), "e", 0))
	receive(t, b)
	require.NoError(t, a.Flush(within(t)))
	require.NoError(t, a.Send(within(t), "e", 1))
	select {
	case <-a.Done():
		t.Fatal("it counts as lost")
	case <-time.After(4 * silence):
	}
	receive(t, b)
	require.NoError(t, a.Flush(within(t)))
}

// TestSendWaits for a peer that takes nothing, up to its bound, and as long as the context
// wants.
func TestSendWaits(t *testing.T) {
	for _, confirm := range []bool{false, true} {
		const pending = 64 << 10
		a, b := pair(t, broccoli.Config{Pending: pending, Confirm: confirm}, broccoli.Config{Events: []string{"e"}})
		sent := 0
		text := make([]byte, 10_000)
		for {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
			err := a.Send(ctx, "e", text)
			cancel()
			if err != nil {
				require.EqualError(t, err, "enough")
				break
			}
			sent++
			require.Less(t, sent, 10_000, "it has to wait in the end")
		}
		if confirm {
			require.Less(t, sent, 3*pending/len(text), "what is not confirmed is kept, and bounded")
		}
		for range sent {
			receive(t, b)
		}
		require.NoError(t, a.Send(within(t), "e", text))
		receive(t, b)
	}
}

// TestContextsEnd what waits, and nothing else.
func TestContextsEnd(t *testing.T) {
	a, b := pair(t, broccoli.Config{}, broccoli.Config{Events: []string{"e"}})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := b.Receive(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, a.Send(ctx, "e", 1), context.Canceled)
	require.NoError(t, a.Send(within(t), "e", 2))
	var n int
	require.NoError(t, receive(t, b).Scan(&n))
	require.Equal(t, 2, n)

	l := listen(t, broccoli.Config{})
	_, err = l.Accept(ctx)
	require.ErrorIs(t, err, context.Canceled)
	_, err = broccoli.Dial(ctx, l.Addr().String(), broccoli.Config{})
	require.ErrorIs(t, err, context.Canceled)
}

// TestDialEndsWithItsContext although the peer says nothing at all.
func TestDialEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for _, addr := range []string{l.Addr().String(), "ws://" + l.Addr().String()} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err = broccoli.Dial(ctx, addr, broccoli.Config{})
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}

// TestWhatComesBeforeTheEnd is seen, however late it is looked at.
func TestWhatComesBeforeTheEnd(t *testing.T) {
	a, b := pair(t, broccoli.Config{}, broccoli.Config{Events: []string{"e"}})
	for i := range 100 {
		require.NoError(t, a.Send(within(t), "e", i))
	}
	require.NoError(t, a.Close())
	time.Sleep(100 * time.Millisecond)
	_ = b.Send(within(t), "x")
	for i := range 100 {
		var n int
		require.NoError(t, receive(t, b).Scan(&n))
		require.Equal(t, i, n)
	}
	_, err := b.Receive(within(t))
	require.Equal(t, io.EOF, err)
	<-b.Done()
}

// TestBothWaysAtOnce, from many goroutines.
func TestBothWaysAtOnce(t *testing.T) {
	for _, confirm := range []bool{false, true} {
		cfg := broccoli.Config{Events: []string{"e"}, Confirm: confirm}
		a, b := pair(t, cfg, cfg)
		const senders, each = 4, 500
		var all sync.WaitGroup
		for _, c := range []*broccoli.Conn{a, b} {
			for range senders {
				all.Go(func() {
					for i := range each {
						if err := c.Send(within(t), "e", i, "some text"); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Go(func() {
				for range senders * each {
					if _, err := c.Receive(within(t)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		require.NoError(t, a.Flush(within(t)))
		require.NoError(t, b.Flush(within(t)))
	}
}

// TestListenersEnd with those that wait for Accept; those that were accepted stay.
func TestListenersEnd(t *testing.T) {
	l := listen(t, broccoli.Config{Events: []string{"e"}})
	a := dial(t, l.Addr().String(), broccoli.Config{})
	b, err := l.Accept(within(t))
	require.NoError(t, err)
	defer b.Close()
	waiting := dial(t, l.Addr().String(), broccoli.Config{})
	require.NoError(t, l.Close())
	<-waiting.Done()
	_, err = l.Accept(within(t))
	require.ErrorIs(t, err, broccoli.ErrClosed)
	require.NoError(t, a.Send(within(t), "e"))
	receive(t, b)
}

// TestAddressesThatAreWrong are told as such.
func TestAddressesThatAreWrong(t *testing.T) {
	for addr, want := range map[string]string{
		"nowhere":               "not of the form host:port",
		"http://127.0.0.1:1":    "ws://host:port or wss://host:port",
		"wss://127.0.0.1:1":     "wants Config.TLS",
		"127.0.0.1:no_such_one": "no_such_one",
	} {
		_, err := broccoli.Dial(within(t), addr, broccoli.Config{})
		require.ErrorContains(t, err, want)
	}
	_, err := broccoli.Listen("ws://127.0.0.1:0", broccoli.Config{})
	require.ErrorContains(t, err, "host:port alone")
	_, err = broccoli.Dial(within(t), "ws://127.0.0.1:1", broccoli.Config{TLS: &broccoli.TLS{}})
	require.ErrorContains(t, err, "it is wss://")
	_, err = broccoli.Dial(within(t), "127.0.0.1:1", broccoli.Config{TLS: &broccoli.TLS{CA: "/nowhere.pem"}})
	require.Error(t, err)
}
