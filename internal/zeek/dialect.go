package zeek

import (
	"strconv"
	"strings"
)

// Dialect is what the versions of Zeek do differently.
type Dialect struct {
	// UnescapesTwice: backslashes are taken off strings twice, so that each
	// has to be written as four.
	UnescapesTwice bool
	// DropsOnClose: a close frame ends what was sent before it and is not yet
	// handled; the end of the stream does not.
	DropsOnClose bool
	// MinFrame is how large a frame has to be: Broker up to 2.7 closes the
	// connection when it sees the first part of a smaller one before the rest.
	MinFrame int
}

// GreetingMinFrame is MinFrame for the first message, which goes out before the
// server has said what it is.
const GreetingMinFrame = 2048

// DialectOf returns the dialect of a server from the version that its Ack has.
// Up to Zeek 6.1 that is Broker's, 2.3 to 2.7; then Broker 6.2.0, and
// 2.8.0-dev in Zeek 7.0 and 7.1; and Zeek's own version since 7.2, which serves
// WebSockets without Broker.
func DialectOf(version string) Dialect {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	d := Dialect{DropsOnClose: major == "2" || major == "6"}
	if major == "2" && err == nil && n <= 7 {
		d.UnescapesTwice = true
		d.MinFrame = GreetingMinFrame
	}
	return d
}
