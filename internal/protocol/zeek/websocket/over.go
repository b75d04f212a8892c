package websocket

import (
	"errors"
	"fmt"
	"io"

	"github.com/gobwas/ws"

	"romanesco/internal/event"
	"romanesco/internal/protocol/delivery"
	"romanesco/internal/protocol/zeek"
)

// closeError is the word with which the other side ends the connection, unless
// that is a plain good-bye.
type closeError struct {
	code   ws.StatusCode
	reason string
}

func (e *closeError) Error() string {
	return fmt.Sprintf("%v: it closed the connection, code %d, %.200q", ErrRefused, e.code, e.reason)
}

func (e *closeError) Is(target error) bool { return target == ErrRefused }

// end is what it tells of what was under way. A server that goes away, or is at
// fault itself (Zeek's word for pongs that are late as well), says nothing about it.
func (e *closeError) end() delivery.End {
	switch e.code {
	case ws.StatusProtocolError, ws.StatusUnsupportedData, ws.StatusInvalidFramePayloadData,
		ws.StatusPolicyViolation, ws.StatusMessageTooBig:
		return delivery.Refused
	}
	return delivery.Lost
}

// tellJournal tells the journal how the connection has ended.
func (c *Conn) tellJournal(err error) {
	if c.cfg.Journal == nil {
		return
	}
	c.over.Do(func() {
		form := delivery.Form{Split: split}
		if c.cfg.SetAside != nil {
			form.SetAside = c.setAside
		}
		if _, err := c.cfg.Journal.Over(c.endOf(err), err, form); err != nil {
			c.cfg.Logf("an event that Zeek refuses cannot be set aside: %v", err)
		}
	})
}

func (c *Conn) endOf(err error) delivery.End {
	var said *closeError
	switch {
	case errors.As(err, &said):
		return said.end()
	case err == io.EOF && !c.away:
		return delivery.Ended
	}
	return delivery.Lost
}

// split cuts a batch into the frames of its events; nil: it is damaged.
func split(messages []byte) (frames [][]byte) {
	for len(messages) > 0 {
		header, payload, ok := frameAt(messages)
		if !ok {
			return nil
		}
		n := header + payload
		if op := ws.OpCode(messages[0] & 0x0f); !op.IsControl() {
			frames = append(frames, append([]byte(nil), messages[:n]...))
		}
		messages = messages[n:]
	}
	return frames
}

// setAside hands over an event of the journal.
func (c *Conn) setAside(frame []byte, why error) error {
	header, _, ok := frameAt(frame)
	if !ok {
		return errors.New("the journal is damaged")
	}
	payload := append([]byte(nil), frame[header:]...)
	if frame[1]&0x80 != 0 {
		ws.Cipher(payload, [4]byte(frame[header-4:header]), 0)
	}
	d := zeek.NewDecoder(c.cfg.Limits)
	d.ExactTime, d.Types = c.cfg.ExactTime, c.cfg.Types
	var ev event.Event
	if m, err := d.Decode(payload, &ev); err != nil || m.Event == nil { // such as SendMessage may be given
		ev = event.Event{Args: []event.Value{{Type: event.String, Bytes: payload}}}
	}
	return c.cfg.SetAside(&ev, why)
}
