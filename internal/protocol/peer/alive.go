package peer

import "github.com/romanesco-broccoli/romanesco/internal/protocol/wire"

// watchPeer looks until the connection is closed, or the peer is found gone.
func (c *Conn) watchPeer() {
	var ping func() error
	if c.pings() {
		ping = func() error { // the number says that it confirms nothing
			return c.write(func(b []byte) []byte { return (&wire.Ping{Seq: 0}).AppendTo(b) })
		}
	}
	c.watch.Run(c.net, c.cfg.Silence, c.closed, ping, c.fail)
}

// fail closes the connection for a reason that Next and the methods that send
// return from then on.
func (c *Conn) fail(err error) {
	c.failed.CompareAndSwap(nil, &err)
	_ = c.net.Close()
}

// reason is why the connection has failed, or else err.
func (c *Conn) reason(err error) error {
	if p := c.failed.Load(); p != nil {
		return *p
	}
	return err
}
