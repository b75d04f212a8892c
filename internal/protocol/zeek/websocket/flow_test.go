package websocket

import (
	"bufio"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// slowZeek reads as Zeek 8 does, in one thread that handles events, sends pings
// and looks for their answers between two events.
type slowZeek struct {
	net.Conn
	handle time.Duration // each event
	each   time.Duration // pings; so long an answer may take as well
	events int
	longAt int // behind so many events it stops for once, for
	long   time.Duration
}

var errPingTimeout = errors.New("ping timeout")

// run returns the code of the close frame that ends it.
func (s *slowZeek) run() (ws.StatusCode, error) {
	in := bufio.NewReaderSize(s, 32<<10)
	pinged, answered := time.Now(), true
	for {
		if time.Since(pinged) > s.each {
			if !answered {
				_ = s.Close()
				return 0, errPingTimeout
			}
			if err := ws.WriteFrame(s, ws.NewPingFrame([]byte("heartbeat"))); err != nil {
				return 0, err
			}
			pinged, answered = time.Now(), false
		}
		_ = s.SetReadDeadline(pinged.Add(s.each + time.Millisecond))
		if _, err := in.Peek(1); err != nil {
			if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				continue
			}
			return 0, err
		}
		_ = s.SetReadDeadline(time.Time{})
		op, payload, err := readFrame(in)
		if err != nil {
			return 0, err
		}
		switch op {
		case ws.OpPing:
			err = ws.WriteFrame(s, ws.NewPongFrame(payload))
		case ws.OpPong:
			answered = true
		case ws.OpClose:
			code, _ := ws.ParseCloseFrameData(payload)
			_ = s.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if _, err := in.Peek(1); err == io.EOF { // it closes the socket then, before it answers
				return ws.StatusInternalServerError, err
			}
			return code, ws.WriteFrame(s, ws.NewCloseFrame(payload))
		default:
			time.Sleep(s.handle)
			if s.events++; s.events == s.longAt {
				time.Sleep(s.long)
			}
		}
		if err != nil {
			return 0, err
		}
	}
}

// readFrame reads a frame of a client of ours.
func readFrame(r io.Reader) (ws.OpCode, []byte, error) {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return 0, nil, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(r, payload)
	ws.Cipher(payload, h.Mask, 0)
	return h.OpCode, payload, err
}

// zeekEnd is how a slowZeek ended.
type zeekEnd struct {
	code ws.StatusCode
	err  error
}

// slow connects a client, whose answers are read, to a slowZeek.
func slow(t *testing.T, s *slowZeek, cfg Config, version string) (*Conn, <-chan zeekEnd) {
	t.Helper()
	client, server := pair(t, cfg, Config{Version: version})
	s.Conn = server.net
	ended := make(chan zeekEnd, 1)
	go func() {
		code, err := s.run()
		ended <- zeekEnd{code, err}
		_ = s.Close()
	}()
	go func() {
		for ev := new(event.Event); client.Next(ev) == nil; {
		}
	}()
	return client, ended
}

func hundredBytes() *event.Event {
	return &event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 100)}}}
}

func sendMany(c *Conn, n int) error {
	for range n {
		if err := c.Send(hundredBytes()); err != nil {
			return err
		}
	}
	return c.Finish()
}

// TestSlowServerIsNotOverrun: one that is steadily slower than the sender gets the
// answers to its pings in time, and everything; an orderly end is one to it.
func TestSlowServerIsNotOverrun(t *testing.T) {
	const n = 2500
	for name, j := range map[string]*delivery.Journal{"plain": nil, "confirmed": delivery.NewJournal(8 << 20)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &slowZeek{handle: time.Millisecond, each: 500 * time.Millisecond}
			client, ended := slow(t, s, Config{Topic: "t", Journal: j}, "8.0.0")
			require.NoError(t, sendMany(client, n))
			if j != nil {
				require.Zero(t, j.Pending())
			}
			require.NoError(t, client.Close())
			require.Equal(t, zeekEnd{ws.StatusNormalClosure, nil}, <-ended)
			require.Equal(t, n, s.events)
		})
	}
	t.Run("without the window", func(t *testing.T) {
		t.Parallel()
		s := &slowZeek{handle: time.Millisecond, each: 500 * time.Millisecond}
		client, ended := slow(t, s, Config{Topic: "t"}, "8.0.0")
		client.Hasten()
		require.Error(t, sendMany(client, n))
		require.ErrorIs(t, (<-ended).err, errPingTimeout)
	})
}

// TestFastServerGetsMore: the window grows with what it reads.
func TestFastServerGetsMore(t *testing.T) {
	s := &slowZeek{each: time.Second}
	client, ended := slow(t, s, Config{Topic: "t"}, "8.0.0")
	require.NoError(t, sendMany(client, 50_000))
	client.window.mu.Lock()
	size := client.window.size
	client.window.mu.Unlock()
	require.Greater(t, size, int64(4*firstWindow), "it has grown")
	require.NoError(t, client.Close())
	require.NoError(t, (<-ended).err)
	require.Equal(t, 50_000, s.events)
}

// TestWindowFollows the rate at which the peer reads, up and down.
func TestWindowFollows(t *testing.T) {
	w := newWindow()
	w.adapt(firstWindow, time.Millisecond)
	require.EqualValues(t, 2*firstWindow, w.size)
	w.adapt(leastWindow, time.Millisecond)
	require.EqualValues(t, 2*firstWindow, w.size, "it was not made use of")
	w.adapt(2*firstWindow, 40*time.Millisecond)
	require.Less(t, w.size, int64(3*firstWindow), "no more than fits into the round trip")
	for range 20 {
		w.adapt(w.size, time.Millisecond)
	}
	require.EqualValues(t, mostWindow, w.size)
	w.adapt(mostWindow, 10*time.Second)
	require.InDelta(t, mostWindow*0.051/10, w.size, 1)
	w.adapt(100, time.Hour)
	require.EqualValues(t, leastWindow, w.size)
}

// TestWindowThatShrinks below what is under way without a ping is not waited for
// in vain.
func TestWindowThatShrinks(t *testing.T) {
	s := &slowZeek{each: time.Minute}
	client, ended := slow(t, s, Config{Topic: "t"}, "8.0.0")
	resize := func(size int64) {
		client.window.mu.Lock()
		defer client.window.mu.Unlock()
		client.window.size = size
	}
	resize(mostWindow)
	require.NoError(t, client.Send(hundredBytes()))
	require.NoError(t, client.Flush())
	resize(10)
	sent := make(chan error, 1)
	go func() { sent <- sendMany(client, 10) }()
	select {
	case err := <-sent:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for ever")
	}
	require.NoError(t, client.Close())
	require.NoError(t, (<-ended).err)
	require.Equal(t, 11, s.events)
}

// TestEndWaitsUntilAllIsRead, for every version; the stream of Broker ends without
// a close frame.
func TestEndWaitsUntilAllIsRead(t *testing.T) {
	const n = 500
	for version, want := range map[string]zeekEnd{
		"2.7.0": {0, io.EOF}, "6.2.0": {0, io.EOF}, "8.2.2": {ws.StatusNormalClosure, nil},
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := &slowZeek{handle: time.Millisecond, each: time.Minute, longAt: n - 2, long: 2 * lingerTime}
			client, ended := slow(t, s, Config{Topic: "t"}, version)
			require.NoError(t, sendMany(client, n))
			require.NoError(t, client.Close())
			require.Equal(t, want, <-ended)
			require.Equal(t, n, s.events)
		})
	}
}

// TestFinishEnds with the connection, from either side.
func TestFinishEnds(t *testing.T) {
	for name, end := range map[string]func(client, server *Conn){
		"ours":   func(client, _ *Conn) { _ = client.Close() },
		"theirs": func(_, server *Conn) { _ = server.net.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, Config{Topic: "t"}, Config{}) // which reads nothing
			go func() { _ = client.Next(&event.Event{}) }()
			finished := make(chan error, 1)
			go func() { finished <- sendMany(client, 10_000) }()
			time.Sleep(50 * time.Millisecond)
			end(client, server)
			require.Error(t, <-finished)
		})
	}
}

// TestReadingGoesOn while nothing can be written: a peer that reads only when it
// has been read from is not waited for by who reads.
func TestReadingGoesOn(t *testing.T) {
	client, server := pair(t, Config{Topic: "t", Requests: []string{"e"}}, Config{})
	client.Hasten()
	blocked := make(chan error, 1)
	go func() { blocked <- sendMany(client, 200_000) }() // more than both kernels take
	m, err := zeek.NewEncoder("t", zeek.Dialect{}).AppendEvent(nil, &event.Event{Name: "e"})
	require.NoError(t, err)
	time.Sleep(100 * time.Millisecond)
	_, err = server.net.Write(append(frameBytes(t, ws.NewPingFrame([]byte("?"))), frameBytes(t, ws.NewTextFrame(m))...))
	require.NoError(t, err)
	require.Equal(t, "e", receive(t, client).Name)
	_ = client.net.Close()
	require.Error(t, <-blocked)
}
