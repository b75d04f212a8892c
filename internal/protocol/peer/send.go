package peer

import (
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// Send encodes an event; Flush writes it. An event that cannot be encoded is
// an error that wraps wire.ErrUnencodable, and the connection stays sound.
// After any other error the event is in the journal, if there is one.
//
// What the journal holds of earlier connections goes first, with Flush too.
// Somebody is to call Next meanwhile, or nothing of it is confirmed.
func (c *Conn) Send(ev *event.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := c.resend()
	from := len(c.out)
	out, err := c.enc.AppendEvent(c.out, ev)
	if err != nil {
		return err
	}
	c.out = out
	return c.sent(from, lost)
}

// SendSerial sends what stands in the wire's form already: the kind of the
// object (wire.SerialEvent, for instance), then the object.
func (c *Conn) SendSerial(payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := c.resend()
	from := len(c.out)
	c.out = c.enc.AppendMessage(c.out, wire.MsgSerial, payload)
	return c.sent(from, lost)
}

// sent takes note of an event in out, from from on. lost is why nothing can be
// written any more: then it is left to the journal.
func (c *Conn) sent(from int, lost error) error {
	c.events++
	c.chunks += wire.Chunks(c.out[from:])
	c.cfg.Counters.Sent(1)
	c.cfg.Counters.Pending(c.chunks)
	if lost != nil {
		c.seal()
		c.out, c.batch, c.chunks = c.out[:0], 0, 0
		return lost
	}
	if len(c.out)-c.batch >= delivery.BatchSize {
		c.seal()
	}
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
	if err := c.resend(); err != nil {
		return err
	}
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

func (c *Conn) flushAbove(size int) error {
	if len(c.out) < size {
		return nil
	}
	c.seal()
	bytes := c.out
	if c.zip != nil {
		c.packed = c.zip.Append(c.packed[:0], c.out)
		bytes = c.packed
	}
	c.cfg.Unwritten(len(bytes))
	n, err := c.net.Write(bytes)
	c.cfg.Unwritten(0)
	c.cfg.Counters.Wrote(n, wire.Chunks(bytes[:n]))
	c.cfg.Counters.Pending(0)
	c.out, c.batch, c.chunks = c.out[:0], 0, 0
	if cap(c.out) > 4*flushSize {
		c.out = nil
	}
	if cap(c.packed) > 4*flushSize {
		c.packed = nil
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
	c.out, c.batch, c.chunks = nil, 0, 0
	c.cfg.Counters.Pending(0)
	return err
}
