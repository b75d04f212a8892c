package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// streams returns both ends of a TCP connection.
func streams(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	b, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func patience(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// pair returns a client and the server that it is connected to.
func pair(t testing.TB, client, server Config) (*Conn, *Conn) {
	t.Helper()
	a, b := streams(t)
	type result struct {
		c   *Conn
		err error
	}
	accepted := make(chan result, 1)
	go func() {
		c, err := Accept(patience(t), b, server)
		accepted <- result{c, err}
	}()
	c, err := Open(patience(t), a, client)
	require.NoError(t, err)
	s := <-accepted
	require.NoError(t, s.err)
	t.Cleanup(func() {
		go s.c.Close()
		_ = c.Close()
	})
	return c, s.c
}

func values() []event.Value {
	text := func(s string) event.Value { return event.Value{Type: event.String, Bytes: []byte(s)} }
	many := func(t event.Type, vs ...event.Value) event.Value { return event.Value{Type: t, Elems: vs} }
	v4 := [16]byte{10: 255, 11: 255, 12: 192, 14: 2, 15: 1}
	return []event.Value{
		{Type: event.Bool, Bits: 1}, {Type: event.Int, Bits: 1 << 63}, {Type: event.Count, Bits: math.MaxUint64},
		{Type: event.Double, Bits: math.Float64bits(-1.5)}, {Type: event.Double, Bits: math.Float64bits(3)},
		{Type: event.Time, Bits: math.Float64bits(1126645547.123456)},
		{Type: event.Interval, Bits: math.Float64bits(-0.000001)},
		text(`back\slash "quote"` + "\x01\r\n\t\b\f é \xff"), text(""), text(strings.Repeat("long", 50_000)),
		{Type: event.Pattern, Bytes: []byte(`a|b\.*`)},
		{Type: event.Enum, Bytes: []byte("M::RED")},
		{Type: event.Port, Bits: 22, Proto: event.ProtoTCP}, {Type: event.Addr, Addr: v4},
		{Type: event.Subnet, Addr: v4, Width: 24}, {},
		many(event.Vector, text("x"), many(event.Vector, text("y"))),
		many(event.Set, many(event.List, text("x"), event.Value{Type: event.Count, Bits: 1})),
		many(event.Table, text("k"), many(event.Vector, text("v"))),
	}
}

func receive(t testing.TB, c *Conn) *event.Event {
	t.Helper()
	var ev event.Event
	require.NoError(t, c.Next(&ev))
	return &ev
}

func send(t testing.TB, c *Conn, ev *event.Event) {
	t.Helper()
	require.NoError(t, c.Send(ev))
	require.NoError(t, c.Flush())
}

// TestBothWays: every kind of value, and each side's topic.
func TestBothWays(t *testing.T) {
	client, server := pair(t,
		Config{Host: "h:1", Topic: "up", Subscribe: []string{"down", "else/where"}, Requests: []string{"ev"}, ExactTime: true},
		Config{Topic: "down", All: true, ExactTime: true, Endpoint: "e", Version: "2.7.0"})
	require.Equal(t, []string{"down", "else/where"}, server.Subscriptions())
	server.speaks(zeek.Dialect{})
	client.speaks(zeek.Dialect{}) // as this server reads
	back, topic := make(chan *event.Event), make(chan string)
	ended := make(chan error, 1)
	go func() { // meanwhile: the answers to the client's pings come this way too
		for {
			ev := new(event.Event)
			if err := client.Next(ev); err != nil {
				ended <- err
				return
			}
			back <- ev
			topic <- client.Topic()
		}
	}()
	for range 3 {
		sent := make(chan error, 1)
		go func() { sent <- errors.Join(client.Send(&event.Event{Name: "ev", Args: values()}), client.Flush()) }()
		got := receive(t, server)
		require.NoError(t, <-sent)
		require.Equal(t, values(), got.Args)
		require.Equal(t, "up", server.Topic())
		require.InDelta(t, time.Now().Unix(), got.Time, 3600)
		send(t, server, &event.Event{Name: "ev", Args: values()})
		require.Equal(t, values(), (<-back).Args)
		require.Equal(t, "down", <-topic)
	}
	require.True(t, client.Wants("anything"))
	require.Empty(t, client.PeerClass())
	go server.Close()
	require.Equal(t, io.EOF, <-ended)
}

// TestOnlyWhatWasAsked: events of other names are dropped, until they are asked for.
func TestOnlyWhatWasAsked(t *testing.T) {
	client, server := pair(t, Config{Requests: []string{"a"}}, Config{})
	for _, name := range []string{"b", "a", "b", "a"} {
		send(t, server, &event.Event{Name: name})
	}
	require.Equal(t, "a", receive(t, client).Name)
	require.NoError(t, client.Request([]string{"b"}))
	require.Equal(t, "b", receive(t, client).Name)
	require.Equal(t, "a", receive(t, client).Name)
}

// TestRawEventsAreSentOn: what a program takes from one connection with
// ev_start and ev_end can be sent to any other.
func TestRawEventsAreSentOn(t *testing.T) {
	client, server := pair(t, Config{Topic: "t", Requests: []string{"a"}}, Config{All: true})
	args := []event.Value{{Type: event.Count, Bits: 7}, {Type: event.String, Bytes: []byte("x")}}
	send(t, server, &event.Event{Name: "a", Args: args})
	raw := receive(t, client).Raw
	require.NotEmpty(t, raw)
	require.NoError(t, client.SendSerial(append([]byte{'e'}, raw...)))
	require.NoError(t, client.Flush())
	require.Equal(t, args, receive(t, server).Args)
	for _, bad := range []string{"", "i", "e", "e\x00\x00\x00\x09x", "p123"} {
		require.ErrorIs(t, client.SendSerial([]byte(bad)), event.ErrUnencodable)
	}
}

// TestUnencodable: the event is refused, and the connection is as it was.
func TestUnencodable(t *testing.T) {
	client, server := pair(t, Config{Topic: "t"}, Config{All: true})
	for _, v := range []event.Value{
		{Type: event.Enum, Bits: 1, TypeName: "E"}, {Type: event.Double, Bits: math.Float64bits(math.NaN())},
	} {
		require.ErrorIs(t, client.Send(&event.Event{Name: "bad", Args: []event.Value{v}}), event.ErrUnencodable)
	}
	send(t, client, &event.Event{Name: "good"})
	require.Equal(t, "good", receive(t, server).Name)
}

// TestFailureIsAnEvent: what the server says of a message that it cannot read
// is told to who has asked, and the connection goes on.
func TestFailureIsAnEvent(t *testing.T) {
	var failures atomic.Int32
	client, server := pair(t,
		Config{Topic: "t", Requests: []string{FailureEvent, "good"}, OnFailure: func(*zeek.Failure) { failures.Add(1) }},
		Config{Topic: "t", All: true})
	require.NoError(t, client.SendMessage([]byte(`{"type":"data-message","topic":"t"}`)))
	require.NoError(t, client.SendMessage([]byte("How is it going?")))
	send(t, client, &event.Event{Name: "good"})
	require.Equal(t, "good", receive(t, server).Name)
	for range 2 {
		got := receive(t, client)
		require.Equal(t, FailureEvent, got.Name)
		require.Equal(t, "deserialization_failed", string(got.Args[0].Bytes))
		require.NotEmpty(t, got.Args[1].Bytes)
	}
	require.Equal(t, int32(2), failures.Load())
	send(t, server, &event.Event{Name: "good"})
	require.Equal(t, "good", receive(t, client).Name)
}

// frameBytes is a frame as a server writes it.
func frameBytes(t testing.TB, f ws.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, ws.WriteFrame(&b, f))
	return b.Bytes()
}

// TestFragments: a message in parts, with a ping in between, which is answered.
func TestFragments(t *testing.T) {
	client, server := pair(t, Config{Requests: []string{"e"}}, Config{})
	m, err := zeek.NewEncoder("t", zeek.Dialect{}).AppendEvent(nil, &event.Event{Name: "e"})
	require.NoError(t, err)
	var b []byte
	b = append(b, frameBytes(t, ws.NewFrame(ws.OpText, false, m[:10]))...)
	b = append(b, frameBytes(t, ws.NewPingFrame([]byte("?")))...)
	b = append(b, frameBytes(t, ws.NewFrame(ws.OpContinuation, false, nil))...)
	b = append(b, frameBytes(t, ws.NewFrame(ws.OpContinuation, true, m[10:]))...)
	b = append(b, frameBytes(t, ws.NewPingFrame(nil))...)
	b = append(b, frameBytes(t, ws.NewFrame(ws.OpBinary, true, m))...)
	_, err = server.net.Write(b)
	require.NoError(t, err)
	require.Equal(t, "e", receive(t, client).Name)
	require.Equal(t, "e", receive(t, client).Name)
	for _, payload := range []string{"?", ""} {
		h, err := ws.ReadHeader(server.in)
		require.NoError(t, err)
		got := make([]byte, h.Length)
		_, err = io.ReadFull(server.in, got)
		require.NoError(t, err)
		ws.Cipher(got, h.Mask, 0)
		require.Equal(t, ws.OpPong, h.OpCode)
		require.Equal(t, payload, string(got))
	}
}

// TestBrokenFrames: they end the connection, with a reason.
func TestBrokenFrames(t *testing.T) {
	huge := ws.Header{Fin: true, OpCode: ws.OpText, Length: 1 << 40}
	var hugeBytes bytes.Buffer
	require.NoError(t, ws.WriteHeader(&hugeBytes, huge))
	closed := ws.NewCloseFrame(ws.NewCloseFrameBody(1008, "policy"))
	for name, c := range map[string]struct {
		b    []byte
		says string
	}{
		"huge":         {hugeBytes.Bytes(), "too large"},
		"masked":       {frameBytes(t, ws.MaskFrame(ws.NewTextFrame([]byte("x")))), "mask"},
		"continuation": {frameBytes(t, ws.NewFrame(ws.OpContinuation, true, nil)), "continuation"},
		"long ping":    {frameBytes(t, ws.NewFrame(ws.OpPing, true, make([]byte, 126))), "control"},
		"close":        {frameBytes(t, closed), "code 1008"},
		"close inside": {append(frameBytes(t, ws.NewFrame(ws.OpText, false, []byte("[")))[:], frameBytes(t, closed)...), "code 1008"},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, Config{}, Config{})
			_, err := server.net.Write(c.b)
			require.NoError(t, err)
			require.ErrorContains(t, client.Next(&event.Event{}), c.says)
		})
	}
	t.Run("many parts", func(t *testing.T) {
		client, server := pair(t, Config{Limits: zeek.Limits{MaxMessage: 1 << 16}}, Config{})
		go func() {
			part := frameBytes(t, ws.NewFrame(ws.OpText, false, make([]byte, 1000)))
			for _, err := server.net.Write(part); err == nil; _, err = server.net.Write(part) {
				part = frameBytes(t, ws.NewFrame(ws.OpContinuation, false, make([]byte, 1000)))
			}
		}()
		require.ErrorContains(t, client.Next(&event.Event{}), "too large")
	})
}

// TestRefused: what is no Zeek, or one that refuses, is known at once.
func TestRefused(t *testing.T) {
	upgraded := func(nc net.Conn, payloads ...[]byte) error {
		if _, err := ws.Upgrade(nc); err != nil {
			return err
		}
		h, err := ws.ReadHeader(nc)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, nc, h.Length); err != nil {
			return err
		}
		for _, p := range payloads {
			if err := ws.WriteFrame(nc, ws.NewTextFrame(p)); err != nil {
				return err
			}
		}
		return nil
	}
	for name, c := range map[string]struct {
		server func(net.Conn) error
		says   string
	}{
		"closes":      {func(nc net.Conn) error { return nil }, "closed the connection"},
		"404":         {func(nc net.Conn) error { _, err := io.WriteString(nc, "HTTP/1.1 404 Not Found\r\n\r\n"); return err }, "status 404"},
		"no HTTP":     {func(nc net.Conn) error { _, err := nc.Write(make([]byte, 1<<20)); return err }, "closed the connection"},
		"an old HTTP": {func(nc net.Conn) error { _, err := io.WriteString(nc, "HTTP/1.0 101 Yes\r\n\r\n"); return err }, "WebSocket upgrade"},
		"no ack":      {func(nc net.Conn) error { return upgraded(nc) }, "closed the connection"},
		"error": {func(nc net.Conn) error {
			return upgraded(nc, []byte(`{"type":"error","code":"c","context":"no such filter"}`))
		}, "no such filter"},
		"no JSON": {func(nc net.Conn) error { return upgraded(nc, []byte("hello")) }, "answer to the subscription"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := streams(t)
			go func() {
				_, _ = b.Read(make([]byte, 1))
				rest := struct {
					io.Reader
					net.Conn
				}{io.MultiReader(strings.NewReader("G"), b), b}
				_ = c.server(readFrom{rest.Conn, rest.Reader})
				_ = b.(*net.TCPConn).CloseWrite()
			}()
			_, err := Open(patience(t), a, Config{Host: "h"})
			require.ErrorContains(t, err, c.says)
		})
	}
}

type readFrom struct {
	net.Conn
	r io.Reader
}

func (r readFrom) Read(b []byte) (int, error) { return r.r.Read(b) }

// TestSilentServer: the time of the context is what a handshake may take.
func TestSilentServer(t *testing.T) {
	a, b := streams(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, a, Config{Host: "h"})
	require.ErrorContains(t, err, "no answer in time")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, b.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err = io.ReadAll(b)
	require.NoError(t, err, "the stream is closed")
}

// TestEndlessGreeting: headers without end are too many at some time, on both sides.
func TestEndlessGreeting(t *testing.T) {
	for begin, open := range map[string]func(context.Context, net.Conn, Config) (*Conn, error){
		"HTTP/1.1 101 Switching Protocols\r\n":          Open,
		"GET " + zeek.Path + " HTTP/1.1\r\nHost: h\r\n": Accept,
	} {
		a, b := streams(t)
		go func() {
			_, err := io.WriteString(b, begin)
			for err == nil {
				_, err = io.WriteString(b, strings.Repeat("X-Filler: x\r\n", 100))
			}
		}()
		_, err := open(patience(t), a, Config{Host: "h"})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "no answer in time")
	}
}

// TestServerRefuses: another path, and what is no subscription.
func TestServerRefuses(t *testing.T) {
	accept := func(t *testing.T, client func(net.Conn)) error {
		a, b := streams(t)
		go client(a)
		_, err := Accept(patience(t), b, Config{})
		return err
	}
	require.ErrorContains(t, accept(t, func(nc net.Conn) {
		_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	}), "WebSocket upgrade")
	many := zeek.Subscription(make([]string, maxSubscriptions+1)).AppendTo(nil)
	for payload, says := range map[string]string{"{}": "is missing", "[1]": "is missing", string(many): "topics"} {
		require.ErrorContains(t, accept(t, func(nc net.Conn) {
			c := newConn(nc, Config{}, ws.StateClientSide)
			if _, _, err := (ws.Dialer{}).Upgrade(nc, mustURL()); err == nil {
				_ = c.write(ws.OpText, []byte(payload))
			}
		}), says)
	}
}

// TestConfirm: what the server has read is confirmed; what it has not, the next
// connection sends again, before anything new.
func TestConfirm(t *testing.T) {
	j := delivery.NewJournal(1 << 20)
	client, server := pair(t, Config{Topic: "t", Journal: j}, Config{All: true})
	send(t, client, &event.Event{Name: "one"})
	require.Equal(t, 1, j.Pending())
	require.Equal(t, "one", receive(t, server).Name)
	ended := make(chan error, 2)
	go func() { ended <- server.Next(&event.Event{}) }() // answers the ping
	go func() { ended <- client.Next(&event.Event{}) }() // takes the answer
	require.Eventually(t, func() bool { return j.Pending() == 0 }, 20*time.Second, time.Millisecond)

	_ = server.net.Close()
	require.Error(t, <-ended)
	require.Error(t, <-ended)
	_ = client.Send(&event.Event{Name: "two"})
	_ = client.Flush()
	_ = client.Close()
	require.Equal(t, 1, j.Pending())

	client, server = pair(t, Config{Topic: "t", Journal: j}, Config{All: true})
	send(t, client, &event.Event{Name: "three"})
	require.Equal(t, "two", receive(t, server).Name)
	require.Equal(t, "three", receive(t, server).Name)
}

// TestSentAgainBitByBit: what is left of a connection is not a part of the next
// one's handshake, and little of it goes until the server confirms that.
func TestSentAgainBitByBit(t *testing.T) {
	j := delivery.NewJournal(8 << 20)
	client, server := pair(t, Config{Topic: "t", Journal: j}, Config{All: true})
	_ = server.net.Close()
	_ = client.net.Close()
	const n = 300
	for range n {
		_ = client.Send(&event.Event{Name: "left", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 1000)}}})
		_ = client.Flush()
	}
	require.Equal(t, n, j.Pending())

	var written atomic.Int64
	client, server = pair(t, Config{Topic: "t", Journal: j, Unwritten: func(n int) { written.Add(int64(n)) }}, Config{All: true})
	greeting := written.Load()
	require.Less(t, greeting, int64(4096))
	flushed := make(chan error, 1)
	go func() { flushed <- client.Flush() }()
	require.Equal(t, "left", receive(t, server).Name)
	time.Sleep(50 * time.Millisecond)
	require.Less(t, written.Load()-greeting, int64(n*1000/2), "nobody has confirmed anything yet")
	go func() { _ = client.Next(&event.Event{}) }()
	for range n - 1 {
		require.Equal(t, "left", receive(t, server).Name)
	}
	require.NoError(t, <-flushed)
	go func() { _ = server.Next(&event.Event{}) }() // answers the last ping
	require.Eventually(t, func() bool { return j.Pending() == 0 }, 20*time.Second, time.Millisecond)
}

// TestReceiptIsSafe: the pong comes after what the server has to make safe.
func TestReceiptIsSafe(t *testing.T) {
	j := delivery.NewJournal(1 << 20)
	client, server := pair(t, Config{Topic: "t", Journal: j}, Config{All: true})
	send(t, client, &event.Event{Name: "one"})
	go func() { _ = client.Next(&event.Event{}) }()
	for _, want := range []arrival.Kind{arrival.Event, arrival.Ping} {
		require.Equal(t, want, step(t, server))
	}
	time.Sleep(50 * time.Millisecond)
	require.Equal(t, 1, j.Pending())
	require.NoError(t, server.Pong())
	require.Eventually(t, func() bool { return j.Pending() == 0 }, 20*time.Second, time.Millisecond)
}

// step returns what the next step comes to, other than Drained.
func step(t *testing.T, c *Conn) arrival.Kind {
	t.Helper()
	for {
		kind, err := c.Step(new(event.Event))
		require.NoError(t, err)
		if kind != arrival.Drained {
			return kind
		}
	}
}

// TestPingWithinAMessage is answered before the rest of that has come.
func TestPingWithinAMessage(t *testing.T) {
	client, server := pair(t, Config{Topic: "t"}, Config{All: true})
	message, err := client.enc.AppendEvent(nil, &event.Event{Name: "e", Args: values()})
	require.NoError(t, err)
	write := func(op ws.OpCode, fin bool, payload []byte) {
		t.Helper()
		f := ws.MaskFrame(ws.NewFrame(op, fin, payload))
		require.NoError(t, ws.WriteFrame(client.net, f))
	}
	write(ws.OpText, false, slices.Clone(message[:10]))
	write(ws.OpPing, true, []byte("x"))
	require.Equal(t, arrival.Ping, step(t, server))
	require.NoError(t, server.Pong())
	h, err := ws.ReadHeader(client.in)
	require.NoError(t, err)
	require.Equal(t, ws.OpPong, h.OpCode)
	write(ws.OpContinuation, true, slices.Clone(message[10:]))
	require.Equal(t, "e", receive(t, server).Name)
}

// TestSmallFrames: Broker gets none, since it may end the connection over one;
// others get them.
func TestSmallFrames(t *testing.T) {
	for version, size := range map[string]int{"2.7.0": 2048, "2.8.0-dev": 2048, "6.2.0": 2048, "7.2.0": 0, "8.0.0": 0} {
		client, server := pair(t, Config{Topic: "t"}, Config{All: true, Version: version})
		send(t, client, &event.Event{Name: "small"})
		require.Equal(t, "small", receive(t, server).Name)
		payload := len(server.Message()) + 2 + 2 + 4
		if size > 0 {
			require.Equal(t, size, payload)
			go func() { _ = client.Next(&event.Event{}) }()
			require.NoError(t, client.Finish())
			require.NoError(t, server.net.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
			_, err := server.in.Peek(1)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded, "no ping either")
		} else {
			require.Less(t, payload, 300)
		}
	}
}

// TestGoneServer: a server that is gone without a word is noticed, one that is
// only quiet is kept.
func TestGoneServer(t *testing.T) {
	client, server := pair(t, Config{Topic: "t", Silence: 100 * time.Millisecond}, Config{All: true})
	ended := make(chan error, 1)
	go func() { ended <- client.Next(&event.Event{}) }()
	for range 3 { // it answers what it is asked
		h, err := ws.ReadHeader(server.in)
		require.NoError(t, err)
		require.Equal(t, ws.OpPing, h.OpCode)
		require.NoError(t, server.write(ws.OpPong, nil))
	}
	// And then no more.
	select {
	case err := <-ended:
		require.ErrorIs(t, err, delivery.ErrSilent)
	case <-time.After(60 * time.Second):
		t.Fatal("nobody has noticed")
	}
	require.ErrorIs(t, client.write(ws.OpPing, nil), delivery.ErrSilent)
}

// TestCloseDoesNotWait for a peer that reads nothing, nor for one that never
// closes.
func TestCloseDoesNotWait(t *testing.T) {
	client, _ := pair(t, Config{Topic: "t"}, Config{})
	require.NoError(t, client.Close())

	client, _ = pair(t, Config{Topic: "t"}, Config{})
	// More than both kernels take.
	large := &event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: bytes.Repeat([]byte("x"), 32<<20)}}}
	blocked := make(chan error)
	go func() { blocked <- client.Send(large) }()
	require.Eventually(t, func() bool { // it is about to write, and will not end
		if client.mu.TryLock() {
			client.mu.Unlock()
			return false
		}
		return true
	}, 30*time.Second, time.Millisecond)
	_ = client.Close()
	require.Error(t, <-blocked)
}

// TestLargeMessageIsLetGo: its room is not kept for small ones.
func TestLargeMessageIsLetGo(t *testing.T) {
	client, server := pair(t, Config{Requests: []string{"e"}}, Config{Topic: "t"})
	large := &event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 2*maxKept)}}}
	go func() {
		_ = server.Send(large)
		_ = server.Send(&event.Event{Name: "e"})
		_ = server.Flush()
	}()
	require.Len(t, receive(t, client).Args, 1)
	require.Greater(t, cap(client.buf), maxKept)
	require.Empty(t, receive(t, client).Args)
	require.LessOrEqual(t, cap(client.buf), maxKept)
}

// TestFrameSizes: headers of each length, masked and not.
func TestFrameSizes(t *testing.T) {
	for _, state := range []ws.State{ws.StateClientSide, ws.StateServerSide} {
		for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
			payload := bytes.Repeat([]byte{0x5a}, size)
			b := []byte("before")
			b = endFrame(append(beginFrame(b), payload...), len(b), ws.OpText, state)
			require.Equal(t, "before", string(b[:6]))
			r := bytes.NewReader(b[6:])
			h, err := ws.ReadHeader(r)
			require.NoError(t, err)
			require.Equal(t, int64(size), h.Length, fmt.Sprint(state, size))
			require.Equal(t, state.ClientSide(), h.Masked)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			if h.Masked {
				ws.Cipher(got, h.Mask, 0)
			}
			require.True(t, bytes.Equal(payload, got))
		}
	}
}

// TestDrained: an event is handed over, and it is said that more is read, before the
// connection waits for the rest of the next.
func TestDrained(t *testing.T) {
	c, s := pair(t, Config{Subscribe: []string{"/"}, All: true}, Config{Topic: "/t"})
	require.NoError(t, s.Send(&event.Event{Name: "e"}))
	half := len(s.out) / 2
	require.Positive(t, half)
	rest := slices.Clone(s.out[half:])
	s.out = append(s.out, s.out[:half]...)
	require.NoError(t, s.Flush())
	require.Equal(t, arrival.Event, step(t, c))
	kind, err := c.Step(new(event.Event))
	require.NoError(t, err)
	require.Equal(t, arrival.Drained, kind)
	_, err = s.net.Write(rest)
	require.NoError(t, err)
	kind, err = c.Step(new(event.Event))
	require.NoError(t, err)
	require.Equal(t, arrival.Event, kind)
}
