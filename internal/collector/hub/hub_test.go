package hub

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// enough is for what must come in the end; nothing depends on how long it takes.
const enough = 60 * time.Second

// notebook writes down what its clients send.
type notebook struct {
	mu      sync.Mutex
	lines   []string
	settled int
	broken  error
	faulty  string        // the event that shows an error of our own
	stay    chan struct{} // for which events that are called large wait
	inside  atomic.Int64  // how many do
}

type page struct{ *notebook }

func (p page) Event(topic string, ev *event.Event) error {
	if ev.Name == "large" {
		p.inside.Add(1)
		<-p.stay
		p.inside.Add(-1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if ev.Name == p.faulty {
		panic("an error of our own")
	}
	p.lines = append(p.lines, fmt.Sprintf("%s %s %d", topic, ev.Name, len(ev.Args)))
	return nil
}

func (p page) Flush() error { return p.Settle() }

func (p page) Close() {}

func (p page) Settle() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled = len(p.lines)
	return p.broken
}

func (n *notebook) seen() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.lines...)
}

// serve runs a hub until the test ends.
func serve(t *testing.T, n *notebook, set ...func(*Hub)) (*Hub, string) {
	t.Helper()
	h, addr, done := serving(t, n, set...)
	t.Cleanup(func() { require.NoError(t, done()) })
	return h, addr
}

func serving(t *testing.T, n *notebook, set ...func(*Hub)) (*Hub, string, func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h := &Hub{Version: "1.2.3", MaxClients: 16, Receive: func(context.Context, Client) Receiver { return page{n} }, Logf: t.Logf}
	for _, f := range set {
		f(h)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, l) }()
	return h, l.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

func dial(t *testing.T, addr, topic string, subscribe ...string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	c, err := websocket.Open(ctx, nc, websocket.Config{Host: addr, Topic: topic, Subscribe: subscribe, All: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func send(t *testing.T, c *websocket.Conn, name string) {
	t.Helper()
	require.NoError(t, c.Send(&event.Event{Name: name, Args: []event.Value{{Type: event.Count, Bits: 1}}}))
	require.NoError(t, c.Flush())
}

func receive(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	var ev event.Event
	require.NoError(t, c.Next(&ev))
	return c.Topic() + " " + ev.Name
}

// TestHub: events reach those that have subscribed, and nobody else.
func TestHub(t *testing.T) {
	n := &notebook{}
	h, addr := serve(t, n)
	a, b := dial(t, addr, "sshd/a", "sshd/"), dial(t, addr, "other", "other", "sshd/a")
	send(t, a, "one")
	require.Equal(t, "sshd/a one", receive(t, b))
	send(t, b, "two") // not back to b, and not to a
	require.Eventually(t, func() bool { return len(n.seen()) == 2 }, enough, time.Millisecond)
	require.NoError(t, h.Publish("sshd/z", &event.Event{Name: "three"}))
	require.NoError(t, h.Publish("other", &event.Event{Name: "four"}))
	require.Equal(t, "sshd/z three", receive(t, a))
	require.Equal(t, "other four", receive(t, b))
	require.Equal(t, []string{"sshd/a one 1", "other two 1"}, n.seen())
	require.Error(t, h.Publish("x", &event.Event{Args: []event.Value{{Type: event.Union}}, Name: "e"}))
}

// TestBytesPassAsTheyAre: what is no UTF-8 comes in a binary frame, in which kind
// it ever was sent, and the rest in text frames; a client other than ours closes
// the connection over anything else.
func TestBytesPassAsTheyAre(t *testing.T) {
	n := &notebook{}
	h, addr := serve(t, n)
	nc, _, _, err := ws.Dial(t.Context(), "ws://"+addr+zeek.Path)
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, wsutil.WriteClientText(nc, []byte(`["up"]`)))
	ack, op, err := wsutil.ReadServerData(nc)
	require.NoError(t, err)
	require.Equal(t, ws.OpText, op)
	require.Contains(t, string(ack), `"version":"`+zeek.Likeness+`-1.2.3"`)
	from, _, _, err := ws.Dial(t.Context(), "ws://"+addr+zeek.Path)
	require.NoError(t, err)
	defer from.Close()
	require.NoError(t, wsutil.WriteClientText(from, []byte(`[]`)))

	event := func(s string) *event.Event {
		return &event.Event{Name: "e", Time: 1126645547.123456, Args: []event.Value{{Type: event.String, Bytes: []byte(s)}}}
	}
	for s, want := range map[string]ws.OpCode{"fine é \x00": ws.OpText, "\xff": ws.OpBinary, "\xc0\x80": ws.OpBinary} {
		message, err := zeek.NewEncoder("up", zeek.Current).AppendEvent(nil, event(s))
		require.NoError(t, err)
		for _, sent := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			require.NoError(t, wsutil.WriteClientMessage(from, sent, message))
			got, op, err := wsutil.ReadServerData(nc)
			require.NoError(t, err)
			require.Equal(t, want, op, "%q", s)
			require.Equal(t, message, got)
		}
		require.NoError(t, h.Publish("up", event(s)))
		got, op, err := wsutil.ReadServerData(nc)
		require.NoError(t, err)
		require.Equal(t, want, op, "%q", s)
		require.Equal(t, message, got)
	}
	require.Len(t, n.seen(), 6)
}

// hurried is a stream of which a client reads the answer to its subscription
// only when something has been published.
type hurried struct {
	net.Conn
	reads   int
	publish func()
}

func (c *hurried) Read(b []byte) (int, error) {
	if c.reads++; c.reads == 2 {
		c.publish()
	}
	return c.Conn.Read(b)
}

// TestAckIsKept: who has been told that it has subscribed misses nothing.
func TestAckIsKept(t *testing.T) {
	h := &Hub{Receive: func(context.Context, Client) Receiver { return page{&notebook{}} }, Logf: t.Logf}
	h.init()
	near, far := net.Pipe() // what is written is read by then
	done := make(chan error, 1)
	go func() { done <- h.handle(t.Context(), far) }()
	subscribed := func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.clients) == 1
	}
	c, err := websocket.Open(t.Context(), &hurried{Conn: near, publish: func() {
		require.Eventually(t, subscribed, 10*time.Second, time.Millisecond)
		require.NoError(t, h.Publish("sshd/a", &event.Event{Name: "one"}))
	}}, websocket.Config{Host: "hub", Topic: "t", Subscribe: []string{"sshd/"}, All: true})
	require.NoError(t, err)
	require.Equal(t, "sshd/a one", receive(t, c))
	require.NoError(t, c.Close())
	require.NoError(t, <-done)
	require.Empty(t, h.clients)
}

// TestBrokenReceiver: what cannot be kept is not confirmed; the client is let go.
func TestBrokenReceiver(t *testing.T) {
	broken := errors.New("disk full")
	_, addr, done := serving(t, &notebook{broken: broken})
	c := dial(t, addr, "t")
	send(t, c, "one")
	require.Error(t, c.Next(&event.Event{}))
	require.ErrorIs(t, done(), broken)
}

// TestTooManyClients: the one that is too much is told so, until another leaves.
func TestTooManyClients(t *testing.T) {
	h, addr := serve(t, &notebook{})
	h.gate.Open.Store(int64(h.MaxClients))
	r, err := http.Get("http://" + addr + zeek.Path)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, "503 30", fmt.Sprint(r.StatusCode, " ", r.Header.Get("Retry-After")))
	for range 20 {
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		_, err = websocket.Open(t.Context(), nc, websocket.Config{Host: addr})
		require.ErrorContains(t, err, "HTTP status 503")
	}
	h.gate.Open.Store(0)
	dial(t, addr, "t")
}

// TestForward: events go to a Zeek that is not there at first, comes and goes;
// none is lost, and they come in order.
func TestForward(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	f := NewForwarder(addr, "fwd")
	f.Logf, f.Retry = t.Logf, 50*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	publish := func(n uint64) {
		f.Publish(&event.Event{Name: "e", Args: []event.Value{{Type: event.Count, Bits: n}}})
	}
	const each, rounds = 50, 3
	last := uint64(0)
	for round := range uint64(rounds) {
		for i := range uint64(each) {
			publish(round*each + i + 1)
		}
		l, err := net.Listen("tcp", addr)
		require.NoError(t, err)
		nc, err := l.Accept()
		require.NoError(t, err)
		require.NoError(t, l.Close())
		c, err := websocket.Accept(t.Context(), nc, websocket.Config{All: true})
		require.NoError(t, err)
		if round == rounds-1 {
			cancel() // it sends what waits all the same
		}
		var ev event.Event
		for c.Next(&ev) == nil {
			require.Equal(t, "fwd", c.Topic())
			require.LessOrEqual(t, ev.Args[0].Bits, last+1, "in order")
			last = max(last, ev.Args[0].Bits)
			if round < rounds-1 && last >= round*each+each/2 {
				break // under way: the other half
			}
		}
		_ = nc.Close()
	}
	require.NoError(t, <-done)
	require.Equal(t, uint64(each*rounds), last)
	require.Equal(t, Totals{Forwarded: each * rounds}, f.Totals())
}

// TestForwardBounds: what cannot wait is counted, as is what cannot be sent.
func TestForwardBounds(t *testing.T) {
	f := NewForwarder("127.0.0.1:1", "fwd")
	large := &event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: make([]byte, maxForwarding/2)}}}
	for range 3 {
		f.Publish(large)
	}
	f.Publish(&event.Event{Name: "e", Args: []event.Value{{Type: event.Union}}})
	require.Equal(t, Totals{Unconfirmed: 1, Lost: 2, Refused: 1}, f.Totals())
}

// overheard is a stream that keeps what was read of it.
type overheard struct {
	net.Conn
	heard []byte
}

func (o *overheard) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	o.heard = append(o.heard, b[:n]...)
	return n, err
}

// TestForwardAsItIsSet: the name that Zeek is told, and the zone that its times are in.
func TestForwardAsItIsSet(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	f := NewForwarder(l.Addr().String(), "fwd")
	f.Logf, f.Application, f.Zone = t.Logf, "collector/1.2.3", time.FixedZone("five", -5*3600)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f.Publish(&event.Event{Name: "e", Args: []event.Value{{Type: event.Time, Bits: math.Float64bits(1126645547.25)}}})
	go func() { _ = f.Run(ctx) }()
	nc, err := l.Accept()
	require.NoError(t, err)
	stream := &overheard{Conn: nc}
	c, err := websocket.Accept(t.Context(), stream, websocket.Config{Version: "7.2.0", All: true})
	require.NoError(t, err)
	require.Contains(t, string(stream.heard), "X-Application-Name: collector/1.2.3\r\n")
	require.NoError(t, c.Next(&event.Event{}))
	require.Contains(t, string(c.Message()), `"2005-09-13T16:05:47.250"`)
	_ = nc.Close()
}

// TestForwardTellsOfZone: that a Zeek has times in a zone that nobody has said is
// told, and not with every connection again.
func TestForwardTellsOfZone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	f := NewForwarder(l.Addr().String(), "fwd")
	var told atomic.Int64
	f.Retry, f.Logf = time.Millisecond, func(format string, args ...any) {
		if strings.Contains(fmt.Sprintf(format, args...), "in its own time zone") {
			told.Add(1)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = f.Run(ctx) }()
	for range 3 {
		nc, err := l.Accept()
		require.NoError(t, err)
		_, err = websocket.Accept(t.Context(), nc, websocket.Config{Version: "2.8.0-dev"})
		require.NoError(t, err)
		require.Eventually(t, func() bool { return told.Load() == 1 }, enough, time.Millisecond)
		_ = nc.Close()
	}
	require.EqualValues(t, 1, told.Load())
}

// TestForwardTellsOfRefusals: Zeek's errors are counted.
func TestForwardTellsOfRefusals(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	f := NewForwarder(l.Addr().String(), "fwd")
	f.Logf = t.Logf
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = f.Run(ctx) }()
	nc, err := l.Accept()
	require.NoError(t, err)
	c, err := websocket.Accept(t.Context(), nc, websocket.Config{})
	require.NoError(t, err)
	failure := zeek.Failure{Code: "deserialization_failed", Context: "input #1"}
	require.NoError(t, c.SendMessage(failure.AppendTo(nil)))
	require.NoError(t, c.Flush())
	require.Eventually(t, func() bool { return f.Totals().Refused == 1 }, enough, time.Millisecond)
}

// started is a client's stream that has the beginning of a frame behind all that is
// written at once.
type started struct {
	net.Conn
	on bool
}

func (s *started) Write(b []byte) (int, error) {
	if !s.on {
		return s.Conn.Write(b)
	}
	n, err := s.Conn.Write(append(slices.Clone(b), 0x81))
	return min(n, len(b)), err
}

// later is a Receiver that writes what it has taken when it is told to.
type later struct {
	taken   int
	written chan int
}

func (l *later) Event(string, *event.Event) error { l.taken++; return nil }
func (l *later) Flush() error                     { l.written <- l.taken; return nil }
func (l *later) Settle() error                    { return nil }
func (l *later) Close()                           {}

// TestPartOfAMessageHoldsNothingUp: an event is written though more has begun to come.
func TestPartOfAMessageHoldsNothingUp(t *testing.T) {
	near, far := net.Pipe()
	l := &later{written: make(chan int, 1)}
	h := &Hub{Version: "8.0.0", Receive: func(context.Context, Client) Receiver { return l }, Logf: t.Logf}
	h.init()
	go func() { _ = h.handle(t.Context(), far) }()
	client := &started{Conn: near}
	c, err := websocket.Open(t.Context(), client, websocket.Config{Host: "hub", Topic: "t"})
	require.NoError(t, err)
	client.on = true
	send(t, c, "one")
	require.Equal(t, 1, <-l.written)
	_ = near.Close()
}

// TestPanicEndsTheClient, and nothing else.
func TestPanicEndsTheClient(t *testing.T) {
	_, addr := serve(t, &notebook{faulty: "one"})
	c, other := dial(t, addr, "t"), dial(t, addr, "t", "t")
	send(t, c, "one")
	require.Error(t, c.Next(&event.Event{}))
	send(t, dial(t, addr, "t"), "two")
	require.Equal(t, "t two", receive(t, other))
}

// TestHubConfirmsByPongs: a client that asks for the script of Zeek's is told at
// once that there is none, nobody sees its question, and its events are confirmed.
func TestHubConfirmsByPongs(t *testing.T) {
	n := new(notebook)
	h, addr := serve(t, n)
	other := dial(t, addr, "x", "site/")
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	j := delivery.NewJournal(1 << 20)
	var refused, script atomic.Int32
	c, err := websocket.Open(t.Context(), nc, websocket.Config{
		Host: addr, Topic: "site/a", Journal: j, Confirm: websocket.ByScriptIfAny,
		OnFailure: func(*zeek.Failure) { refused.Add(1) },
		OnConfirm: func(by bool, _ string) {
			if by {
				script.Add(1)
			}
		},
	})
	require.NoError(t, err)
	defer c.Close()
	go func() { _ = c.Next(&event.Event{}) }()
	before := time.Now()
	send(t, c, "e")
	require.Less(t, time.Since(before), 2*time.Second)
	require.Equal(t, "site/a e", receive(t, other))
	require.Eventually(t, func() bool { return j.Pending() == 0 }, 10*time.Second, time.Millisecond)
	require.Len(t, n.seen(), 1)
	events := h.Stats().EventsIn
	require.EqualValues(t, 1, events)
	require.Zero(t, refused.Load()+script.Load())
}

// TestForwardGoesOnAtTheEnd as long as Zeek confirms something, however slowly.
func TestForwardGoesOnAtTheEnd(t *testing.T) {
	const n = 300
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	f := NewForwarder(l.Addr().String(), "fwd")
	f.Logf = t.Logf
	for range n {
		f.Publish(&event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 100)}}})
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	nc, err := l.Accept()
	require.NoError(t, err)
	c, err := websocket.Accept(t.Context(), nc, websocket.Config{All: true})
	require.NoError(t, err)
	defer c.Close()
	cancel()
	got := 0
	for ev := new(event.Event); c.Next(ev) == nil; got++ {
		time.Sleep(4 * flushTime / 3 / n)
	}
	_ = c.Close()
	require.NoError(t, <-done)
	require.Equal(t, n, got)
	require.Equal(t, Totals{Forwarded: n}, f.Totals())
}

// publishMany publishes n events.
func publishMany(f *Forwarder, n int) {
	for range n {
		f.Publish(&event.Event{Name: "e", Args: []event.Value{{Type: event.Count, Bits: 1}}})
	}
}

// TestForwardToNobody: what waits at the end for a Zeek that was never there is not
// forwarded.
func TestForwardToNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	f := NewForwarder(l.Addr().String(), "fwd")
	f.Logf = t.Logf
	publishMany(f, 100)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, f.Run(ctx))
	require.Equal(t, Totals{Unconfirmed: 100}, f.Totals())
}

// TestForwardToOneThatGoes: what it has confirmed is forwarded, and not what was
// under way when it went, nor what came after that.
func TestForwardToOneThatGoes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	f := NewForwarder(l.Addr().String(), "fwd")
	f.Logf, f.Retry = t.Logf, time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	nc, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, l.Close())
	c, err := websocket.Accept(t.Context(), nc, websocket.Config{All: true})
	require.NoError(t, err)
	step := make(chan bool)
	go func() {
		for ev := new(event.Event); c.Next(ev) == nil; {
			if ev.Name == "last" {
				step <- true
				<-step
			}
		}
	}()
	publishMany(f, 40)
	require.Eventually(t, func() bool { return f.Totals() == Totals{Forwarded: 40} }, enough, time.Millisecond)
	f.Publish(&event.Event{Name: "last"})
	<-step
	publishMany(f, 30)
	require.NoError(t, nc.Close())
	step <- true
	publishMany(f, 29)
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, Totals{Forwarded: 40, Unconfirmed: 60}, f.Totals())
}

// TestForwardWaitsForAScriptThatIsBusy: it has confirmed before, so that nothing is sent
// that only pongs would confirm.
func TestForwardWaitsForAScriptThatIsBusy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	f := NewForwarder(l.Addr().String(), "fwd")
	f.Logf, f.Retry, f.Silence, f.Confirm = t.Logf, time.Millisecond, time.Minute, websocket.ByScriptIfAny
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = f.Run(ctx) }()
	accept := func() (*websocket.Conn, *event.Event) {
		nc, err := l.Accept()
		require.NoError(t, err)
		c, err := websocket.Accept(t.Context(), nc, websocket.Config{All: true, Script: true, Version: "2.7.0"})
		require.NoError(t, err)
		hello := new(event.Event)
		require.NoError(t, c.Next(hello))
		require.Equal(t, "BroccoliConfirm::hello", hello.Name)
		return c, hello
	}
	first, hello := accept()
	here := &event.Event{Name: "BroccoliConfirm::here", Args: hello.Args[:1]}
	require.NoError(t, first.SendOn("broccoli/confirm/"+string(hello.Args[0].Bytes), here))
	require.NoError(t, first.Flush())
	require.Eventually(t, f.scripted.Load, enough, time.Millisecond)
	require.NoError(t, first.Close())

	second, _ := accept()
	defer second.Close()
	publishMany(f, 10)
	come := make(chan string, 100)
	go func() {
		for ev := new(event.Event); second.Next(ev) == nil; {
			come <- ev.Name
		}
	}()
	select {
	case name := <-come:
		require.Fail(t, "it was sent "+name)
	case <-time.After(4 * time.Second): // twice what one is waited for that has not answered before
	}
}
