package peer

import "github.com/romanesco-broccoli/romanesco/internal/protocol/wire"

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

// resend sends again what no peer has confirmed.
func (c *Conn) resend() error {
	if c.replay.Done() {
		return nil
	}
	return c.replay.Run(&c.mu, c.closed, func(behind uint32) (last uint32, bytes int, err error) {
		c.out, last = c.cfg.Journal.Again(c.out, behind, c.appendPing)
		if last == behind {
			return last, 0, nil
		}
		c.sealed = last
		bytes = len(c.out)
		return last, bytes, c.flushAbove(1)
	})
}
