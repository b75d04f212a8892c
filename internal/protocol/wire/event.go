package wire

import (
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// The kinds of object that a SERIAL message carries: the first byte of its
// payload. The other kinds are of no concern to us.
const (
	SerialEvent       = 'e'
	SerialID          = 'i'
	SerialStateAccess = 's'
)

// Event decodes an event: payload is what follows the kind byte 'e'. It fills
// ev, whose slices it uses again. Names are strings of their own; all else in
// ev aliases payload and the Decoder, until it is used again, and is not to be
// written to.
//
// After an error the connection is in step, and the next event may be decoded;
// it fails too when it refers to something after the place of the error.
func (d *Decoder) Event(payload []byte, ev *event.Event) error {
	d.begin(payload)
	ev.Args, ev.Raw = ev.Args[:0], payload
	ev.Name = d.name("event name")
	if ev.Name == "" {
		d.fail("event without a name")
	}
	ev.Time = d.f64()
	n := d.count("arguments", 5)
	d.charge(n, 0)
	for i := range n {
		if d.err != nil {
			break
		}
		if i == cap(ev.Args) {
			ev.Args = append(ev.Args, event.Value{})
		}
		ev.Args = ev.Args[:i+1] // as it was left: value clears it
		if d.value(&ev.Args[i]); d.err != nil {
			d.err = fmt.Errorf("argument %d: %w", i, d.err)
		}
	}
	if err := d.finish(); err != nil {
		ev.Args = ev.Args[:0]
		return fmt.Errorf("event %.80q: %w", ev.Name, err)
	}
	return nil
}
