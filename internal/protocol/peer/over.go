package peer

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// over tells the journal how the connection has ended.
func (c *Conn) over(err error) {
	if c.cfg.Journal == nil {
		return
	}
	c.overOnce.Do(func() {
		form := delivery.Form{Split: c.split}
		if c.cfg.SetAside != nil {
			form.SetAside = c.setAside
		}
		if _, err := c.cfg.Journal.Over(endOf(err), err, form); err != nil {
			c.cfg.Logf("an event that the peer refuses cannot be set aside: %v", err)
		}
	})
}

// endOf is what an error of Next tells. Bro's protocol has no word for "this event
// I will not have": all that a peer can do is end.
func endOf(err error) delivery.End {
	if err == io.EOF || errors.Is(err, ErrRefused) {
		return delivery.Ended
	}
	return delivery.Lost
}

// split cuts a batch into events; nil: it is damaged.
func (c *Conn) split(messages []byte) (events [][]byte) {
	r := wire.NewReader(bytes.NewReader(messages), wire.Limits{})
	for {
		t, payload, err := r.Next()
		switch {
		case err == io.EOF:
			return events
		case err != nil || t != wire.MsgSerial:
			return nil
		}
		events = append(events, c.enc.AppendMessage(nil, t, payload))
	}
}

// setAside hands over an event of the journal.
func (c *Conn) setAside(message []byte, why error) error {
	_, payload, err := wire.NewReader(bytes.NewReader(message), wire.Limits{}).Next()
	if err != nil {
		return fmt.Errorf("event in the journal: %w", err)
	}
	var ev event.Event
	if err := decodeSerial(payload, &ev); err != nil {
		// The peer is right: it is none. A program can send such a one in raw form.
		ev = event.Event{Args: []event.Value{{Type: event.String, Bytes: payload}}}
	}
	return c.cfg.SetAside(&ev, why)
}

func decodeSerial(payload []byte, ev *event.Event) error {
	if len(payload) == 0 || payload[0] != wire.SerialEvent {
		return wire.ErrMalformed
	}
	return wire.NewDecoder(wire.Limits{}).Event(payload[1:], ev)
}
