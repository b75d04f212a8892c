package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gobwas/ws"

	"romanesco/internal/event"
	"romanesco/internal/zeek"
)

// Open makes a client of an established stream, within the time of ctx. The
// stream is closed when it fails.
func Open(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	c := newConn(nc, cfg, ws.StateClientSide)
	return within(ctx, c, c.greet)
}

// within runs a handshake in the time of ctx.
func within(ctx context.Context, c *Conn, handshake func() error) (*Conn, error) {
	// A deadline in the past wakes whoever waits in the stream.
	stop := context.AfterFunc(ctx, func() { _ = c.net.SetDeadline(time.Unix(1, 0)) })
	err := handshake()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		if c.cfg.Silence > 0 {
			go c.watchPeer()
		}
		return c, nil
	}
	_ = c.net.Close()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("handshake: no answer in time: %w", context.Cause(ctx))
	}
	return nil, fmt.Errorf("handshake: %w", err)
}

// greet is the client's side: upgrade, subscription, and its answer.
func (c *Conn) greet() error {
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(http.Header{"X-Application-Name": {"libbroccoli"}})}
	early, _, err := d.Upgrade(c.greeting(), &url.URL{Scheme: "ws", Host: c.cfg.Host, Path: zeek.Path})
	if err != nil {
		return upgradeError(err)
	}
	rest, err := bytesOf(early)
	if err != nil {
		return err
	}
	c.reads(io.MultiReader(bytes.NewReader(rest), c.watch.Stream(c.net)))
	if err := c.write(ws.OpText, pad(c.subscription().AppendTo(nil), 0, zeek.GreetingMinFrame)); err != nil {
		return err
	}
	ack, err := c.awaitAck()
	if err != nil {
		return err
	}
	c.cfg.Logf("Zeek's endpoint %s, version %s", ack.Endpoint, ack.Version)
	c.speaks(zeek.DialectOf(ack.Version))
	if c.cfg.Journal != nil {
		c.replay = c.cfg.Journal.Replay()
	}
	return c.hello()
}

func upgradeError(err error) error {
	var status ws.StatusError
	switch {
	case errors.As(err, &status):
		return fmt.Errorf("%w: it answers with HTTP status %d; is it Zeek's WebSocket port?", ErrRefused, int(status))
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it closed the connection; is it Zeek's WebSocket port, with or without TLS as here?", ErrRefused)
	}
	return fmt.Errorf("WebSocket upgrade (is it Zeek's WebSocket port?): %w", err)
}

// bytesOf returns what the server sent right behind its answer.
func bytesOf(early *bufio.Reader) ([]byte, error) {
	if early == nil {
		return nil, nil
	}
	defer ws.PutReader(early)
	b := make([]byte, early.Buffered())
	if _, err := io.ReadFull(early, b); err != nil {
		return nil, fmt.Errorf("reading from peer: %w", err)
	}
	return b, nil
}

func (c *Conn) awaitAck() (*zeek.Ack, error) {
	var ev event.Event
	for {
		if err := c.message(); err != nil {
			if err == io.EOF {
				err = fmt.Errorf("%w: it closed the connection", ErrRefused)
			}
			return nil, err
		}
		m, err := c.dec.Decode(c.buf, &ev)
		switch {
		case err != nil:
			return nil, fmt.Errorf("answer to the subscription: %w", err)
		case m.Failure != nil:
			return nil, fmt.Errorf("%w: %w", ErrRefused, m.Failure)
		case m.Ack != nil:
			return m.Ack, nil
		}
	}
}
