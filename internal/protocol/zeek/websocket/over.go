package websocket

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
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

// saidByServer returns what a server's close frame means, whose code may be any.
func (c *Conn) saidByServer(payload []byte) error {
	code, reason := ws.ParseCloseFrameData(payload)
	c.away = code == ws.StatusGoingAway
	if len(payload) == 0 || code == ws.StatusNormalClosure || code == ws.StatusGoingAway {
		return errClosed
	}
	return &closeError{code, reason}
}

// saidByClient returns what a client's close frame means. Codes of an application say
// no more to us than a plain good-bye does.
func saidByClient(payload []byte) error {
	code, reason := ws.ParseCloseFrameData(payload)
	switch {
	case len(payload) == 0:
		return errClosed
	case !mayBeSaid(code):
		return ws.ProtocolError(fmt.Sprintf("a close frame without a code that may be in one (%d)", code))
	case !utf8.ValidString(reason):
		return fmt.Errorf("%w: the reason in a close frame is not UTF-8", zeek.ErrMalformed)
	case code == ws.StatusNormalClosure || code == ws.StatusGoingAway || code >= ws.StatusRangeApplication.Min:
		return errClosed
	}
	return &closeError{code, reason}
}

// mayBeSaid reports whether a code may be in a close frame: RFC 6455, section 7.4, and
// the registry of IANA, which has three more than package ws.
func mayBeSaid(code ws.StatusCode) bool {
	return code.IsProtocolDefined() && !code.IsProtocolReserved() || code >= 1012 && code <= 1014 ||
		code.IsApplicationSpec() || code.IsPrivateSpec()
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
