package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// What servers say that they are: the former gets each message filled up to 2 KiB.
const (
	broker2 = "2.7.0"
	zeek8   = "8.0.0"
)

func accept(nc net.Conn, version string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return websocket.Accept(ctx, nc, websocket.Config{Endpoint: "bench", Version: version})
}

// zeekSink counts messages without decoding them, but for one in a thousand; n
// must come.
func zeekSink(version string, n int) func(net.Conn) error {
	return func(nc net.Conn) error {
		// The client sends nothing until it has the answer, so that all the
		// frames are still in the stream.
		if _, err := accept(nc, version); err != nil {
			return err
		}
		c := counter{in: bufio.NewReaderSize(nc, 1<<20), out: nc, dec: zeek.NewDecoder(zeek.Limits{})}
		var err error
		for err == nil {
			err = c.frame()
		}
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("behind %d events: %w", c.events, err)
		}
		if c.events != n {
			return fmt.Errorf("%d events have come instead of %d", c.events, n)
		}
		return nil
	}
}

// counter counts the events that come in.
type counter struct {
	in     *bufio.Reader
	out    io.Writer
	header [ws.MaxHeaderSize]byte
	dec    *zeek.Decoder
	ev     event.Event
	events int
}

// frame reads one frame: io.EOF where the client says good-bye.
func (c *counter) frame() error {
	h, err := ws.ReadHeaderBuffer(c.in, c.header[:])
	switch {
	case err != nil:
		return err
	case h.OpCode == ws.OpClose:
		return io.EOF
	case h.OpCode == ws.OpPing:
		return c.pong(h)
	case h.OpCode != ws.OpText || !h.Fin || !h.Masked:
		return fmt.Errorf("a frame that a client does not send: %+v", h)
	}
	c.events++
	if c.events%1000 != 1 {
		_, err = c.in.Discard(int(h.Length))
		return err
	}
	return c.look(h)
}

// pong answers a ping, of which the client sends some among its events.
func (c *counter) pong(h ws.Header) error {
	b := make([]byte, h.Length)
	if _, err := io.ReadFull(c.in, b); err != nil {
		return err
	}
	ws.Cipher(b, h.Mask, 0)
	return ws.WriteFrame(c.out, ws.NewPongFrame(b))
}

// look decodes a message.
func (c *counter) look(h ws.Header) error {
	b := make([]byte, h.Length)
	if _, err := io.ReadFull(c.in, b); err != nil {
		return err
	}
	ws.Cipher(b, h.Mask, 0)
	m, err := c.dec.Decode(b, &c.ev)
	if err == nil && (m.Event == nil || c.ev.Name != "bench" || len(c.ev.Args) == 0) {
		err = fmt.Errorf("a message that is not ours: %.200q", b)
	}
	return err
}

// zeekStalled shakes hands as a Zeek, and then reads nothing.
func zeekStalled(d time.Duration) func(net.Conn) error {
	return func(nc net.Conn) error {
		_, err := accept(nc, zeek8)
		time.Sleep(d)
		return err
	}
}

// zeekSource sends n events of seven arguments, encoded beforehand.
func zeekSource(n int) func(net.Conn) error {
	return func(nc net.Conn) error {
		c, err := accept(nc, zeek8)
		if err != nil {
			return err
		}
		topics := c.Subscriptions()
		if len(topics) == 0 {
			return errors.New("the client has subscribed to nothing")
		}
		message, err := zeek.NewEncoder(topics[0], zeek.Dialect{}).AppendEvent(nil, sevenArguments())
		if err != nil {
			return err
		}
		one, err := ws.CompileFrame(ws.NewTextFrame(message))
		if err != nil {
			return err
		}
		return repeat(nc, one, n)
	}
}

// repeat writes the same n times, and waits until the other side has closed.
func repeat(nc net.Conn, one []byte, n int) error {
	const at = 256 // a time
	many := bytes.Repeat(one, at)
	for left := n; left > 0; left -= at {
		if _, err := nc.Write(many[:len(one)*min(left, at)]); err != nil {
			return err
		}
	}
	_, _ = io.Copy(io.Discard, nc) // however it ends
	return nil
}
