package wire

import (
	"errors"
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// What can be wrong with what a peer sends. Errors of this package wrap one
// of these, and say where and which bound.
//
// Errors of a Reader end the connection: the stream is out of step. Errors of
// a Decoder concern one message; the stream stays in step, since each message
// is framed for itself.
var (
	// ErrNotBroccoli: the first bytes cannot be those of a Bro or Broccoli.
	ErrNotBroccoli = errors.New("not a Broccoli peer")
	// ErrFraming: the chunks do not form messages.
	ErrFraming = errors.New("broken framing")
	// ErrMalformed: a payload does not hold together.
	ErrMalformed = errors.New("malformed message")
	// ErrLimit: a payload is larger, deeper or of more elements than allowed.
	ErrLimit = errors.New("limit exceeded")
	// ErrUndecodable: a value that Bro may send, but whose content this
	// package does not know. See UndecodableError.
	ErrUndecodable = errors.New("undecodable object")
	// ErrUnencodable: a value that cannot be sent to a Bro.
	ErrUnencodable = event.ErrUnencodable
)

// UndecodableError says which kind of object made an event undecodable.
type UndecodableError struct {
	What   string // such as "value of class 0x0816"
	Offset int    // in the payload
}

func (e *UndecodableError) Error() string {
	return fmt.Sprintf("%v: %s at offset %d", ErrUndecodable, e.What, e.Offset)
}

// Unwrap makes errors.Is(err, ErrUndecodable) hold.
func (e *UndecodableError) Unwrap() error { return ErrUndecodable }
