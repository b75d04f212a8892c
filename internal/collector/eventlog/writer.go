package eventlog

import (
	"net/netip"
	"strconv"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

const (
	// DefaultMaxLine is how long a line may be if nothing else is said.
	DefaultMaxLine = 1 << 20
	// minLine is the least bound that there can be: whatever is cut, a line has
	// all of its columns.
	minLine = 4 << 10
)

// limit returns the bound that max stands for.
func limit(max int) int {
	if max <= 0 {
		return DefaultMaxLine
	}
	if max < minLine {
		return minLine
	}
	return max
}

// writer appends a line that may become so long and no longer. Each of its methods
// that are given an end appends up to there, or reports that there is no room.
//
// A line is written as it is at first. If it does not fit, it is written once
// more with fair set: then a value gets at most half of the room that is left
// where it stands, so that a long one leaves something for those that follow it.
// Strings are cut, and what has members loses the last of them. Nothing changes
// its type.
type writer struct {
	b    []byte
	fair bool
	cut  bool // something was cut
	left int  // columns that are still to come in the row
}

// share returns where a value has to end, of the room up to end.
func (w *writer) share(end int) int {
	if !w.fair || end <= len(w.b) {
		return end
	}
	return len(w.b) + (end-len(w.b))/2
}

// within takes what stands from from on back if it goes beyond end.
func (w *writer) within(from, end int) bool {
	if len(w.b) <= end {
		return true
	}
	w.b = w.b[:from]
	return false
}

func addr(v *event.Value) netip.Addr { return netip.AddrFrom16(v.Addr).Unmap() }

// enumText returns what an enum is called. The wire has the number of the label
// only, unless it is a Zeek's.
func enumText(v *event.Value) []byte {
	if len(v.Bytes) > 0 {
		return v.Bytes
	}
	return append(strconv.AppendInt([]byte(v.TypeName+"("), v.Int64(), 10), ')')
}
