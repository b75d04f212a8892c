package memory

import "github.com/romanesco-broccoli/romanesco/internal/event"

// LargeEvent is from what size on an event is written for itself.
const LargeEvent = 128 << 10

// LineSize returns the most that an event takes as a line.
func LineSize(ev *event.Event) int {
	const around = 2 << 10 // the time, the peer, its name
	n := around + textSize(ev.Name)
	for i := range ev.Args {
		n += valueSize(&ev.Args[i])
	}
	return n
}

func valueSize(v *event.Value) int {
	const other = 64 // of numbers, addresses and so on, with what is around them
	n := other + textSize(v.Field) + textSize(v.TypeName) + textSize(v.Bytes)
	for i := range v.Elems {
		n += valueSize(&v.Elems[i])
	}
	return n
}

// textSize counts as many bytes as there may be of a text when it is escaped.
func textSize[T string | []byte](s T) (n int) {
	const escaped = 6 // \u0001
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			n++
		} else {
			n += escaped
		}
	}
	return n
}
