package eventlog

import (
	"fmt"
	"time"
)

// Format is how the lines of files look.
type Format string

// The formats.
const (
	FormatJSON Format = "json"
	FormatTSV  Format = "tsv" // as Zeek's
)

// Settings of Files.
type Settings struct {
	Format Format
	// Each gives each event a file of its own, if Own allows it. The others
	// share one.
	Each bool
	// Own says which events may have a file of their own: not those that a peer
	// makes up. If nil, it is the first maxFiles.
	Own func(event string) bool
	// MaxSize is how large a file may become before it is rotated, but for the
	// lines that are written at once; 0 is without bounds.
	MaxSize int64
	// MaxLine is how long a line may become, DefaultMaxLine if it is 0. What does
	// not fit is left out, and the line says so.
	MaxLine int
	// MaxOpen is how many files are kept open, 256 if it is 0.
	MaxOpen int
	Sync    Sync
	// Errorf is told what went wrong without harm to any event. It may be nil.
	Errorf func(format string, args ...any)
	// Held is told why those who write have begun to wait for room on the disk, and
	// nil when they go on. It may be nil.
	Held func(why error)
}

// maxFiles is how many files there are, without those of rotations.
const maxFiles = 4096

// Sync is when what has been written is made safe against a loss of power. What
// is not, has been given to the kernel, and survives the end of the process.
type Sync struct {
	when  when
	every time.Duration
}

type when uint8

const (
	onConfirm when = iota // the zero value: before a peer is told
	onWrite
	never
	onTime
)

// ParseSync reads "confirm", "always", "never", or a duration.
func ParseSync(s string) (Sync, error) {
	switch s {
	case "confirm":
		return Sync{when: onConfirm}, nil
	case "always":
		return Sync{when: onWrite}, nil
	case "never":
		return Sync{when: never}, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return Sync{}, fmt.Errorf("%q: confirm, always, never, or a duration such as 1s", s)
	}
	return Sync{when: onTime, every: d}, nil
}

// OnWrite reports whether that is before a write returns, OnConfirm whether before a peer
// is told, and Ever whether it is at all.
func (s Sync) OnWrite() bool   { return s.when == onWrite }
func (s Sync) OnConfirm() bool { return s.when == onConfirm }
func (s Sync) Ever() bool      { return s.when != never }

// Every returns how often Files.Sync has to be called, or 0.
func (s Sync) Every() time.Duration { return s.every }

// Stats is what Files have done so far.
type Stats struct {
	Events, Bytes uint64 // written
	Truncated     uint64 // events of which something is missing
	Rotations     uint64
	Syncs         uint64 // of single files
	SyncTimes     Times  // of those
	Errors        uint64
	Open          int
	Unwritten     uint64 // events that were taken over and given up
	Full          bool   // somebody waits for room on the disk
}
