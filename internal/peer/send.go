package peer

import (
	"fmt"

	"romanesco/internal/event"
	"romanesco/internal/wire"
)

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
	if !c.pings() {
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
	if err == nil && !c.pings() {
		go c.kernelReceipts()
	}
	return err
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
	c.out, c.chunks = c.out[:0], 0
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
	c.out, c.chunks = nil, 0
	c.cfg.Counters.Pending(0)
	return err
}
