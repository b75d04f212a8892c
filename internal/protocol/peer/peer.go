// Package peer speaks the Bro communication protocol over one established
// stream: the handshake, then events both ways. Who connected and who listened
// makes no difference to it. It imports the wire and the event model, and
// nothing of C.
package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/traffic"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// Errors of a handshake or a connection; those of package wire come as they are.
var (
	// ErrVersion says that the peer speaks another version of the protocol.
	ErrVersion = errors.New("versions differ")
	// ErrRefused says that the peer answered with an error or closed.
	ErrRefused = errors.New("peer refuses")
	// ErrAuthority says that both sides consider their state authoritative.
	ErrAuthority = errors.New("misconfiguration: authoritative state on both sides")
)

// Config is what one side brings to a connection.
type Config struct {
	// Class is the class announced to the peer, empty for none.
	Class string
	// Runtime is for how many seconds we have been up.
	Runtime uint32
	// Originator says that it was us who connected.
	Originator bool
	// Meet, if set, is called when the peer has said who it is, and may change
	// what is asked of it: all that follows here up to Cache.
	Meet func(class string, cfg *Config)
	// Requests are the names of the events asked of the peer.
	Requests []string
	// Sync asks the peer to synchronize state. We have none, but a Bro may be
	// waiting for the question. Authoritative says that our state is the one
	// that counts.
	Sync, Authoritative bool
	// CaptureFilter, if set, is for the peer's packet capture.
	CaptureFilter string
	// Compression is the level of zlib for what we send, if the peer can take
	// it, 0 for none.
	Compression int
	// Cache allows the peer to refer to objects that it has sent before. A Bro does
	// so with a record in which something has changed that is nested.
	Cache bool
	// Decompress offers the peer to take what it compresses.
	Decompress bool
	// Whole says that chunks are not split: over TLS.
	Whole  bool
	Limits wire.Limits
	// Sparing keeps no buffer while the peer says nothing: for who has thousands. It
	// costs a poll(2) for each read.
	Sparing bool
	// Journal, if set, keeps what is sent until it is confirmed. What it holds
	// is sent again first.
	Journal *delivery.Journal
	// SetAside, if set, is told of an event of the Journal that the peer refuses
	// again and again, before it is forgotten. With an error it is tried again.
	SetAside func(ev *event.Event, why error) error
	// Silence is how long a peer may give no sign of life before it counts as
	// lost; 0: for ever.
	Silence time.Duration
	// MessageTime is how long we wait for the rest of a message that was begun, 0: for
	// ever. It is not counted while we do something else.
	MessageTime time.Duration
	// Unwritten, if set, is told how many bytes wait to be written, before and
	// after that is tried.
	Unwritten func(bytes int)
	// Requested, if set, is told each event that the peer asks for, once. It is
	// called from Open and Next.
	Requested func(event string)
	// Counters, if set, count what passes.
	Counters *traffic.Counters
	// Logf, when set, is told what a person debugging a connection needs.
	Logf func(format string, args ...any)
}

// Conn is one connection. One goroutine may call Step or Next, and Pong, others at
// the same time the methods that send.
type Conn struct {
	cfg     Config
	net     net.Conn
	in      *wire.Reader
	dec     *wire.Decoder
	enc     wire.Encoder
	phase   phase // of the peer
	caps    uint32
	sync    *wire.RequestSync // what the peer has asked for, if it has
	version wire.Version
	wants   atomic.Pointer[map[string]bool]
	wanted  int           // memory of those
	opened  bool          // the handshake is done, which has a time of its own
	waited  time.Duration // for the rest of the message at hand
	timed   bool          // the stream has a deadline
	drained bool          // it has been said that more is to be read
	ping    *wire.Ping    // that is to be answered
	ready   *readiness    // of the stream, nil if it cannot be waited for
	// nonsense counts the payloads since the last event that were malformed.
	nonsense int

	mu       sync.Mutex // guards what is sent, in its order
	out      []byte
	batch    int            // where in out the batch begins that is not sealed yet
	events   int            // in that
	chunks   int            // in out, of events
	zip      *wire.Deflater // if what is written is compressed
	packed   []byte         // what of out that makes
	released bool
	replay   delivery.Replay // of the journal
	sealed   uint32          // the batch of the journal that out ends with
	written  uint32          // the last batch that is on its way

	watch     delivery.Watch
	failed    atomic.Pointer[error]
	closed    chan struct{}
	closeOnce sync.Once
	overOnce  sync.Once
}

// What a peer may ask for; a Bro with all of its scripts asks for a few hundred.
const (
	maxWanted = 8 << 10
	maxName   = 512
)

// maxNonsense is how many malformed payloads may follow each other.
const maxNonsense = 1000

// flushSize is from how many bytes on Send writes by itself.
const flushSize = 64 << 10

// Open does the handshake on an established stream, within the time of ctx. The
// stream is closed when it fails.
func Open(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	if cfg.Logf == nil {
		cfg.Logf = func(string, ...any) {}
	}
	if cfg.Unwritten == nil {
		cfg.Unwritten = func(int) {}
	}
	if cfg.Counters == nil {
		cfg.Counters = new(traffic.Counters)
	}
	c := &Conn{
		cfg: cfg, net: nc,
		dec:    wire.NewDecoder(cfg.Limits),
		enc:    wire.Encoder{Whole: cfg.Whole},
		closed: make(chan struct{}),
	}
	c.in = wire.NewReader(countedReader{c, c.watch.Stream(nc)}, cfg.Limits)
	if cfg.Sparing {
		c.ready = readinessOf(nc)
	}
	none := map[string]bool{}
	c.wants.Store(&none)
	// A deadline in the past wakes whoever waits in the stream.
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err := c.handshake()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if cfg.Journal != nil {
		c.replay = cfg.Journal.Replay()
	}
	c.opened = err == nil
	if err == nil && cfg.Journal != nil && !c.pings() {
		cfg.Journal.Unanswered()
		go cfg.Journal.KernelReceipts(nc, c.closed, c.lastWritten)
	}
	if err == nil && cfg.Silence > 0 {
		go c.watchPeer()
	}
	if err != nil {
		_ = nc.Close()
		c.Release()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("handshake, phase %v: no answer in time: %w", c.phase, context.Cause(ctx))
		}
		return nil, fmt.Errorf("handshake, phase %v: %w", c.phase, err)
	}
	return c, nil
}

// lastWritten returns the last batch of the journal that is on its way.
func (c *Conn) lastWritten() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written
}

// countedReader is the stream of a connection, with what is read of it counted.
type countedReader struct {
	c *Conn
	io.Reader
}

// errDrained stops the reading of a message before the stream is read; it goes on
// with the next call.
var errDrained = errors.New("nothing whole is left of what was read")

func (r countedReader) Read(b []byte) (int, error) {
	if err := r.c.drain(); err != nil {
		return 0, err
	}
	r.c.drained = false
	n, err := r.c.timedRead(r.Reader, b)
	r.c.cfg.Counters.Read(n, r.c.in.Chunks())
	return n, err
}

// Wait implements wire.Waiter.
func (r countedReader) Wait() error {
	if err := r.c.drain(); err != nil || r.c.ready == nil || r.c.in.Begun() {
		return err
	}
	r.c.endTime()
	return r.c.ready.wait(&r.c.watch)
}

// Alive is a sign of life for a peer that pings, from who does not read for long. The
// number says that it confirms nothing.
func (c *Conn) Alive() error {
	return c.write(func(b []byte) []byte { return new(wire.Pong).AppendTo(b) })
}

// drain has it said, once, that more is to be read.
func (c *Conn) drain() error {
	if !c.opened || c.drained {
		return nil
	}
	c.drained = true
	return errDrained
}

// endTime ends the time for a message.
func (c *Conn) endTime() {
	if c.timed {
		c.timed = false
		_ = c.net.SetReadDeadline(time.Time{})
	}
}

// timedRead reads with a deadline while the rest of a message is waited for.
func (c *Conn) timedRead(r io.Reader, b []byte) (int, error) {
	if c.cfg.MessageTime == 0 || !c.opened {
		return r.Read(b)
	}
	if !c.in.Begun() {
		c.endTime()
		return r.Read(b)
	}
	c.timed = true
	from := time.Now()
	_ = c.net.SetReadDeadline(from.Add(c.cfg.MessageTime - c.waited))
	n, err := r.Read(b)
	c.waited += time.Since(from)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("%w: a message was begun %v ago and has not been ended", delivery.ErrSilent, c.cfg.MessageTime)
	}
	return n, err
}

// EventSize returns roughly what the last event is of: bytes of strings, and values.
func (c *Conn) EventSize() int { return c.dec.Size() }

// PeerClass returns the class that the peer has announced.
func (c *Conn) PeerClass() string { return c.version.Class }

// Wants reports whether the peer has asked for events of that name.
func (c *Conn) Wants(name string) bool { return (*c.wants.Load())[name] }

// Wanted returns the names of all events that the peer has asked for.
func (c *Conn) Wanted() []string { return slices.Collect(maps.Keys(*c.wants.Load())) }

// Next is Step for who gathers nothing and has nothing to make safe: it returns at
// an event, and answers what else comes.
func (c *Conn) Next(ev *event.Event) error {
	for {
		switch kind, err := c.Step(ev); {
		case err != nil || kind == arrival.Event:
			return err
		case kind == arrival.Ping:
			if err := c.Pong(); err != nil {
				c.over(err)
				return err
			}
		}
	}
}

// Step reads up to what concerns the caller. An event is decoded into ev, whose
// parts hold until the next call; a payload that cannot be decoded is told to Logf
// and skipped. It waits for the peer only after it has returned Drained. The error
// is io.EOF at a clean end.
func (c *Conn) Step(ev *event.Event) (arrival.Kind, error) {
	kind, err := c.step(ev)
	if err != nil {
		c.over(err)
	}
	return kind, err
}

func (c *Conn) step(ev *event.Event) (arrival.Kind, error) {
	for {
		t, payload, err := c.in.Next()
		if err == errDrained {
			return arrival.Drained, nil
		}
		c.waited = 0
		if err == io.EOF {
			return arrival.None, c.reason(err) // perhaps the answer to our own end
		}
		if err != nil {
			return arrival.None, c.reason(fmt.Errorf("reading from peer: %w", err))
		}
		if t == wire.MsgSerial {
			if c.serial(payload, ev) {
				return arrival.Event, nil
			}
			if c.nonsense > maxNonsense {
				return arrival.None, fmt.Errorf("%w: %d payloads one after another make no sense", wire.ErrMalformed, c.nonsense)
			}
			continue
		}
		if err := c.control(t, payload); err != nil {
			return arrival.None, err
		}
		if c.ping != nil {
			return arrival.Ping, nil
		}
	}
}

// Pong answers the ping that Step has returned: the peer takes that as the receipt of
// all that it has sent before.
func (c *Conn) Pong() error { return c.Receipt()() }

// Receipt returns what Pong does, for who goes on with Step before that: it may be called
// by anybody, and later.
func (c *Conn) Receipt() func() error {
	p := (*wire.Pong)(c.ping)
	c.ping = nil
	return func() error {
		return c.write(func(b []byte) []byte { return p.AppendTo(b) })
	}
}

// serial reports whether payload was an event.
func (c *Conn) serial(payload []byte, ev *event.Event) bool {
	if len(payload) == 0 {
		return false
	}
	if payload[0] != wire.SerialEvent {
		c.remember(payload)
		return false
	}
	if err := c.dec.Event(payload[1:], ev); err != nil {
		c.skipped(err)
		return false
	}
	c.cfg.Counters.Received()
	c.nonsense = 0
	return true
}

// remember takes what is no event, but what later events may refer to.
func (c *Conn) remember(payload []byte) {
	var err error
	switch payload[0] {
	case wire.SerialID:
		_, err = c.dec.ID(payload[1:])
	case wire.SerialStateAccess:
		err = c.dec.StateAccess(payload[1:])
	}
	if err != nil {
		c.skipped(err)
	}
}

func (c *Conn) skipped(err error) {
	c.cfg.Counters.Skipped()
	if !errors.Is(err, wire.ErrUndecodable) {
		c.nonsense++
	}
	c.cfg.Logf("skipped: %v", err)
}

// pings says whether the peer may be sent a PING.
func (c *Conn) pings() bool { return c.caps&wire.CapBroccoli != 0 }

// Buffered returns how many bytes of the peer's have been read and wait in
// our memory to be decoded.
func (c *Conn) Buffered() int { return c.in.Buffered() }
