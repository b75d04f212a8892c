package hub

import (
	"slices"
	"sync"

	"romanesco/internal/protocol/zeek/websocket"
)

// maxWaiting is how many bytes may wait for a client that takes them too
// slowly. What comes then is lost to it, as with Zeek.
const maxWaiting = 4 << 20

// client is a client, with what waits to be sent to it.
type client struct {
	conn    *websocket.Conn
	queue   *queue
	done    chan struct{}
	closing sync.Once
}

func newClient(conn *websocket.Conn) *client {
	return &client{conn: conn, queue: newQueue(maxWaiting), done: make(chan struct{})}
}

func (c *client) wants(topic string) bool { return matches(topic, c.conn.Subscriptions()) }

// put queues a copy of a message, unless there is no room.
func (c *client) put(message []byte) { _ = c.queue.put(slices.Clone(message)) }

// send sends what waits until the client is closed or lost.
func (c *client) send() {
	defer c.close()
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

func (c *client) close() {
	c.closing.Do(func() { close(c.done) })
	_ = c.conn.Close()
}
