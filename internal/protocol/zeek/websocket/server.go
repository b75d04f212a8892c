package websocket

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/gobwas/ws"

	"romanesco/internal/protocol/zeek"
)

// maxSubscriptions is how many prefixes a client may subscribe to.
const maxSubscriptions = 1024

// Accept makes a server of an established stream, within the time of ctx. The
// stream is closed when it fails. Subscriptions tells what the client wants.
func Accept(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	c := newConn(nc, cfg, ws.StateServerSide)
	return within(ctx, c, c.welcome)
}

// welcome is the server's side: upgrade, subscription, and its answer.
func (c *Conn) welcome() error {
	u := ws.Upgrader{OnRequest: func(uri []byte) error {
		if string(uri) == zeek.Path {
			return nil
		}
		return ws.RejectConnectionError(ws.RejectionStatus(404), ws.RejectionReason("only "+zeek.Path+" is served"))
	}}
	// The upgrade reads no further than the client may write before the answer.
	if _, err := u.Upgrade(c.greeting()); err != nil {
		return fmt.Errorf("WebSocket upgrade: %w", err)
	}
	c.reads(c.watch.Stream(c.net))
	if err := c.firstMessage(); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("subscription: %w", err)
	}
	if err := c.subs.Decode(c.dec, c.buf); err != nil {
		_ = c.complain(fmt.Errorf("first message must contain a filter: %w", err))
		return err
	}
	if len(c.subs) > maxSubscriptions {
		return fmt.Errorf("%w: subscription to %d topics", zeek.ErrLimit, len(c.subs))
	}
	c.speaks(zeek.Current)
	if c.cfg.BeforeAck != nil {
		c.cfg.BeforeAck(c)
	}
	ack := zeek.Ack{Endpoint: c.cfg.Endpoint, Version: c.cfg.Version}
	return c.write(ws.OpText, ack.AppendTo(nil))
}
