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
	"strings"
	"syscall"
	"time"

	"github.com/gobwas/ws"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
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
	if c.in != nil && !c.state.ClientSide() {
		_ = c.CloseFor(c.lateness(ctx, err))
		c.Release()
	}
	_ = c.net.Close()
	if ctx.Err() != nil && c.asking.Load() && len(c.subscription()) > 0 {
		return nil, fmt.Errorf("handshake: no answer in time to the subscription to %.80q: most likely %s: %w",
			strings.Join(c.subscription(), " "), noBackend, context.Cause(ctx))
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("handshake: no answer in time: %w", context.Cause(ctx))
	}
	return nil, fmt.Errorf("handshake: %w", err)
}

// greet is the client's side: upgrade, subscription, and its answer.
func (c *Conn) greet() error {
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(http.Header{"X-Application-Name": {applicationName(c.cfg.Application)}})}
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
	c.asking.Store(true)
	ack, err := c.awaitAck()
	if err != nil {
		return err
	}
	c.asking.Store(false)
	c.cfg.Logf("Zeek's endpoint %s, version %s", ack.Endpoint, ack.Version)
	if strings.HasPrefix(ack.Endpoint, "-websocket-") {
		return fmt.Errorf("%w: %s, and drops every event", ErrRefused, noBackend)
	}
	c.speaks(zeek.DialectOf(ack.Version))
	c.tellOfZone(ack.Version)
	if c.cfg.Journal != nil {
		c.replay = c.cfg.Journal.Replay()
	}
	return c.hello()
}

// noBackend is what is wrong with a Zeek that nothing can be published to.
const noBackend = "this Zeek has no cluster backend, as is so by default since 8.1 unless it is part of a cluster; " +
	"have its script @load frameworks/cluster/backend/broker, or frameworks/cluster/backend/zeromq"

// tooMany is why a Zeek closes a connection without a word.
const tooMany = "a Zeek takes 100 clients, and closes those beyond: then let sensors connect to a broccoli-collector, " +
	"and that forward to Zeek"

// tellOfZone says what becomes of times.
func (c *Conn) tellOfZone(version string) {
	tell := c.cfg.OnZone
	if tell == nil {
		tell = func(why string) { c.cfg.Logf("%s", why) }
	}
	switch local := c.dialect.LocalTime; {
	case local && c.cfg.Zone == nil:
		tell("Zeek before 8.0, as " + version + " is, reads and writes times in its own time zone: " +
			"unless that is UTC, give it as zeek_time_zone, or use zeek_exact_time")
	case !local && c.cfg.Zone != nil:
		tell("this Zeek has times in UTC: zeek_time_zone " + c.cfg.Zone.String() + " is not used")
	}
}

// maxName is how long the name of an application may be.
const maxName = 64

// applicationName makes a name one that Zeek takes: it refuses those with other
// characters than these, and has them in its logs and metrics.
func applicationName(name string) string {
	if name == "" {
		return "libbroccoli"
	}
	b := []byte(name[:min(len(name), maxName)])
	for i, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("/_-.=:*@", c) < 0 {
			b[i] = '_'
		}
	}
	return string(b)
}

func upgradeError(err error) error {
	var status ws.StatusError
	switch {
	case errors.As(err, &status):
		return fmt.Errorf("%w: it answers with HTTP status %d; is it Zeek's WebSocket port?", ErrRefused, int(status))
	case isClosed(err):
		return fmt.Errorf("%w: it closed the connection; %s; or is it not Zeek's WebSocket port, not with or without TLS as here, or does it want a certificate of ours?",
			ErrRefused, tooMany)
	}
	return fmt.Errorf("WebSocket upgrade (is it Zeek's WebSocket port?): %w", err)
}

// TLSError adds to why a TLS handshake with a Zeek has failed what may be behind it.
func TLSError(err error) error {
	if isClosed(err) {
		return fmt.Errorf("it closed the connection (%w); %s; or is its port one without TLS?", err, tooMany)
	}
	return err
}

// isClosed reports whether the other side has closed: with a reset, if it had not
// read what was written.
func isClosed(err error) bool {
	for _, closed := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, closed) {
			return true
		}
	}
	return false
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
		if err := c.firstMessage(); err != nil {
			if isClosed(err) {
				err = fmt.Errorf("%w: it closed the connection without an answer to the subscription; %s", ErrRefused, tooMany)
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
