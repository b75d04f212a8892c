// Package websocket carries the messages of package zeek over one established
// stream, as Zeek's WebSocket API wants it: the HTTP upgrade, the subscription
// and its answer, then events both ways. Open is the client's side, Accept the
// server's. It imports package zeek and the event model, the Journal of
// package peer and, for events that are sent on as bytes, the wire.
package websocket

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// ErrRefused says that the other side does not want the connection.
var ErrRefused = errors.New("refused")

// errClosed says that the other side has said good-bye. It is not io.EOF, which
// would be the end of a message.
var errClosed = errors.New("closed")

// FailureEvent is the name of the event that Next makes of a Failure of the
// server's, for who has asked for events of that name: its code and context.
const FailureEvent = "zeek_error"

// Config is what one side brings to a connection.
type Config struct {
	// Host is what the client calls the server: host:port.
	Host string
	// Topic is what events are sent on.
	Topic string
	// Subscribe are the prefixes of the topics to be received.
	Subscribe []string
	// Requests are the names of the events that Next returns; it drops others.
	Requests []string
	// All makes Next return every event.
	All bool
	// Application is what the client calls itself: see applicationName.
	Application string
	// Zone is the time zone of a Zeek that has times in its own, if that is known.
	Zone *time.Location
	// OnZone, if set, is told instead of Logf what becomes of times that are not
	// in UTC, or of the Zone that is not needed.
	OnZone func(why string)
	// ExactTime and Types are those of zeek.Encoder and zeek.Decoder.
	ExactTime bool
	Types     *zeek.Types
	Limits    zeek.Limits
	// Journal, if set, keeps what is sent until it is confirmed. What it holds
	// is sent again first, with the first Send or Flush.
	Journal *delivery.Journal
	// SetAside, if set, is told of an event of the Journal that the server refuses
	// again and again, before it is forgotten. With an error it is tried again.
	SetAside func(ev *event.Event, why error) error
	// Confirm is what confirms the events of the Journal.
	Confirm Confirm
	// OnConfirm, if set, is told once whether the script confirms, or why not.
	OnConfirm func(script bool, why string)
	// Script makes a server leave the events of a confirmation to who calls Next,
	// instead of refusing them as a Zeek without the script does.
	Script bool
	// BeforeAck, if set, is called once a client's subscription is known, and
	// before the client is told so: what comes from then on it may rely on.
	BeforeAck func(*Conn)
	// Silence is how long a peer may give no sign of life before it counts as
	// lost; 0: for ever. A client of ours has to answer pings.
	Silence time.Duration
	// MessageTime is how long a peer may take for a message that it has begun; 0: for
	// ever.
	MessageTime time.Duration
	// Budget, if set, is the memory for messages and for what becomes of them, beyond
	// what is usual, which is shared with others.
	Budget *wire.Budget
	// Turn, if set, is waited for before a large message is decoded. The function that
	// it returns is called when all that has become of the message is let go.
	Turn func() (done func())
	// Origins are those whose pages may be clients of ours. A browser says which one
	// it acts for, others than browsers say none, and are welcome.
	Origins []string
	// Unwritten, if set, is told how many bytes wait to be written, before and
	// after that is tried.
	Unwritten func(bytes int)
	// OnFailure, if set, is told of each event that the server did not take.
	OnFailure func(*zeek.Failure)
	// OnRefusal, if set, is called for each message that a server does not take.
	OnRefusal func()
	// Endpoint and Version are what the server's Ack says.
	Endpoint, Version string
	// Logf, when set, is told what a person debugging a connection needs.
	Logf func(format string, args ...any)
}

// Conn is one connection. One goroutine may call Step or Next, and Pong, others at
// the same time the methods that send.
type Conn struct {
	cfg    Config
	net    net.Conn
	in     *bufio.Reader
	frame  wsutil.Reader
	state  ws.State
	dec    *zeek.Decoder
	buf    []byte        // the message that was read last
	begun  bool          // a part of it is still to be read
	waited time.Duration // for the rest of it
	whole  bool          // all of it is there
	most   int           // bytes of it
	// drained says that Step has said that more is to be read; ping is the payload of a
	// ping that is to be answered.
	drained bool
	ping    []byte
	topic   string // of the event that was read last
	raw     rawForm
	subs    zeek.Subscription // of the client

	memory, decoded, kept wire.Account // of Config.Budget: for buf, for what dec has, for subs
	turn                  func()       // ends ours, nil if it is not
	short                 error        // why dec has not got memory

	arrived float64 // when the last read of the stream brought something

	dialect zeek.Dialect // of the server
	asking  atomic.Bool  // for the answer to the subscription

	names sync.Map // of the events that Next returns

	mu     sync.Mutex // guards what is sent, in its order
	out    []byte
	enc    *zeek.Encoder
	wire   *wire.Decoder   // of what SendSerial is given
	events int             // in out, from the first byte on
	replay delivery.Replay // of the journal
	sent   event.Event     // for SendSerial
	said   bool            // good-bye: nothing more may be written

	window *window // nil for a server, since not every client answers pings, and where pings do harm
	pongs  pongs

	reading sync.Mutex // of in
	gone    bool       // the other side has said good-bye, or is not there any more
	leaving bool       // it is read only until it has

	watch   delivery.Watch
	lost    atomic.Pointer[error] // why we have given it up
	wrong   atomic.Pointer[error] // what was wrong with what came
	closed  chan struct{}
	closing sync.Once
	over    sync.Once
	away    bool // the other side has said that it goes away

	script script // that confirms
}

const (
	// flushSize is from how many bytes on Send writes by itself.
	flushSize = 64 << 10
	// maxKept is how much memory is kept from one message to the next.
	maxKept = 1 << 20
	// closeTime is for saying good-bye, lingerTime for hearing the same.
	closeTime  = 100 * time.Millisecond
	lingerTime = 500 * time.Millisecond
)

func newConn(nc net.Conn, cfg Config, state ws.State) *Conn {
	if cfg.Logf == nil {
		cfg.Logf = func(string, ...any) {}
	}
	if cfg.Unwritten == nil {
		cfg.Unwritten = func(int) {}
	}
	cfg.Limits = cfg.Limits.WithDefaults()
	c := &Conn{
		cfg: cfg, net: nc, state: state, closed: make(chan struct{}),
		dec: zeek.NewDecoder(cfg.Limits), wire: wire.NewDecoder(wire.Limits{}),
	}
	c.dec.ExactTime, c.dec.Types = cfg.ExactTime, cfg.Types
	if cfg.Budget != nil {
		c.memory, c.decoded, c.kept = wire.NewAccount(cfg.Budget), wire.NewAccount(cfg.Budget), wire.NewAccount(cfg.Budget)
		c.dec.Hold = c.holdDecoded
	}
	for _, name := range cfg.Requests {
		c.names.Store(name, true)
	}
	c.script.init(c)
	return c
}

// maxGreeting is how many bytes of HTTP either side may send.
const maxGreeting = 64 << 10

// greeting is the stream during the upgrade.
func (c *Conn) greeting() io.ReadWriter { return bounded(c.net) }

func bounded(nc net.Conn) io.ReadWriter {
	return struct {
		io.Reader
		io.Writer
	}{io.LimitReader(nc, maxGreeting), nc}
}

// speaks sets how events are written, once the other side is known.
func (c *Conn) speaks(d zeek.Dialect) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A ping is a small frame. Who may misread those gets them only where they are
	// asked for; such a server sends none itself, and waits for no answer.
	if c.state.ClientSide() && (d.MinFrame == 0 || c.cfg.Journal != nil) {
		c.window = newWindow()
	}
	c.dialect = d
	c.enc = zeek.NewEncoder(c.cfg.Topic, d)
	c.enc.ExactTime, c.enc.Types = c.cfg.ExactTime, c.cfg.Types
	if d.LocalTime {
		c.enc.In(c.cfg.Zone)
		c.dec.In(c.cfg.Zone)
		c.dec.AnyZone = c.cfg.Zone == nil
	}
}

// PeerClass returns "": Zeek has no classes.
func (c *Conn) PeerClass() string { return "" }

// Wants reports whether the peer wants events of that name. Zeek does not say;
// who subscribes to the topic gets all of them.
func (c *Conn) Wants(string) bool { return true }

// Subscriptions returns what the client has subscribed to.
func (c *Conn) Subscriptions() []string { return c.subs }

// Topic returns the topic of the event that Next has returned.
func (c *Conn) Topic() string { return c.topic }

// Message returns the message that it came in, until the next call of Next.
func (c *Conn) Message() []byte { return c.buf }

// Buffered returns how many bytes of the peer's have been read and wait in our
// memory to be decoded.
func (c *Conn) Buffered() int { return c.in.Buffered() }

// Request makes Next return events of further names.
func (c *Conn) Request(names []string) error {
	for _, name := range names {
		c.names.Store(name, true)
	}
	return nil
}

func (c *Conn) asked(name string) bool {
	_, ok := c.names.Load(name)
	return ok || c.cfg.All
}

// watchPeer looks whether the peer lives, until the connection is closed. A
// WebSocket answers pings; those without a number confirm nothing.
func (c *Conn) watchPeer() {
	ping := func() error { return c.write(ws.OpPing, nil) }
	if !c.state.ClientSide() {
		c.watch.Answered() // it has to, by RFC 6455
	}
	c.watch.Run(c.net, c.cfg.Silence, c.closed, ping, c.giveUp)
}

// giveUp ends the connection for a reason that Next and the methods that send return
// from then on.
func (c *Conn) giveUp(why error) {
	c.lost.CompareAndSwap(nil, &why)
	if c.state.ClientSide() {
		_ = c.net.Close()
		return
	}
	_ = c.CloseFor(why)
}

// reason is why the connection was given up, or else err.
func (c *Conn) reason(err error) error {
	if p := c.lost.Load(); p != nil {
		return *p
	}
	return err
}
