package hub

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"romanesco/internal/protocol/zeek/websocket"
)

// maxWaiting is how many bytes may wait for a client. One that takes them too slowly
// is cut off, as by Zeek: it can connect again, and knows then that it has lost
// something.
const maxWaiting = 4 << 20

// client is a client, with what waits to be sent to it.
type client struct {
	conn    *websocket.Conn
	queue   *queue
	done    chan struct{}
	closing sync.Once
	cut     atomic.Pointer[error] // why we have ended it
}

func newClient(conn *websocket.Conn) *client {
	return &client{conn: conn, queue: newQueue(maxWaiting), done: make(chan struct{})}
}

func (c *client) wants(topic string) bool { return matches(topic, c.conn.Subscriptions()) }

// put queues a copy of a message.
func (c *client) put(message []byte) {
	if c.cut.Load() == nil && !c.queue.put(slices.Clone(message)) {
		c.cutOff(errSlow)
	}
}

var errSlow = fmt.Errorf("%w: events wait that are not taken as fast as they come", websocket.ErrOverloaded)

// send sends what waits until the client is closed or lost.
func (c *client) send() {
	defer c.close(nil)
	for {
		list := c.queue.take(c.done)
		if list == nil {
			return
		}
		for _, m := range list {
			if c.conn.SendMessage(m) != nil {
				return
			}
		}
		if c.conn.Flush() != nil {
			return
		}
	}
}

// close ends the connection: why is what websocket.Conn.CloseFor takes.
func (c *client) close(why error) {
	c.closing.Do(func() { close(c.done) })
	_ = c.conn.CloseFor(why)
}

// cutOff ends a connection whose client we do not wait for.
func (c *client) cutOff(why error) {
	if c.cut.CompareAndSwap(nil, &why) {
		go c.close(why) // that may wait for the client
	}
}
