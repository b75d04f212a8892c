package websocket

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// scripted plays Zeek with the script on a server's connection: it answers marks
// once handled reports true for them.
type scripted struct {
	mu     sync.Mutex
	names  []string // of the events that came
	marks  uint64
	handle func(number uint64) bool
	missed bool // says that the next mark is missing
}

func count(n uint64) event.Value { return event.Value{Type: event.Count, Bits: n} }

func (z *scripted) run(t *testing.T, c *Conn) {
	for ev := new(event.Event); c.Next(ev) == nil; {
		z.mu.Lock()
		reply := new(event.Event)
		if len(ev.Args) > 0 {
			reply.Args = []event.Value{{Type: event.String, Bytes: slices.Clone(ev.Args[0].Bytes)}}
		}
		switch ev.Name {
		case helloEvent:
			reply.Name = hereEvent
		case markEvent:
			z.marks++
			require.Equal(t, z.marks, ev.Args[1].Bits)
			if z.handle == nil || z.handle(z.marks) {
				reply.Name = confirmedEvent
				reply.Args = append(reply.Args, count(ev.Args[2].Bits))
			}
			if z.missed {
				reply.Name, reply.Args = missingEvent, append(reply.Args[:1], count(1))
			}
		default:
			z.names = append(z.names, ev.Name)
		}
		z.mu.Unlock()
		if reply.Name == "" {
			continue
		}
		_ = c.SendOn(scriptTopic+string(reply.Args[0].Bytes), reply)
		_ = c.Flush()
	}
}

// asking is a client that asks for the script, with somebody who reads.
func asking(t *testing.T, how Confirm, j *delivery.Journal, server Config) (client, other *Conn, ended chan error) {
	t.Helper()
	client, other = pair(t, Config{Topic: "t", Journal: j, Confirm: how, Silence: time.Minute}, server)
	ended = make(chan error, 1)
	go func() { ended <- client.Next(&event.Event{}) }()
	return client, other, ended
}

// TestScriptConfirms what it has handled, and the pong, which says less, does not.
func TestScriptConfirms(t *testing.T) {
	for _, version := range []string{"2.7.0", "8.2.2"} {
		var allowed atomic.Bool
		z := &scripted{handle: func(uint64) bool { return allowed.Load() }}
		j := delivery.NewJournal(1 << 20)
		client, server, _ := asking(t, ByScript, j, Config{All: true, Script: true, Version: version})
		require.Equal(t, []string{client.script.topic()}, server.Subscriptions())
		go z.run(t, server)
		require.NoError(t, client.Flush())
		require.NoError(t, client.Send(&event.Event{Name: "one"}))
		require.NoError(t, client.Flush())
		require.NoError(t, client.write(ws.OpPing, []byte{0, 0, 0, 1})) // its pong would confirm
		time.Sleep(50 * time.Millisecond)
		require.Equal(t, 1, j.Pending(), "it is read, not handled")
		allowed.Store(true)
		require.NoError(t, client.Send(&event.Event{Name: "two"}))
		require.NoError(t, client.Flush())
		require.Eventually(t, func() bool { return j.Pending() == 0 }, 10*time.Second, time.Millisecond)
		require.Equal(t, []string{"one", "two"}, z.names)
	}
}

// TestFewAreUnderWay with a script, so that no queue drops any: what is sent
// again, too.
func TestFewAreUnderWay(t *testing.T) {
	const events = 2000
	j := delivery.NewJournal(8 << 20)
	client, server := pair(t, Config{Topic: "t", Journal: j}, Config{All: true})
	_, _ = server.net.Close(), client.net.Close()
	for range events {
		_ = client.Send(&event.Event{Name: "again"})
	}
	_ = client.Flush()
	require.Equal(t, events, j.Pending())
	var busy atomic.Bool
	busy.Store(true)
	z := &scripted{handle: func(uint64) bool {
		for busy.Load() {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Microsecond)
		return true
	}}
	var written atomic.Int64
	client, server = pair(t, Config{
		Topic: "t", Journal: j, Confirm: ByScript, Unwritten: func(n int) { written.Add(int64(n)) },
	}, Config{All: true, Script: true})
	go func() { _ = client.Next(&event.Event{}) }()
	go z.run(t, server)
	go func() {
		time.Sleep(100 * time.Millisecond)
		busy.Store(false)
	}()
	flushed := make(chan error, 1)
	go func() { flushed <- client.Flush() }()
	time.Sleep(50 * time.Millisecond)
	require.Less(t, written.Load(), int64(2*scriptUnderWay*400), "nothing is confirmed")
	require.NoError(t, <-flushed)
	for range events {
		for j.Full() {
			<-j.Room()
		}
		require.NoError(t, client.Send(&event.Event{Name: "new"}))
		require.LessOrEqual(t, j.Pending(), scriptUnderWay+scriptBatch)
	}
	require.NoError(t, client.Flush())
	require.Eventually(t, func() bool { return j.Pending() == 0 }, 10*time.Second, time.Millisecond)
	require.Len(t, z.names, 2*events)
}

// TestWithoutTheScript pongs confirm, and what says that it is not there is not
// counted as an event that was refused; or nothing is sent.
func TestWithoutTheScript(t *testing.T) {
	for name, c := range map[string]struct {
		how    Confirm
		server Config
		wait   time.Duration
		sent   bool
	}{
		"says so":            {ByScriptIfAny, Config{All: true}, 0, true},
		"says so, needed":    {ByScript, Config{All: true}, 0, false},
		"says nothing":       {ByScriptIfAny, Config{All: true, Script: true, Version: "2.7.0"}, scriptWait, true},
		"nobody asks for it": {ByPong, Config{All: true, Script: true}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := delivery.NewJournal(1 << 20)
			var told atomic.Int32
			client, server := pair(t, Config{
				Topic: "t", Journal: j, Confirm: c.how,
				OnConfirm: func(script bool, why string) {
					told.Add(1)
					require.False(t, script)
					require.NotEmpty(t, why)
				},
			}, c.server)
			var refused atomic.Int32
			client.cfg.OnFailure = func(*zeek.Failure) { refused.Add(1) }
			go func() { _ = client.Next(&event.Event{}) }()
			var got []string
			var mu sync.Mutex
			go func() {
				for ev := new(event.Event); server.Next(ev) == nil; {
					mu.Lock()
					got = append(got, ev.Name)
					mu.Unlock()
				}
			}()
			before := time.Now()
			err := errors.Join(client.Send(&event.Event{Name: "e"}), client.Flush())
			require.GreaterOrEqual(t, time.Since(before), c.wait)
			require.Equal(t, c.sent, err == nil, err)
			require.Eventually(t, func() bool { return (j.Pending() == 0) == c.sent }, 10*time.Second, time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			require.Equal(t, c.sent, slices.Contains(got, "e"))
			require.Equal(t, c.how != ByPong, told.Load() == 1)
			require.Zero(t, refused.Load())
		})
	}
}

// TestBusyScript: a server whose script has answered before and does not answer now is
// busy: no pong confirms, and the connection ends when it is too silent.
func TestBusyScript(t *testing.T) {
	j := delivery.NewJournal(1 << 20)
	client, server := pair(t, Config{Topic: "t", Journal: j, Confirm: ByScriptAgain, Silence: time.Second},
		Config{All: true, Script: true, Version: "2.7.0"})
	go func() { _ = client.Next(&event.Event{}) }()
	go func() {
		for ev := new(event.Event); server.Next(ev) == nil; {
		}
	}()
	before := time.Now()
	err := errors.Join(client.Send(&event.Event{Name: "e"}), client.Flush())
	require.ErrorIs(t, err, delivery.ErrSilent)
	require.GreaterOrEqual(t, time.Since(before), scriptWait)
	require.Equal(t, 1, j.Pending())
}

// TestGapEndsTheConnection, and the next one sends again.
func TestGapEndsTheConnection(t *testing.T) {
	j := delivery.NewJournal(1 << 20)
	client, server, ended := asking(t, ByScript, j, Config{All: true, Script: true})
	go (&scripted{missed: true}).run(t, server)
	require.NoError(t, client.Send(&event.Event{Name: "e"}))
	require.NoError(t, client.Flush())
	require.ErrorIs(t, <-ended, errMissing)
	require.Equal(t, 1, j.Pending())
}

// TestScriptThatStopsIsNoticed: a connection whose server answers pings, and behind
// which nobody handles anything any more.
func TestScriptThatStopsIsNoticed(t *testing.T) {
	j := delivery.NewJournal(1 << 20)
	client, server := pair(t, Config{Topic: "t", Journal: j, Confirm: ByScript, Silence: 300 * time.Millisecond},
		Config{All: true, Script: true})
	ended := make(chan error, 1)
	go func() { ended <- client.Next(&event.Event{}) }()
	go (&scripted{handle: func(uint64) bool { return false }}).run(t, server)
	require.NoError(t, client.Send(&event.Event{Name: "e"}))
	require.NoError(t, client.Flush())
	select {
	case err := <-ended:
		require.ErrorContains(t, err, "has confirmed nothing")
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for ever")
	}
}

// refusing takes connections, and closes them with a code at the event of that
// name.
func refusing(t *testing.T, j *delivery.Journal, code ws.StatusCode, setAside func(*event.Event, error) error) (got []string, connections int) {
	t.Helper()
	for ; j.Pending() > 0 && connections < 8; connections++ {
		client, server := pair(t, Config{Topic: "t", Journal: j, SetAside: setAside}, Config{All: true})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = client.Next(&event.Event{})
			_ = client.Close()
		}()
		go func() { _ = client.Flush() }()
		go func() {
			for j.Pending() > 0 {
				time.Sleep(time.Millisecond)
			}
			_ = client.Close()
		}()
		for ev := new(event.Event); server.Next(ev) == nil; {
			if ev.Name == "poison" {
				_ = server.write(ws.OpClose, ws.NewCloseFrameBody(code, "no"))
				break
			}
			got = append(got, ev.Name)
		}
		<-done
		_ = server.net.Close()
	}
	return got, connections
}

// TestRefusedFrameIsSetAside: a server that closes with 1007 at an event loses
// that one, and no other; one that says that it is not the event loses nothing.
func TestRefusedFrameIsSetAside(t *testing.T) {
	for code, want := range map[ws.StatusCode]bool{1007: true, 1011: false, 1001: false} {
		t.Run(strconv.Itoa(int(code)), func(t *testing.T) {
			t.Parallel()
			j := delivery.NewJournal(1 << 20)
			client, server := pair(t, Config{Topic: "t", Journal: j}, Config{All: true})
			_, _ = server.net.Close(), client.net.Close()
			for _, name := range []string{"a", "b", "poison", "c", "d"} {
				_ = client.Send(&event.Event{Name: name, Args: []event.Value{count(7)}})
			}
			_ = client.Flush()
			var aside []string
			got, connections := refusing(t, j, code, func(ev *event.Event, why error) error {
				require.ErrorContains(t, why, "code 1007")
				require.EqualValues(t, 7, ev.Args[0].Bits)
				aside = append(aside, ev.Name)
				return nil
			})
			if !want {
				require.Empty(t, aside)
				require.Equal(t, 8, connections)
				return
			}
			require.Equal(t, []string{"poison"}, aside)
			require.Subset(t, got, []string{"a", "b", "c", "d"})
			require.Zero(t, j.Pending())
			require.LessOrEqual(t, connections, 2+3+1)
		})
	}
}
