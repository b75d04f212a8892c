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
	"net"
	"sync"
	"sync/atomic"
	"time"

	"romanesco/internal/event"
	"romanesco/internal/traffic"
	"romanesco/internal/wire"
)

// Errors of a handshake or a connection; those of package wire come as they are.
var (
	// ErrVersion says that the peer speaks another version of the protocol.
	ErrVersion = errors.New("versions differ")
	// ErrRefused says that the peer answered with an error or closed.
	ErrRefused = errors.New("peer refuses")
	// ErrSilent says that the peer is gone without a word.
	ErrSilent = errors.New("peer is silent")
)

// Config is what one side brings to a connection.
type Config struct {
	// Class is the class announced to the peer, empty for none.
	Class string
	// Requests are the names of the events asked of the peer.
	Requests []string
	// Cache allows the peer to refer to objects that it has sent before.
	Cache bool
	// Whole says that chunks are not split: over TLS.
	Whole  bool
	Limits wire.Limits
	// Journal, if set, keeps what is sent until it is confirmed. What it holds
	// is sent again first.
	Journal *Journal
	// BeforePong, if set, makes safe what Next has returned: the peer takes
	// the PONG that follows as its receipt.
	BeforePong func() error
	// Silence is how long a peer may give no sign of life before it counts as
	// lost; 0: for ever.
	Silence time.Duration
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

// phase is how far one side is.
type phase uint8

const (
	phaseVersion phase = iota
	phaseHandshake
	phaseSync
	phaseRunning
)

var phaseNames = [...]string{"version", "handshake", "sync", "running"}

func (p phase) String() string { return phaseNames[p] }

// Conn is one connection. One goroutine may call Next, others at the same
// time the methods that send.
type Conn struct {
	cfg     Config
	net     net.Conn
	in      *wire.Reader
	dec     *wire.Decoder
	enc     wire.Encoder
	phase   phase // of the peer
	pings   bool  // the peer may be sent a PING
	sync    bool  // the peer wants to be told our state, of which there is none
	version wire.Version
	req     wire.Request
	wants   atomic.Pointer[map[string]bool]

	mu      sync.Mutex // guards what is sent, in its order
	out     []byte
	events  int    // in out, from the first byte on
	chunks  int    // of those
	sealed  uint32 // the batch of the journal that out ends with
	written uint32 // the last batch that is on its way

	watch     Watch
	failed    atomic.Pointer[error]
	closed    chan struct{}
	closeOnce sync.Once
}

// What a peer may ask for; a Bro with all of its scripts asks for a few hundred.
const (
	maxWanted = 8 << 10
	maxName   = 512
)

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
	c.in = wire.NewReader(countedReader{c, listened{nc, &c.watch}}, cfg.Limits)
	none := map[string]bool{}
	c.wants.Store(&none)
	// A deadline in the past wakes whoever waits in the stream.
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err := c.handshake()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil && cfg.Journal != nil {
		err = c.startReceipts()
	}
	if err == nil && cfg.Silence > 0 {
		go c.watchPeer()
	}
	if err != nil {
		_ = nc.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("handshake, phase %v: no answer in time: %w", c.phase, context.Cause(ctx))
		}
		return nil, fmt.Errorf("handshake, phase %v: %w", c.phase, err)
	}
	return c, nil
}

// countedReader is the stream of a connection, with what is read of it counted.
type countedReader struct {
	c *Conn
	io.Reader
}

func (r countedReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.c.cfg.Counters.Read(n, r.c.in.Chunks())
	return n, err
}

func (c *Conn) handshake() error {
	c.cfg.Logf("phase: %v", c.phase)
	v := wire.Version{
		Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion,
		CacheSize: wire.CacheSize, Class: c.cfg.Class,
	}
	if err := c.write(func(b []byte) []byte { return v.AppendTo(b) }); err != nil {
		return err
	}
	for c.phase != phaseRunning {
		t, payload, err := c.in.Next()
		if err == io.EOF {
			return fmt.Errorf("%w: it closed the connection", ErrRefused)
		}
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		if t == wire.MsgSerial {
			continue // nothing has been asked for yet
		}
		if err := c.control(t, payload); err != nil {
			return err
		}
	}
	return nil
}

// control handles a message other than SERIAL. What is not understood is
// skipped.
func (c *Conn) control(t wire.MsgType, payload []byte) error {
	switch t {
	case wire.MsgVersion:
		return c.peerVersion(payload)
	case wire.MsgRequest:
		return c.peerRequest(payload)
	case wire.MsgRequestSync:
		c.sync = true
	case wire.MsgPhaseDone:
		return c.peerPhaseDone()
	case wire.MsgPing:
		var p wire.Ping
		if err := p.Decode(payload); err != nil {
			return err
		}
		if c.cfg.BeforePong != nil {
			if err := c.cfg.BeforePong(); err != nil {
				return err
			}
		}
		return c.write(func(b []byte) []byte { return (*wire.Pong)(&p).AppendTo(b) })
	case wire.MsgPong:
		var p wire.Pong
		if err := p.Decode(payload); err != nil {
			return err
		}
		c.watch.answers.Store(true)
		if c.cfg.Journal != nil {
			c.cfg.Journal.Confirm(p.Seq)
		}
	case wire.MsgCaps:
		var caps wire.Caps
		if err := caps.Decode(payload); err != nil {
			return err
		}
		if c.phase != phaseRunning {
			c.pings = caps.Flags&wire.CapBroccoli != 0
		}
	case wire.MsgError:
		c.cfg.Logf("peer reports an error: %.200q", payload)
	case wire.MsgClose, wire.MsgCloseAll, wire.MsgTerminate:
		return fmt.Errorf("%w: it sent %v", ErrRefused, t)
	default:
		c.cfg.Logf("skipped %v of %d bytes", t, len(payload))
	}
	return nil
}

func (c *Conn) peerVersion(payload []byte) error {
	if c.phase != phaseVersion {
		return fmt.Errorf("%w: second VERSION", wire.ErrMalformed)
	}
	if err := c.version.Decode(payload); err != nil {
		return err
	}
	v := &c.version
	if v.Protocol != wire.ProtocolVersion {
		return fmt.Errorf("%w: peer speaks protocol %d, we speak %d", ErrVersion, v.Protocol, wire.ProtocolVersion)
	}
	if v.DataFormat != wire.DataFormatVersion && v.DataFormat != 0 {
		return fmt.Errorf("%w: peer uses data format %d, we use %d", ErrVersion, v.DataFormat, wire.DataFormatVersion)
	}
	c.dec.SetCacheSize(v.CacheSize)
	c.enter(phaseHandshake)
	caps := wire.Caps{Flags: wire.CapBroccoli}
	if !c.cfg.Cache {
		caps.Flags |= wire.CapDontCache
	}
	return c.write(func(b []byte) []byte {
		b = c.enc.AppendRequest(b, &wire.Request{Events: c.cfg.Requests})
		return wire.PhaseDone{}.AppendTo(caps.AppendTo(b))
	})
}

func (c *Conn) peerRequest(payload []byte) error {
	if err := c.req.Decode(payload); err != nil {
		return err
	}
	old := *c.wants.Load()
	next := make(map[string]bool, len(old)+len(c.req.Events))
	for name := range old {
		next[name] = true
	}
	for _, name := range c.req.Events {
		if len(name) > maxName || len(next) == maxWanted && !next[name] {
			c.cfg.Logf("request for event %.80q is ignored: at most %d names of at most %d bytes", name, maxWanted, maxName)
			break
		}
		if !next[name] && c.cfg.Requested != nil {
			c.cfg.Requested(name)
		}
		next[name] = true
	}
	c.wants.Store(&next)
	return nil
}

func (c *Conn) peerPhaseDone() error {
	switch {
	case c.phase == phaseVersion:
		return fmt.Errorf("%w: PHASE_DONE before VERSION", wire.ErrMalformed)
	case c.phase == phaseHandshake && c.sync:
		// The peer waits for our state; we have none, and say so at once.
		c.enter(phaseSync)
		c.cfg.Logf("sending full state")
		c.cfg.Logf("done sending full state")
		if err := c.write(func(b []byte) []byte { return wire.PhaseDone{}.AppendTo(b) }); err != nil {
			return err
		}
		c.enter(phaseRunning)
	case c.phase == phaseHandshake:
		c.enter(phaseRunning)
	}
	return nil
}

func (c *Conn) enter(p phase) {
	c.phase = p
	c.cfg.Logf("phase: %v", p)
}

// PeerClass returns the class that the peer has announced.
func (c *Conn) PeerClass() string { return c.version.Class }

// Wants reports whether the peer has asked for events of that name.
func (c *Conn) Wants(name string) bool { return (*c.wants.Load())[name] }

// Next reads up to the next event and decodes it into ev, whose parts hold
// until the next call; it answers what else comes. A payload that cannot be
// decoded is told to Logf and skipped. The error is io.EOF at a clean end.
func (c *Conn) Next(ev *event.Event) error {
	for {
		t, payload, err := c.in.Next()
		if err != nil {
			if err == io.EOF {
				return err
			}
			return c.reason(fmt.Errorf("reading from peer: %w", err))
		}
		if t != wire.MsgSerial {
			if err := c.control(t, payload); err != nil {
				return err
			}
			continue
		}
		if c.serial(payload, ev) {
			return nil
		}
	}
}

// serial reports whether payload was an event.
func (c *Conn) serial(payload []byte, ev *event.Event) bool {
	if len(payload) == 0 {
		return false
	}
	var err error
	switch payload[0] {
	case wire.SerialEvent:
		if err = c.dec.Event(payload[1:], ev); err == nil {
			c.cfg.Counters.Received()
			return true
		}
	case wire.SerialID:
		_, err = c.dec.ID(payload[1:]) // later events may refer to its parts
	}
	if err != nil {
		c.cfg.Counters.Skipped()
		c.cfg.Logf("skipped: %v", err)
	}
	return false
}

// Buffered returns how many bytes of the peer's have been read and wait in
// our memory to be decoded.
func (c *Conn) Buffered() int { return c.in.Buffered() }

// Send encodes an event; Flush writes it. An event that cannot be encoded is
// an error that wraps wire.ErrUnencodable, and the connection stays sound.
func (c *Conn) Send(ev *event.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := len(c.out)
	var err error
	if c.out, err = c.enc.AppendEvent(c.out, ev); err != nil {
		return err
	}
	return c.sent(from)
}

// SendSerial sends what stands in the wire's form already: the kind of the
// object (wire.SerialEvent, for instance), then the object.
func (c *Conn) SendSerial(payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := len(c.out)
	c.out = c.enc.AppendMessage(c.out, wire.MsgSerial, payload)
	return c.sent(from)
}

// sent takes note of an event in out, from from on.
func (c *Conn) sent(from int) error {
	c.events++
	c.chunks += wire.Chunks(c.out[from:])
	c.cfg.Counters.Sent(1)
	c.cfg.Counters.Pending(c.chunks)
	return c.flushAbove(flushSize)
}

// Request asks the peer for further events.
func (c *Conn) Request(names []string) error {
	return c.write(func(b []byte) []byte {
		return c.enc.AppendRequest(b, &wire.Request{Events: names})
	})
}

// Flush writes what has been sent.
func (c *Conn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushAbove(1)
}

// write sends something other than events.
func (c *Conn) write(add func([]byte) []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seal()
	c.out = add(c.out)
	return c.flushAbove(1)
}

// seal ends a batch of events in the journal.
func (c *Conn) seal() {
	if c.events > 0 && c.cfg.Journal != nil {
		c.sealed = c.cfg.Journal.Add(c.out, c.events)
		c.out = c.appendPing(c.out, c.sealed)
	}
	c.events = 0
}

func (c *Conn) appendPing(b []byte, seq uint32) []byte {
	if !c.pings {
		return b
	}
	return (&wire.Ping{Seq: seq}).AppendTo(b)
}

// startReceipts sends again what no peer has confirmed, and arranges for
// receipts where the peer gives none.
func (c *Conn) startReceipts() error {
	err := c.write(func(b []byte) []byte {
		b, c.sealed = c.cfg.Journal.Again(b, c.appendPing)
		return b
	})
	if err == nil && !c.pings {
		go c.kernelReceipts()
	}
	return err
}

func (c *Conn) flushAbove(size int) error {
	if len(c.out) < size {
		return nil
	}
	c.seal()
	c.cfg.Unwritten(len(c.out))
	n, err := c.net.Write(c.out)
	c.cfg.Unwritten(0)
	c.cfg.Counters.Wrote(n, wire.Chunks(c.out[:n]))
	c.cfg.Counters.Pending(0)
	c.out, c.chunks = c.out[:0], 0
	if cap(c.out) > 4*flushSize {
		c.out = nil
	}
	if err != nil {
		return c.reason(fmt.Errorf("writing to peer: %w", err))
	}
	c.written = c.sealed
	return nil
}

// Close closes the stream; a Next that waits returns. What was sent and not
// written is left to the journal, if there is one.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	err := c.net.Close() // first: a write that waits holds the lock
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seal()
	c.out, c.chunks = nil, 0
	c.cfg.Counters.Pending(0)
	return err
}
