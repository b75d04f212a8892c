package core

import (
	"encoding/binary"
	"sync/atomic"
)

// publishLoss tells the host what waits when there is no connection: what
// nobody has confirmed.
func (c *conn) publishLoss() {
	atomic.StoreUint32(c.link.received(), 0)
	if c.inbound != nil {
		c.inbound.buffered.Store(0)
		c.publishReceived()
	}
	unsent := 0
	if c.journal != nil {
		unsent = c.journal.Bytes()
	}
	c.publishUnsent(unsent)
}

// publishUnsent tells the host what waits to be sent in the core.
func (c *conn) publishUnsent(bytes int) { atomic.StoreUint32(c.link.unsent(), uint32(bytes)) }

// unwritten passes on what waits to be written in a session. The bytes of a
// handshake are nothing that the host has sent. A PING that waits for a peer may
// outlast its session, and the link.
func (c *conn) unwritten(bytes int) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	if c.current.Load() != nil {
		c.publishUnsent(bytes)
	}
}

// signal makes the host's descriptor readable, if it is not.
func (c *conn) signal() {
	if atomic.LoadUint32(c.link.signaled()) == 0 && atomic.SwapUint32(c.link.signaled(), 1) == 0 {
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = c.toHost.Write(one[:])
	}
}
