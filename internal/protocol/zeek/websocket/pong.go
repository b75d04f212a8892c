package websocket

import (
	"bytes"
	"slices"
	"sync"

	"github.com/gobwas/ws"
)

// pongs are the answers that wait to be written. Who reads the pings does not
// write them: the peer may be reading nothing until we have read what it sends.
type pongs struct {
	mu      sync.Mutex
	waiting [][]byte
	writing bool
}

// mostPongs is how many wait at the most: of a peer that asks and does not read,
// the oldest questions get no answer of their own, as RFC 6455 allows.
const mostPongs = 16

// put adds an answer, and reports whether somebody is to be found who writes it. One answer
// is for all questions that are the same: signs of life are not to displace a receipt,
// when a peer that was held back has asked for many.
func (p *pongs) put(payload []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(other []byte) bool { return bytes.Equal(other, payload) })
	if len(p.waiting) == mostPongs {
		p.waiting = slices.Delete(p.waiting, 0, 1)
	}
	p.waiting = append(p.waiting, payload)
	start := !p.writing
	p.writing = true
	return start
}

// take returns those that wait. With none, nobody writes them any more.
func (p *pongs) take() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.waiting
	p.waiting = nil
	p.writing = len(list) > 0
	return list
}

// answer has a ping answered.
func (c *Conn) answer(payload []byte) {
	if !c.pongs.put(payload) {
		return
	}
	go func() {
		for c.writePongs() {
		}
	}()
}

// writePongs writes those that wait, and reports whether there were any.
func (c *Conn) writePongs() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.putPongs()
}

func (c *Conn) putPongs() bool {
	var b []byte
	list := c.pongs.take()
	for _, payload := range list {
		b = c.frameOf(b, ws.OpPong, payload)
	}
	// An error is that of the stream, and who reads it finds it as well.
	return len(list) > 0 && c.put(b) == nil
}
