package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/gobwas/ws"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// maxSubscriptions is how many prefixes a client may subscribe to.
const maxSubscriptions = 1024

// maxSubscription is how long the message may be that has them.
const maxSubscription = 1 << 20

// Accept makes a server of an established stream, within the time of ctx. The
// stream is closed when it fails. Subscriptions tells what the client wants.
func Accept(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	c := newConn(nc, cfg, ws.StateServerSide)
	return within(ctx, c, c.welcome)
}

// lateness is why a handshake has failed, for the client, when ctx has ended.
func (c *Conn) lateness(ctx context.Context, err error) error {
	switch ctx.Err() {
	case context.DeadlineExceeded:
		return fmt.Errorf("%w: no subscription came in time", ErrLate)
	case context.Canceled:
		return ErrGoingAway
	}
	return err
}

// welcome is the server's side: upgrade, subscription, and its answer.
func (c *Conn) welcome() error {
	u := ws.Upgrader{OnRequest: checkPath, OnHeader: c.checkOrigin}
	// The upgrade reads no further than the client may write before the answer.
	if _, err := u.Upgrade(c.greeting()); err != nil {
		farewell(c.net, err)
		return fmt.Errorf("WebSocket upgrade: %w", err)
	}
	c.reads(c.watch.Stream(c.net))
	c.readsUpTo(maxSubscription)
	if err := c.firstMessage(); err != nil {
		if err == io.EOF {
			err = fmt.Errorf("none came: %w", err)
		}
		return fmt.Errorf("subscription: %w", err)
	}
	err := c.subs.Decode(zeek.NewDecoder(zeek.Limits{MaxValues: maxSubscriptions}), c.buf)
	if errors.Is(err, zeek.ErrLimit) {
		err = fmt.Errorf("%w: subscription to more than %d topics", zeek.ErrLimit, maxSubscriptions)
	}
	if err != nil {
		_ = c.complain(new(event.Event), fmt.Errorf("first message must contain a filter: %w", err))
		return err
	}
	if !c.kept.Hold(len(c.buf)) { // the topics
		return c.shortOf(len(c.buf))
	}
	c.readsUpTo(c.cfg.Limits.MaxMessage)
	c.speaks(zeek.Current)
	if c.cfg.BeforeAck != nil {
		c.cfg.BeforeAck(c)
	}
	ack := zeek.Ack{Endpoint: c.cfg.Endpoint, Version: c.cfg.Version}
	return c.write(ws.OpText, ack.AppendTo(nil))
}
