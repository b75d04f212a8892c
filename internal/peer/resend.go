package peer

import (
	"time"

	"romanesco/internal/wire"
)

// seal ends a batch of events in the journal.
func (c *Conn) seal() {
	if c.events > 0 && c.cfg.Journal != nil {
		c.sealed = c.cfg.Journal.Add(c.out[c.batch:], c.events)
		c.out = c.appendPing(c.out, c.sealed)
	}
	c.events = 0
	c.batch = len(c.out)
}

func (c *Conn) appendPing(b []byte, seq uint32) []byte {
	if !c.pings() {
		return b
	}
	return (&wire.Ping{Seq: seq}).AppendTo(b)
}

// resend sends again what no peer has confirmed. It sends little until that is
// confirmed, then twice as much each time: a connection that does not live long
// enough for all of it brings us forward all the same.
func (c *Conn) resend() error {
	for window := batchSize; !c.resent; window *= 2 {
		if err := c.resendSome(window); err != nil {
			return err
		}
		if !c.resent {
			c.mu.Unlock() // others have something to say, too
			c.awaitReceipt()
			c.mu.Lock()
		}
	}
	return nil
}

func (c *Conn) resendSome(window int) error {
	for window > 0 {
		out, last := c.cfg.Journal.Again(c.out, c.resumed, c.appendPing)
		if last == c.resumed {
			c.resent = true
			return nil
		}
		c.out, c.resumed, c.sealed = out, last, last
		window -= len(out)
		if err := c.flushAbove(1); err != nil {
			return err
		}
	}
	return nil
}

// receiptWait is how long a peer is waited for that may give no receipts.
const receiptWait = time.Second

// awaitReceipt waits until what has been sent again is confirmed.
func (c *Conn) awaitReceipt() {
	enough := time.NewTimer(receiptWait)
	defer enough.Stop()
	for c.cfg.Journal.has(c.resumed) {
		select {
		case <-c.cfg.Journal.Room():
		case <-enough.C:
			return
		case <-c.closed:
			return
		}
	}
}
