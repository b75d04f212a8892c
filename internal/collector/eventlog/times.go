package eventlog

import (
	"slices"
	"time"
)

// TimeBounds are the bounds of Times.Counts.
var TimeBounds = [...]time.Duration{
	time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond,
	500 * time.Millisecond, 2 * time.Second, 10 * time.Second,
}

// Times says how long something took.
type Times struct {
	Sum time.Duration
	// Counts has how often it was up to each of TimeBounds, and beyond the one
	// before; the last are those beyond all of them.
	Counts [len(TimeBounds) + 1]uint64
}

func (t *Times) add(d time.Duration) {
	t.Sum += d
	i, _ := slices.BinarySearch(TimeBounds[:], d)
	t.Counts[i]++
}
