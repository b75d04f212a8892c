package websocket

import (
	"encoding/binary"
	"fmt"
	"net"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// Send encodes an event; Flush writes it. An event that cannot be encoded is
// an error that wraps event.ErrUnencodable, and the connection stays sound.
func (c *Conn) Send(ev *event.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send(ev)
}

func (c *Conn) send(ev *event.Event) error {
	lost := c.resend()
	start := len(c.out)
	out, err := c.enc.AppendEvent(beginFrame(c.out), ev)
	if err != nil {
		return err // out is as it was, beyond its length
	}
	return c.ended(out, start, lost)
}

// SendOn sends an event on another topic.
func (c *Conn) SendOn(topic string, ev *event.Event) error {
	e := zeek.NewEncoder(topic, c.dialect)
	e.ExactTime, e.Types = c.cfg.ExactTime, c.cfg.Types
	b, err := e.AppendEvent(nil, ev)
	if err != nil {
		return err
	}
	return c.SendMessage(b)
}

// SendSerial sends an event that stands in the form of the Bro wire: its kind
// (wire.SerialEvent), then the event. Other kinds have no counterpart.
func (c *Conn) SendSerial(payload []byte) error {
	if len(payload) == 0 || payload[0] != wire.SerialEvent {
		return fmt.Errorf("%w: what is no event", event.ErrUnencodable)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.wire.Event(payload[1:], &c.sent); err != nil {
		return fmt.Errorf("%w: %w", event.ErrUnencodable, err)
	}
	return c.send(&c.sent)
}

// SendMessage sends a message that is encoded already.
func (c *Conn) SendMessage(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := c.resend()
	start := len(c.out)
	return c.ended(append(beginFrame(c.out), b...), start, lost)
}

// ended ends the message that begins at start of out. lost is why nothing can be
// written any more: then it is left to the journal.
func (c *Conn) ended(out []byte, start int, lost error) error {
	c.out = endFrame(pad(out, start, c.dialect.MinFrame), start, c.opOf(out[start+usualHeader:]), c.state)
	c.events++
	if lost != nil {
		c.seal(false)
		c.out = c.out[:0]
		return lost
	}
	if c.events >= scriptBatch && c.script.confirms() {
		return c.flushAbove(1)
	}
	return c.flushAbove(flushSize)
}

// opOf returns what kind of frame a message goes in: one that is no UTF-8 is not
// to stand in a text frame, where the other side takes the other kind.
func (c *Conn) opOf(message []byte) ws.OpCode {
	if c.dialect.Binary && !utf8.Valid(message) {
		return ws.OpBinary
	}
	return ws.OpText
}

// complain tells a client what was wrong with its message. Zeek's own words are
// much the same.
func (c *Conn) complain(ev *event.Event, err error) error {
	if c.state.ClientSide() {
		return nil
	}
	return c.Refuse(ev, err)
}

// Refuse tells a client that the message which Step has read last was not taken, and
// why. It lets go of the message and of ev first: a client that reads nothing is to
// keep no turn from others.
func (c *Conn) Refuse(ev *event.Event, err error) error {
	c.letGo(ev)
	if c.cfg.OnRefusal != nil {
		c.cfg.OnRefusal()
	}
	f := zeek.Failure{Code: "deserialization_failed", Context: fmt.Sprintf("input contained invalid data -> %v", err)}
	message := f.AppendTo(nil)
	return c.write(c.opOf(message), message)
}

// Flush writes what has been sent.
func (c *Conn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.resend(); err != nil {
		return err
	}
	return c.flushAbove(1)
}

// write sends something other than an event. It does not wait for the window, and
// so goes before the events that do.
func (c *Conn) write(op ws.OpCode, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.put(c.frameOf(nil, op, payload))
}

func (c *Conn) frameOf(b []byte, op ws.OpCode, payload []byte) []byte {
	start := len(b)
	return endFrame(append(beginFrame(b), payload...), start, op, c.state)
}

// seal ends a batch of events: with a ping that asks for its receipt, if there is
// a journal, and otherwise with one now and then. last: in any case.
func (c *Conn) seal(last bool) {
	events := c.events
	c.events = 0
	switch {
	case c.cfg.Journal != nil:
		if events > 0 {
			c.out = c.appendPing(c.out, c.cfg.Journal.Add(c.out, events))
		}
	case c.window != nil:
		if number, ok := c.window.ping(len(c.out), last); ok {
			c.out = c.appendPing(c.out, number)
		}
	}
}

// appendPing asks for the receipt of what is before it: the pong says that all of
// it has been read.
func (c *Conn) appendPing(b []byte, number uint32) []byte {
	if c.script.confirms() {
		b = c.appendMark(b, number)
	}
	b = c.frameOf(b, ws.OpPing, binary.BigEndian.AppendUint32(nil, number))
	if c.window != nil {
		c.window.mark(number, len(b))
	}
	return b
}

// resend sends again what no peer has confirmed.
func (c *Conn) resend() error {
	if c.replay.Done() {
		return nil
	}
	if err := c.agree(); err != nil {
		return err
	}
	return c.replay.Run(&c.mu, c.closed, func(behind uint32) (last uint32, bytes int, err error) {
		c.out, last = c.cfg.Journal.Again(c.out, behind, c.appendPing)
		bytes = len(c.out)
		return last, bytes, c.flushAbove(1)
	})
}

// flushAbove writes what has been sent, if that is so much.
func (c *Conn) flushAbove(size int) error {
	if c.window != nil && size > 1 {
		size = min(size, c.window.piece())
	}
	if len(c.out) < size {
		return nil
	}
	if err := c.awaitRoom(len(c.out)); err != nil {
		return err
	}
	return c.writeOut()
}

// awaitRoom waits until so many bytes may be under way. Others may write something
// meanwhile: pongs, above all.
func (c *Conn) awaitRoom(bytes int) error {
	for c.window != nil {
		room := c.window.full(bytes)
		if room == nil {
			return nil
		}
		c.cfg.Unwritten(len(c.out))
		if number, ok := c.window.tail(); ok {
			if err := c.put(c.frameOf(nil, ws.OpPing, binary.BigEndian.AppendUint32(nil, number))); err != nil {
				return err
			}
		}
		if err := c.await(room); err != nil {
			return err
		}
	}
	return nil
}

// await waits without the lock, until the connection is closed at the most.
func (c *Conn) await(done <-chan struct{}) error {
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-done:
		return nil
	case <-c.closed:
		return c.reason(fmt.Errorf("writing to peer: %w", net.ErrClosed))
	}
}

// writeOut ends a batch and writes it.
func (c *Conn) writeOut() error {
	if len(c.out) == 0 {
		return nil // another one was faster
	}
	c.seal(false)
	c.cfg.Unwritten(len(c.out))
	if c.window != nil {
		c.window.wrote(len(c.out))
	}
	err := c.put(c.out)
	c.out = c.out[:0]
	c.cfg.Unwritten(0)
	if cap(c.out) > 4*flushSize {
		c.out = nil
	}
	return err
}

// put writes whole frames.
func (c *Conn) put(b []byte) error {
	if c.said {
		return c.reason(fmt.Errorf("writing to peer: %w", net.ErrClosed))
	}
	if _, err := c.net.Write(b); err != nil {
		c.lose()
		return c.reason(fmt.Errorf("writing to peer: %w", err))
	}
	return nil
}

// lose says that the other side reads no more.
func (c *Conn) lose() {
	if c.window != nil {
		c.window.lose()
	}
}
