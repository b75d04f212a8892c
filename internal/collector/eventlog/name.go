package eventlog

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// Names of files that are not those of events.
const (
	nameAll   = "events"
	nameOther = "other"
)

// isTaken reports whether a log is called so that is no event's own.
func isTaken(name string) bool {
	switch name {
	case nameAll, nameOther, "comm", "remote", "sshd_session":
		return true
	}
	return false
}

// maxFileName is the longest name, without what a rotation adds.
const maxFileName = 180

// fileName returns the name of the file for an event: its own, with "." for
// "::", and %HH for what does not belong into a name. No two events have the
// same, none leads out of the folder, and none is that of another log.
func fileName(ev string) string {
	var b strings.Builder
	for i := 0; i < len(ev); i++ {
		switch c := ev[i]; {
		case c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			b.WriteByte(c)
		case i > 0 && strings.HasPrefix(ev[i:], "::"):
			b.WriteByte('.')
			i++
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	name := b.String()
	if name == "" {
		return "%"
	}
	if isTaken(name) {
		return fmt.Sprintf("%%%02X%s", name[0], name[1:])
	}
	if len(name) > maxFileName {
		name = fmt.Sprintf("%s%%%x", name[:maxFileName-17], sha256.Sum256([]byte(ev)))[:maxFileName]
	}
	return name
}
