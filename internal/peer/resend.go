package peer

import "romanesco/internal/wire"

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
	for window := ResendFirst; !c.resent; window *= 2 {
		if err := c.resendSome(window); err != nil {
			return err
		}
		if !c.resent {
			c.mu.Unlock() // others have something to say, too
			c.cfg.Journal.Await(c.resumed, c.closed)
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
