package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"romanesco/internal/event"
	"romanesco/internal/protocol/zeek"
)

// reads sets where frames come from, after the upgrade.
func (c *Conn) reads(r io.Reader) {
	c.in = bufio.NewReaderSize(arrivals{c, r}, flushSize)
	c.frame = wsutil.Reader{Source: c.in, State: c.state, OnIntermediate: c.control}
	c.readsUpTo(c.cfg.Limits.MaxMessage)
}

// readsUpTo sets how long a message may be.
func (c *Conn) readsUpTo(bytes int) {
	c.frame.MaxFrameSize, c.frame.MaxMessageSize = int64(bytes), int64(bytes)
}

// arrivals is the stream, of which it is said beforehand that it is read, and
// noted when that was: one read brings many events, and to ask for the time is
// a tenth of what receiving one costs.
type arrivals struct {
	c *Conn
	io.Reader
}

func (a arrivals) Read(b []byte) (int, error) {
	if before := a.c.cfg.BeforeRead; before != nil && !a.c.leaving {
		if err := before(); err != nil {
			return 0, err
		}
	}
	n, err := a.Reader.Read(b)
	a.c.arrived = float64(time.Now().UnixMicro()) / 1e6
	return n, err
}

// Next reads up to the next event that was asked for, into ev, whose parts hold
// until the next call. A message that cannot be decoded is told to Logf and,
// by a server, to the client; it is skipped. The error is io.EOF at a clean end.
func (c *Conn) Next(ev *event.Event) error {
	err := c.next(ev)
	if err != nil {
		c.tellJournal(err)
	}
	return err
}

func (c *Conn) next(ev *event.Event) error {
	for {
		c.letGo(ev)
		if err := c.message(); err != nil {
			return err
		}
		m, err := c.decode(ev)
		if err != nil {
			if c.overloaded() {
				return c.readError(c.short)
			}
			c.cfg.Logf("skipped: %v", err)
			if err := c.complain(err); err != nil {
				return err
			}
			continue
		}
		c.topic = m.Topic
		if mine, err := c.agreement(m, ev); err != nil {
			return err
		} else if mine {
			continue
		}
		if m.Failure != nil && !c.failed(m.Failure, ev) || m.Failure == nil && (m.Event == nil || !c.asked(ev.Name)) {
			continue
		}
		if ev.Time == 0 {
			ev.Time = c.arrived
		}
		if c.state.ClientSide() { // who passes events on has the message
			ev.Raw = c.raw.of(ev)
		}
		return nil
	}
}

// failed tells of a failure. It reports whether it is to be handed over as the
// event that it makes of it.
func (c *Conn) failed(f *zeek.Failure, ev *event.Event) bool {
	c.cfg.Logf("Zeek did not take an event: %.200q", f.Error())
	if c.cfg.OnFailure != nil {
		c.cfg.OnFailure(f)
	}
	if _, ok := c.names.Load(FailureEvent); !ok {
		return false
	}
	ev.Name, ev.Time = FailureEvent, 0
	ev.Args = append(ev.Args[:0],
		event.Value{Type: event.String, Bytes: []byte(f.Code)},
		event.Value{Type: event.String, Bytes: []byte(f.Context)})
	return true
}

// message reads the next message into buf, and answers what comes between.
func (c *Conn) message() (err error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.buf, err = c.frames(c.buf)
	return err
}

// frames does that for who reads, in the memory of b.
func (c *Conn) frames(b []byte) ([]byte, error) {
	b = b[:0]
	for {
		h, err := c.frame.NextFrame()
		if err != nil {
			return b, c.readError(err)
		}
		if h.OpCode.IsControl() {
			if err := c.control(h, &c.frame); err != nil {
				return b, c.readError(err)
			}
			continue
		}
		if b, err = c.payload(h, b); err != nil {
			return b, c.readError(err)
		}
		return b, nil
	}
}

// payload reads the message that begins with a frame of this header, into b.
func (c *Conn) payload(h ws.Header, b []byte) ([]byte, error) {
	if c.cfg.MessageTime > 0 && (!h.Fin || h.Length > int64(c.in.Buffered())) {
		late := fmt.Errorf("%w: a message was begun %v ago and has not been ended", ErrLate, c.cfg.MessageTime)
		defer time.AfterFunc(c.cfg.MessageTime, func() { c.giveUp(late) }).Stop()
	}
	most := c.cfg.Limits.MaxMessage
	if h.Fin {
		most = int(h.Length)
	}
	if c.leaving { // nobody takes it
		_, err := io.Copy(io.Discard, &c.frame)
		return b, err
	}
	for {
		if len(b) == cap(b) {
			var err error
			if b, err = c.grow(b, most); err != nil {
				return b, err
			}
		}
		n, err := c.frame.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

func (c *Conn) readError(err error) error {
	c.gone = true
	c.lose()
	switch {
	case err == io.EOF || errors.Is(err, errClosed):
		return c.reason(io.EOF) // perhaps the answer to our own end
	case errors.Is(err, ErrRefused):
		return err
	case errors.Is(err, ErrOverloaded):
		c.wrong.CompareAndSwap(nil, &err)
		return err
	}
	err = fmt.Errorf("reading from peer: %w", err)
	c.wrong.CompareAndSwap(nil, &err)
	return c.reason(err)
}

// control handles a ping, a pong or a close.
func (c *Conn) control(h ws.Header, r io.Reader) error {
	payload := make([]byte, h.Length) // at most 125
	if _, err := io.ReadFull(r, payload); err != nil {
		return fmt.Errorf("reading from peer: %w", err)
	}
	switch h.OpCode {
	case ws.OpPing:
		if c.leaving {
			return nil // nobody takes what came before it
		}
		if c.cfg.BeforePong != nil {
			if err := c.cfg.BeforePong(); err != nil {
				return err
			}
		}
		c.answer(payload)
		return nil
	case ws.OpPong:
		c.watch.Answered()
		seq, ok := batchOf(payload)
		if ok && c.window != nil {
			c.window.answered(seq)
		}
		if ok && c.cfg.Journal != nil && !c.script.confirms() {
			c.cfg.Journal.Confirm(seq)
		}
		return nil
	default:
		code, reason := ws.ParseCloseFrameData(payload)
		c.away = code == ws.StatusGoingAway
		if len(payload) == 0 || code == ws.StatusNormalClosure || code == ws.StatusGoingAway {
			return errClosed
		}
		return &closeError{code, reason}
	}
}
