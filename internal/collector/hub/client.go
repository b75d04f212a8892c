package hub

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/romanesco-broccoli/romanesco/internal/collector/queue"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// maxWaiting is how many bytes may wait for a client. One that takes them too slowly
// is cut off, as by Zeek: it can connect again, and knows then that it has lost
// something.
const maxWaiting = 4 << 20

// message is something that goes to a client, or an event in the form of the wire that
// goes to a Zeek.
type message []byte

// Size implements queue.Item.
func (m message) Size() int { return 64 + len(m) }

// Cost implements queue.Item.
func (m message) Cost() int { return 64 + queue.CostOf(len(m)) }

// client is a client, with what waits to be sent to it.
type client struct {
	hub     *Hub
	conn    *websocket.Conn
	queue   *queue.Queue[message]
	done    chan struct{}
	closing sync.Once
	cut     atomic.Pointer[error] // why we have ended it
}

func (h *Hub) newClient(conn *websocket.Conn) *client {
	return &client{hub: h, conn: conn, queue: queue.New[message](maxWaiting, h.Memory.Outgoing, nil), done: make(chan struct{})}
}

func (c *client) wants(topic string) bool { return matches(topic, c.conn.Subscriptions()) }

// put queues a message.
func (c *client) put(m message) {
	err := c.queue.Put(m)
	for errors.Is(err, queue.ErrMemory) && c.hub.Memory.MakeRoom() {
		err = c.queue.Put(m)
	}
	if err != nil {
		c.CutOff(err)
	}
}

// send sends what waits until the client is closed or lost.
func (c *client) send() {
	for c.queue.Wait(c.done) {
		list := c.queue.Take()
		if c.sendAll(list) != nil {
			c.close(nil) // who receives will say so
			return
		}
		c.hub.sent.Add(uint64(len(list)))
		c.queue.Sent(list)
	}
}

func (c *client) sendAll(list []message) error {
	for _, m := range list {
		if err := c.conn.SendMessage(m); err != nil {
			return err
		}
	}
	return c.conn.Flush()
}

// close ends the connection: why is what websocket.Conn.CloseFor takes.
func (c *client) close(why error) {
	c.closing.Do(func() { close(c.done) })
	c.queue.Close()
	_ = c.conn.CloseFor(why)
}

// Waits implements memory.Waiting.
func (c *client) Waits() int { return c.queue.Size() }

// CutOff implements memory.Waiting. It does not wait for the client.
func (c *client) CutOff(why error) {
	why = fmt.Errorf("%w: %w", websocket.ErrOverloaded, why)
	if c.cut.CompareAndSwap(nil, &why) {
		c.queue.Close()
		go c.close(why)
	}
}
