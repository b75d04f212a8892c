package logfile

import "time"

const (
	day       = 24 * time.Hour
	inSeconds = int64(time.Second)
)

// Next returns when logs are to be rotated next after now: when the clock of now's
// zone shows a multiple of the interval since midnight or, if the interval is of
// more than a day, since that of 1970-01-01. Where the clock is put forward over
// one or more of those, that is the moment; where it is put back, it shows some
// twice, and they count twice.
func Next(now time.Time, interval time.Duration) time.Time {
	now = now.Round(0) // the clock on the wall counts
	for {
		_, offset := now.Zone()
		shown := wall(now, offset)
		next := multiple(shown, interval)
		at := now.Add(time.Duration(next - shown))
		_, change := now.ZoneBounds()
		if change.IsZero() || at.Before(change) {
			return at
		}
		_, after := change.Zone()
		before, then := wall(change, offset), wall(change, after)
		passed := then > before && next <= then
		if passed || multiple(then-1, interval) == then {
			return change
		}
		now = change
	}
}

// wall returns what a clock of that offset shows, in nanoseconds since it showed
// 1970-01-01.
func wall(t time.Time, offset int) int64 { return t.UnixNano() + int64(offset)*inSeconds }

// multiple returns the first multiple of the interval after a time that a clock
// shows.
func multiple(shown int64, interval time.Duration) int64 {
	if interval > day {
		return shown - mod(shown, int64(interval)) + int64(interval)
	}
	midnight := shown - mod(shown, int64(day))
	next := shown - mod(shown-midnight, int64(interval)) + int64(interval)
	return min(next, midnight+int64(day))
}

// mod returns the remainder that is not negative.
func mod(a, b int64) int64 { return (a%b + b) % b }
