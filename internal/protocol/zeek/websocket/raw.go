package websocket

import (
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// rawForm makes the form that an event has on the Bro wire, so that a program
// can send it on, over whatever connection, with bro_event_send_raw().
type rawForm struct {
	enc wire.Encoder
	buf []byte
}

// of returns nil where there is no such form. The bytes hold until the next call.
func (r *rawForm) of(ev *event.Event) []byte {
	if cap(r.buf) > maxKept {
		r.buf = nil
	}
	var err error
	if r.buf, err = r.enc.AppendRaw(r.buf[:0], ev); err != nil {
		return nil
	}
	return r.buf
}
