package memory

import "romanesco/internal/event"

// LargeEvent is from what size on an event is written for itself.
const LargeEvent = 128 << 10

// LineSize returns the most that an event takes as a line that is not cut.
func LineSize(ev *event.Event) int { return size(ev, escapedSize) }

// eventSize returns the most that an event takes in the form in which it is sent on.
func eventSize(ev *event.Event) int { return size(ev, func(b []byte) int { return len(b) }) }

// size adds up what an event takes, if a text takes what of says.
func size(ev *event.Event, of func(text []byte) int) int {
	const around = 2 << 10 // the time, the peer, its name
	n := around + of([]byte(ev.Name))
	for i := range ev.Args {
		n += valueSize(&ev.Args[i], of)
	}
	return n
}

func valueSize(v *event.Value, of func(text []byte) int) int {
	const other = 64 // of numbers, addresses and so on, with what is around them
	n := other + of([]byte(v.Field)) + of([]byte(v.TypeName)) + of(v.Bytes)
	for i := range v.Elems {
		n += valueSize(&v.Elems[i], of)
	}
	return n
}

// escapedSize counts as many bytes as there may be of a text when it is escaped.
func escapedSize(text []byte) (n int) {
	const escaped = 6 // \u0001
	for _, c := range text {
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			n++
		} else {
			n += escaped
		}
	}
	return n
}
