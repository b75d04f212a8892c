// Package hub is a small Zeek as WebSocket clients see it: it takes their events
// and passes them to those that have subscribed to the topic. It imports the
// connection and the event model.
package hub

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/admit"
	"github.com/romanesco-broccoli/romanesco/internal/collector/memory"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// handshakeTime is how long a client may take until the connection is up.
const handshakeTime = 10 * time.Second

// unbounded is more memory than there is.
const unbounded = 1 << 50

// retryAfter is when a client may try again for which there is no room.
const retryAfter = 30 * time.Second

// Receiver takes the events of one client. It belongs to one goroutine.
type Receiver interface {
	// Event takes an event that came on a topic; it holds until Event returns.
	Event(topic string, ev *event.Event) error
	// Flush says that there is nothing more to read for now.
	Flush() error
	// Settle makes safe what has been taken: the client may be told so.
	Settle() error
	// Close says that the client is gone.
	Close()
}

// Client is who has connected.
type Client struct {
	Addr string
	// Host is the name in the certificate that it has shown, if that was verified and
	// has one.
	Host string
	// Alive is to be called now and then while the client has to wait. It does not wait.
	Alive func()
}

// Hub serves clients. Its fields are set before the first use.
type Hub struct {
	// Version is what clients are told of us, behind the Zeek that we are like.
	Version string
	// ExactTime and Types are those of package zeek.
	ExactTime bool
	Types     *zeek.Types
	// Receive makes what takes the events of a client. It may have the client wait as
	// long as ctx lives.
	Receive func(ctx context.Context, from Client) Receiver
	// MaxClients is how many clients there may be at a time.
	MaxClients int
	// Origins, Silence and MessageTime are those of websocket.Config.
	Origins              []string
	Silence, MessageTime time.Duration
	// Memory is what clients share, with whoever else connects.
	Memory *memory.Pool
	Logf   func(format string, args ...any)

	endpoint string
	once     sync.Once
	gate     admit.Gate
	events   atomic.Uint64 // that came
	sent     atomic.Uint64
	accepted atomic.Uint64
	unable   atomic.Uint64         // handshakes that have failed
	cut      atomic.Uint64         // clients that were cut off
	refused  atomic.Uint64         // messages
	failed   atomic.Pointer[error] // of a Receiver

	mu      sync.Mutex
	clients map[*client]func() // what ends that it is in Memory
}

// Stats are what there has been, and how many clients there are.
type Stats struct {
	Open                int    // clients, or those that are about to be
	Accepted, Failed    uint64 // clients, and handshakes that failed
	TurnedAway, CutOff  uint64 // clients
	EventsIn, EventsOut uint64
	Refused             uint64 // messages
}

// Stats returns them.
func (h *Hub) Stats() Stats {
	return Stats{
		Open: int(h.gate.Open.Load()), Accepted: h.accepted.Load(), Failed: h.unable.Load(),
		TurnedAway: h.gate.TurnedAway(), CutOff: h.cut.Load(),
		EventsIn: h.events.Load(), EventsOut: h.sent.Load(), Refused: h.refused.Load(),
	}
}

func (h *Hub) init() {
	h.once.Do(func() {
		h.endpoint = newEndpoint()
		h.clients = map[*client]func(){}
		if h.Memory == nil {
			h.Memory = memory.New(unbounded)
		}
		h.Memory.Count(&h.gate.Open)
		h.gate.What, h.gate.Max, h.gate.Logf = "WebSocket clients", h.MaxClients, h.Logf
		h.gate.Goodbye = func(nc net.Conn) { websocket.TurnAway(nc, retryAfter) }
	})
}

// Serve accepts clients until ctx ends, and returns when all are done with: nil,
// or what a Receiver has failed of.
func (h *Hub) Serve(ctx context.Context, l net.Listener) error {
	h.init()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := h.gate.Serve(ctx, l, func(ctx context.Context, nc net.Conn) {
		if err := h.handle(ctx, nc); err != nil {
			h.Logf("%s: %v", nc.RemoteAddr(), err)
		}
		if h.failure() != nil {
			cancel()
		}
	})
	return errors.Join(err, h.failure())
}

func (h *Hub) failure() error {
	if p := h.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// fail passes an error of a Receiver on: it is for good.
func (h *Hub) fail(err error) error {
	if err != nil {
		h.failed.CompareAndSwap(nil, &err)
	}
	return err
}

// newEndpoint makes a UUID, as which servers introduce themselves.
func newEndpoint() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// handle serves one client until it or ctx ends.
func (h *Hub) handle(ctx context.Context, nc net.Conn) error {
	h.Memory.Limit()
	from := nc.RemoteAddr().String()
	var c *client // once it has subscribed
	var conn *websocket.Conn
	alive := func() { _ = conn.Alive() }
	open, cancel := context.WithTimeout(ctx, handshakeTime)
	conn, err := websocket.Accept(open, nc, websocket.Config{
		All: true, ExactTime: h.ExactTime, Types: h.Types,
		Endpoint: h.endpoint, Version: zeek.Likeness + "-" + h.Version,
		Origins: h.Origins, Silence: h.Silence, MessageTime: h.MessageTime,
		OnRefusal: func() { h.refused.Add(1) },
		Budget:    h.Memory.Incoming, Turn: func() func() { return h.Memory.Turn(ctx, alive) },
		BeforeAck: func(conn *websocket.Conn) {
			c = h.newClient(conn)
			h.add(c)
			h.accepted.Add(1) // it may count on that as soon as it is told
		},
	})
	cancel()
	if c != nil {
		defer h.remove(c)
	}
	if err != nil {
		h.unable.Add(1)
		return err
	}
	h.Logf("%s: WebSocket client, subscribed to %q", from, conn.Subscriptions())
	taker := h.Receive(ctx, Client{from, host(nc), alive})
	defer taker.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.CloseFor(websocket.ErrGoingAway) })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(c.send)
	defer wg.Wait()
	end := errUnfinished
	defer func() { c.close(end) }()
	err = errors.Join(h.receive(c, taker), h.fail(taker.Settle()))
	end = err
	return h.ended(ctx, c, err)
}

// host returns the name in the certificate that the client has shown.
func host(nc net.Conn) string {
	secured, ok := nc.(*tls.Conn)
	if !ok {
		return ""
	}
	shown := secured.ConnectionState().PeerCertificates
	if len(shown) == 0 {
		return ""
	}
	return secure.Identity(shown[0])
}

// errUnfinished is why a connection ends that we have not come to the end of: by a
// panic.
var errUnfinished = errors.New("an error of our own")

// ended returns what is to be said of a connection that has ended with err.
func (h *Hub) ended(ctx context.Context, c *client, err error) error {
	switch cut := c.cut.Load(); {
	case cut != nil:
		h.cut.Add(1)
		return fmt.Errorf("cut off: %w", *cut)
	case errors.Is(err, delivery.ErrSilent), errors.Is(err, websocket.ErrLate), errors.Is(err, websocket.ErrOverloaded):
		h.cut.Add(1)
		return fmt.Errorf("cut off: %w", err)
	case errors.Is(err, io.EOF) || ctx.Err() != nil:
		return nil
	}
	return err
}

func (h *Hub) add(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[c] = h.Memory.Join(c)
}

func (h *Hub) remove(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[c]()
	delete(h.clients, c)
}

// receive passes on what a client sends.
func (h *Hub) receive(c *client, taker Receiver) error {
	defer c.conn.Release()
	var ev event.Event
	for taken := false; ; {
		kind, err := c.conn.Step(&ev)
		if err != nil {
			return err
		}
		switch kind {
		case arrival.Event:
			h.events.Add(1)
			taken = true
			take := h.take
			if len(c.conn.Message()) >= memory.LargeEvent {
				take = h.takeLarge
			}
			err = take(c, taker, &ev)
		case arrival.Drained:
			if taken {
				err = h.fail(taker.Flush())
			}
			taken = false
		case arrival.Ping:
			if err = h.fail(taker.Settle()); err == nil {
				err = c.conn.Pong() // the client's receipt
			}
		}
		if err != nil {
			return err
		}
	}
}

// take writes an event, or has it wait to be written, and passes it on.
func (h *Hub) take(c *client, taker Receiver, ev *event.Event) error {
	if err := h.fail(taker.Event(c.conn.Topic(), ev)); err != nil {
		return err
	}
	h.pass(c, c.conn.Topic(), c.conn.Message())
	return nil
}

// takeLarge does so with an event that takes much memory as a line. It is its turn, so
// that the memory for such an event is needed once.
func (h *Hub) takeLarge(c *client, taker Receiver, ev *event.Event) error {
	if err := h.fail(taker.Flush()); err != nil {
		return err
	}
	done, err := h.Memory.ForLine(ev, c.conn.Held())
	if errors.Is(err, memory.ErrTooLarge) {
		h.Logf("event %.80q is skipped: %v", ev.Name, err)
		return c.conn.Refuse(ev, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", websocket.ErrOverloaded, err)
	}
	defer done()
	if err := h.take(c, taker, ev); err != nil {
		return err
	}
	return h.fail(taker.Flush())
}

// pass gives a message to all clients that have subscribed to its topic, but
// not back to who sent it.
func (h *Hub) pass(from *client, topic string, text []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var m message // of all of them
	for c := range h.clients {
		if c != from && c.wants(topic) {
			if m == nil {
				m = slices.Clone(text)
			}
			c.put(m)
		}
	}
}

// Publish gives an event to all clients that have subscribed to the topic. It
// waits for none of them.
func (h *Hub) Publish(topic string, ev *event.Event) error {
	h.init()
	h.mu.Lock()
	some := len(h.clients) > 0
	h.mu.Unlock()
	if !some {
		return nil
	}
	e := zeek.NewEncoder(topic, zeek.Current)
	e.ExactTime, e.Types = h.ExactTime, h.Types
	b, err := e.AppendEvent(nil, ev)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	h.pass(nil, topic, b)
	return nil
}

func matches(topic string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(topic, p) {
			return true
		}
	}
	return false
}
