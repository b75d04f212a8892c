package websocket

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/gobwas/ws"

	"romanesco/internal/event"
	"romanesco/internal/wire"
	"romanesco/internal/zeek"
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
	c.out = endFrame(pad(out, start, c.dialect.MinFrame), start, ws.OpText, c.state)
	c.events++
	if lost != nil {
		c.seal()
		c.out = c.out[:0]
		return lost
	}
	if c.events >= scriptBatch && c.script.confirms() {
		return c.flushAbove(1)
	}
	return c.flushAbove(flushSize)
}

// complain tells a client what was wrong with its message. Zeek's own words are
// much the same.
func (c *Conn) complain(err error) error {
	if c.state.ClientSide() {
		return nil
	}
	f := zeek.Failure{Code: "deserialization_failed", Context: fmt.Sprintf("input contained invalid data -> %v", err)}
	return c.write(ws.OpText, f.AppendTo(nil))
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

// write sends something other than an event.
func (c *Conn) write(op ws.OpCode, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seal()
	start := len(c.out)
	c.out = endFrame(append(beginFrame(c.out), payload...), start, op, c.state)
	return c.flushAbove(1)
}

// seal ends a batch of events in the journal.
func (c *Conn) seal() {
	if c.events > 0 && c.cfg.Journal != nil {
		c.out = c.appendPing(c.out, c.cfg.Journal.Add(c.out, c.events))
	}
	c.events = 0
}

// appendPing asks for the receipt of a batch: the pong says that everything
// before it has been read.
func (c *Conn) appendPing(b []byte, seq uint32) []byte {
	if c.script.confirms() {
		b = c.appendMark(b, seq)
	}
	start := len(b)
	b = binary.BigEndian.AppendUint32(beginFrame(b), seq)
	return endFrame(b, start, ws.OpPing, c.state)
}

func batchOf(payload []byte) (uint32, bool) {
	if len(payload) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(payload), true
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

func (c *Conn) flushAbove(size int) error {
	if len(c.out) < size {
		return nil
	}
	c.seal()
	c.cfg.Unwritten(len(c.out))
	_, err := c.net.Write(c.out)
	c.out = c.out[:0]
	c.cfg.Unwritten(0)
	if cap(c.out) > 4*flushSize {
		c.out = nil
	}
	if err != nil {
		return c.reason(fmt.Errorf("writing to peer: %w", err))
	}
	return nil
}

// goodbye writes the frame that ends a connection, unless that would do harm.
func (c *Conn) goodbye() error {
	if c.dialect.DropsOnClose {
		return nil
	}
	body := ws.NewCloseFrameBody(ws.StatusNormalClosure, "")
	_, err := c.net.Write(endFrame(append(beginFrame(nil), body...), 0, ws.OpClose, c.state))
	return err
}

// Close says good-bye and closes the stream; a Next that waits returns. What was
// sent and not written is left to the journal, if there is one.
//
// It waits a little for the other side to close: a stream that is closed while
// something of the peer's is unread is reset, and then the peer may drop what
// it has not read yet itself.
func (c *Conn) Close() error {
	var err error
	c.closing.Do(func() {
		close(c.closed)
		// The deadline ends a write that waits, and which holds the lock.
		_ = c.net.SetWriteDeadline(time.Now().Add(closeTime))
		c.mu.Lock()
		c.seal()
		c.out = nil
		werr := c.goodbye()
		if half, ok := c.net.(interface{ CloseWrite() error }); ok && werr == nil {
			_ = half.CloseWrite()
		}
		c.mu.Unlock()
		if werr == nil {
			_ = c.net.SetReadDeadline(time.Now().Add(lingerTime))
			c.reading.Lock() // a Next has seen the end, or the deadline
			_, _ = io.Copy(io.Discard, io.LimitReader(c.net, lingerBytes))
			c.reading.Unlock()
		}
		err = c.net.Close()
	})
	return err
}
