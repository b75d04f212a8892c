package zeek

import "errors"

// What can be wrong with a message. Errors of a Decoder wrap one of these;
// they concern one message, the next may be sound.
var (
	// ErrMalformed: the message does not hold together.
	ErrMalformed = errors.New("malformed message")
	// ErrLimit: it is larger, deeper or of more values than allowed.
	ErrLimit = errors.New("limit exceeded")
)

// Limits bounds what a peer can make us hold. The zero value of a field means
// its default.
type Limits struct {
	// MaxMessage is the number of bytes in a message.
	MaxMessage int
	// MaxDepth is how deep JSON may nest: each value of an event is an object,
	// and one that holds others an array as well.
	MaxDepth int
	// MaxValues is the number of values in a message.
	MaxValues int
}

// WithDefaults fills in what is not set.
func (l Limits) WithDefaults() Limits {
	set := func(have *int, def int) {
		if *have <= 0 {
			*have = def
		}
	}
	set(&l.MaxMessage, 16<<20)
	set(&l.MaxDepth, 128) // what Broker itself reads
	set(&l.MaxValues, 1<<18)
	return l
}
