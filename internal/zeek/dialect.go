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
}

// DialectOf returns the dialect of a server from the version that its Ack has.
// Up to Zeek 6.1 that is Broker's, 2.3 to 2.7; then Broker 6.2.0, and
// 2.8.0-dev in Zeek 7.0 and 7.1; and Zeek's own version since 7.2, which serves
// WebSockets without Broker.
func DialectOf(version string) Dialect {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	return Dialect{
		UnescapesTwice: major == "2" && err == nil && n <= 7,
		DropsOnClose:   major == "2" || major == "6",
	}
}
