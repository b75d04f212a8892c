package core

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// connect makes one attempt, and publishes its success.
func (c *conn) connect() (connection, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.set.timeout)
	var hurrying sync.WaitGroup
	defer hurrying.Wait() // it looks at the link, which may be gone later
	defer cancel()
	r := c.run
	hurrying.Go(func() { c.hurry(ctx, r, cancel) })
	nc, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	requests := c.requests
	c.asked = len(requests)
	c.mu.Unlock()
	p, err := c.speak(ctx, nc, requests)
	if err != nil {
		return nil, fmt.Errorf("peer %s: %w", nc.RemoteAddr(), err)
	}
	c.stats.connects.Add(1)
	c.explained, c.told = false, ""
	c.infof("connected")
	c.link.up(p.PeerClass())
	return p, nil
}

// speak does the handshake of whichever protocol is set.
func (c *conn) speak(ctx context.Context, nc net.Conn, requests []string) (connection, error) {
	if c.set.zeek != nil {
		return c.speakZeek(ctx, nc, requests)
	}
	p, err := peer.Open(ctx, nc, peer.Config{
		Class: c.set.class, Requests: requests, Cache: c.set.cache,
		Whole: c.set.secure != nil, Journal: c.journal, SetAside: c.setAside, Logf: c.logger(),
		Silence:   c.set.silence,
		Unwritten: c.unwritten,
	})
	if err != nil {
		return nil, err // no typed nil
	}
	return p, nil
}

// hurry cancels an attempt when the host connects anew, or ends: then at once if
// nothing is left over.
func (c *conn) hurry(ctx context.Context, r *run, cancel func()) {
	select {
	case <-c.ending:
		if c.leftOver() {
			select {
			case <-c.late:
			case <-ctx.Done():
				return
			}
		}
	case <-r.halt:
	case <-ctx.Done():
		return
	}
	cancel()
}

// leftOver reports whether something waits that the peer should have.
func (c *conn) leftOver() bool {
	if c.spool != nil {
		return false // it is safe where it is
	}
	return !c.link.out.Empty() || c.journal != nil && c.journal.Pending() > 0
}
