package zeek

import (
	"strconv"
	"strings"
)

// Dialect is what the versions of Zeek do differently. The zero value is what
// all of them read, but for what Broker wants.
type Dialect struct {
	// UnescapesTwice: backslashes are taken off strings twice, so that each
	// has to be written as four.
	UnescapesTwice bool
	// DropsOnClose: a close frame ends what was sent before it and is not yet
	// handled; the end of the stream does not.
	DropsOnClose bool
	// MinFrame is how large a frame has to be: Broker closes the connection when
	// it sees the first part of a smaller one before the rest. Its CAF is the same
	// there from Zeek 6.1 to 7.1.
	MinFrame int
	// Binary: a text frame that is no UTF-8 ends the connection, a binary frame
	// is taken as it is. Broker is the other way round: it takes any bytes in a
	// text frame, and rejects binary ones.
	Binary bool
	// LocalTime: times are read and written in the time zone of the Zeek.
	LocalTime bool
	// FullTime: times are read with up to nine digits of fraction, and before
	// 1970; without, with three and from 1970 on.
	FullTime bool
	// Unicode: strings are read with the escape \u.
	Unicode bool
	// Metadata: events are taken with their network time.
	Metadata bool
}

// GreetingMinFrame is MinFrame for the first message, which goes out before the
// server has said what it is.
const GreetingMinFrame = 2048

// Current is the dialect of Zeek since 8.0, and what we speak as a server.
var Current = Dialect{Binary: true, FullTime: true, Unicode: true, Metadata: true}

// Likeness is the version of the Zeek that we are like as a server, which what
// we are is added to.
const Likeness = "8.0.0"

// DialectOf returns the dialect of a server from the version that its Ack has.
// Up to Zeek 6.1 that is Broker's, 2.3 to 2.7; then Broker 6.2.0, and
// 2.8.0-dev in Zeek 7.0 and 7.1; and Zeek's own version since 7.2, which serves
// WebSockets without Broker. Others have been our collector's.
func DialectOf(version string) Dialect {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	switch _, bad := strconv.ParseUint(major, 10, 16); {
	case major == "2" || major == "6":
		return Dialect{
			DropsOnClose: true, LocalTime: true, MinFrame: GreetingMinFrame,
			UnescapesTwice: major == "2" && err == nil && n <= 7,
		}
	case major == "7":
		return Dialect{Binary: true, LocalTime: true}
	case bad != nil:
		return Dialect{}
	}
	return Current
}
