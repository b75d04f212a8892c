package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// reads sets where frames come from, after the upgrade.
func (c *Conn) reads(r io.Reader) {
	c.in = bufio.NewReaderSize(arrivals{c, r}, flushSize)
	c.frame = wsutil.Reader{Source: c.in, State: c.state, OnIntermediate: c.control}
	c.readsUpTo(c.cfg.Limits.MaxMessage)
}

// readsUpTo sets how long a message may be.
func (c *Conn) readsUpTo(bytes int) {
	c.frame.MaxFrameSize, c.frame.MaxMessageSize = int64(bytes), int64(bytes)
}

// arrivals is the stream, of which it is noted when it was read: one read brings many
// events, and to ask for the time is a tenth of what receiving one costs.
type arrivals struct {
	c *Conn
	io.Reader
}

func (a arrivals) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	a.c.arrived = float64(time.Now().UnixMicro()) / 1e6
	return n, err
}

// Next is Step for who gathers nothing and has nothing to make safe: it returns at
// an event, and answers what else comes.
func (c *Conn) Next(ev *event.Event) error {
	for {
		switch kind, err := c.Step(ev); {
		case err != nil || kind == arrival.Event:
			return err
		case kind == arrival.Ping:
			_ = c.Pong()
		}
	}
}

// Step reads up to what concerns the caller. An event that was asked for is decoded
// into ev, whose parts hold until the next call; a message that cannot be decoded is
// told to Logf and, by a server, to the client, and is skipped. It waits for the peer
// only after it has returned Drained. The error is io.EOF at a clean end.
func (c *Conn) Step(ev *event.Event) (arrival.Kind, error) {
	kind, err := c.step(ev)
	if err != nil {
		c.tellJournal(err)
	}
	return kind, err
}

// Pong has the ping answered that Step has returned: the peer takes that as the
// receipt of all that it has sent before.
func (c *Conn) Pong() error { return c.Receipt()() }

// Receipt returns what Pong does, for who goes on with Step before that: it may be called
// by anybody, and later.
func (c *Conn) Receipt() func() error {
	c.reading.Lock()
	payload := c.ping
	c.ping = nil
	c.reading.Unlock()
	return func() error {
		c.answer(payload)
		return nil
	}
}

// Alive is a sign of life, from who does not read for long: a pong that nobody has
// asked for and that confirms nothing.
func (c *Conn) Alive() error {
	c.answer(nil)
	return nil
}

func (c *Conn) step(ev *event.Event) (arrival.Kind, error) {
	for {
		if !c.begun {
			c.letGo(ev)
		}
		if kind, err := c.message(); err != nil || kind != arrival.Event {
			return kind, err
		}
		m, err := c.decode(ev)
		if err != nil {
			if c.overloaded() {
				return arrival.None, c.readError(c.short)
			}
			c.cfg.Logf("skipped: %v", err)
			if err := c.complain(ev, err); err != nil {
				return arrival.None, err
			}
			continue
		}
		c.topic = m.Topic
		if mine, err := c.agreement(m, ev); err != nil {
			return arrival.None, err
		} else if mine {
			continue
		}
		if m.Failure != nil && !c.failed(m.Failure, ev) || m.Failure == nil && (m.Event == nil || !c.asked(ev.Name)) {
			continue
		}
		if ev.Time == 0 {
			ev.Time = c.arrived
		}
		if c.state.ClientSide() { // who passes events on has the message
			ev.Raw = c.raw.of(ev)
		}
		return arrival.Event, nil
	}
}

// failed tells of a failure. It reports whether it is to be handed over as the
// event that it makes of it.
func (c *Conn) failed(f *zeek.Failure, ev *event.Event) bool {
	c.cfg.Logf("Zeek did not take an event: %.200q", f.Error())
	if c.cfg.OnFailure != nil {
		c.cfg.OnFailure(f)
	}
	if _, ok := c.names.Load(FailureEvent); !ok {
		return false
	}
	ev.Name, ev.Time = FailureEvent, 0
	ev.Args = append(ev.Args[:0],
		event.Value{Type: event.String, Bytes: []byte(f.Code)},
		event.Value{Type: event.String, Bytes: []byte(f.Context)})
	return true
}

// firstMessage reads the next message while the connection is being made.
func (c *Conn) firstMessage() error {
	for {
		switch kind, err := c.message(); {
		case err != nil || kind == arrival.Event:
			return err
		case kind == arrival.Ping:
			_ = c.Pong()
		}
	}
}

// message reads the next message into buf, or up to what concerns who calls Step.
func (c *Conn) message() (kind arrival.Kind, err error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for kind == arrival.None && err == nil {
		if !c.drained && !c.begun && !c.buffered() {
			c.drained = true
			return arrival.Drained, nil
		}
		c.drained = false
		c.buf, kind, err = c.frames(c.buf)
	}
	return kind, err
}

// buffered reports whether the next message, or a control frame, is there as a whole.
func (c *Conn) buffered() bool {
	b, _ := c.in.Peek(c.in.Buffered())
	return holdsFrame(b)
}

// frames takes a control frame, or a message into the memory of b. A ping may come
// in the middle of that.
func (c *Conn) frames(b []byte) ([]byte, arrival.Kind, error) {
	if !c.begun {
		b = b[:0]
		h, err := c.frame.NextFrame()
		if err == nil && h.OpCode.IsControl() {
			err = c.control(h, &c.frame)
		}
		switch {
		case err != nil:
			return b, arrival.None, c.readError(err)
		case c.ping != nil:
			return b, arrival.Ping, nil
		case h.OpCode.IsControl():
			return b, arrival.None, nil
		}
		c.begun, c.waited = true, 0
		c.whole = h.Fin && h.Length <= int64(c.in.Buffered())
		c.most = c.cfg.Limits.MaxMessage
		if h.Fin {
			c.most = int(h.Length)
		}
	}
	defer c.hurry()()
	if c.leaving { // nobody takes it
		_, err := io.Copy(io.Discard, &c.frame)
		c.begun = false
		if err != nil {
			err = c.readError(err)
		}
		return b, arrival.None, err
	}
	for {
		if len(b) == cap(b) {
			var err error
			if b, err = c.grow(b, c.most); err != nil {
				return b, arrival.None, c.readError(err)
			}
		}
		n, err := c.frame.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			c.begun = false
			return b, arrival.Event, nil
		case err != nil:
			return b, arrival.None, c.readError(err)
		case c.ping != nil:
			return b, arrival.Ping, nil
		}
	}
}

// hurry ends the connection when the message at hand has been waited for too long,
// unless what it returns is called before.
func (c *Conn) hurry() (stop func()) {
	if c.whole || c.cfg.MessageTime == 0 {
		return func() {}
	}
	late := fmt.Errorf("%w: a message was begun %v ago and has not been ended", ErrLate, c.cfg.MessageTime)
	from := time.Now()
	timer := time.AfterFunc(c.cfg.MessageTime-c.waited, func() { c.giveUp(late) })
	return func() {
		timer.Stop()
		c.waited += time.Since(from)
	}
}

func (c *Conn) readError(err error) error {
	c.gone = true
	c.lose()
	switch {
	case err == io.EOF || errors.Is(err, errClosed):
		return c.reason(io.EOF) // perhaps the answer to our own end
	case errors.Is(err, ErrRefused):
		return err
	case errors.Is(err, ErrOverloaded):
		c.wrong.CompareAndSwap(nil, &err)
		return err
	}
	err = fmt.Errorf("reading from peer: %w", err)
	c.wrong.CompareAndSwap(nil, &err)
	return c.reason(err)
}

// control handles a ping, a pong or a close.
func (c *Conn) control(h ws.Header, r io.Reader) error {
	payload := make([]byte, h.Length) // at most 125
	if _, err := io.ReadFull(r, payload); err != nil {
		return fmt.Errorf("reading from peer: %w", err)
	}
	switch h.OpCode {
	case ws.OpPing:
		if c.leaving {
			return nil // nobody takes what came before it
		}
		c.ping = payload
		return nil
	case ws.OpPong:
		c.watch.Answered()
		seq, ok := batchOf(payload)
		if ok && c.window != nil {
			c.window.answered(seq)
		}
		if ok && c.cfg.Journal != nil && !c.script.confirms() {
			c.cfg.Journal.Confirm(seq)
		}
		return nil
	default:
		if c.state.ClientSide() {
			return c.saidByServer(payload)
		}
		return saidByClient(payload)
	}
}
