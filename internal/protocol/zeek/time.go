package zeek

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"time"
)

// A timestamp has no zone, and three digits of fraction, or up to nine: see
// Dialect. Zeek itself writes three.
const layoutSecond = "2006-01-02T15:04:05"

// Zeek has 64 bits of nanoseconds, and goes round beyond: from 1677-09-21 to
// 2262-04-11. These are the whole seconds of it.
const (
	firstSecond = -math.MaxInt64 / int64(time.Second)
	lastSecond  = math.MaxInt64/int64(time.Second) - 1
)

// clock writes or reads timestamps, and keeps the text of the last second.
type clock struct {
	zone   *time.Location // nil: UTC
	second int64
	text   []byte
}

func (c *clock) in() *time.Location {
	if c.zone == nil {
		return time.UTC
	}
	return c.zone
}

// append appends a time, in seconds since the epoch, as Zeek's timestamp. It
// reports false when there is none for it.
func (c *clock) append(b []byte, t float64, full bool) ([]byte, bool) {
	sec := math.Floor(t)
	if !(sec >= float64(firstSecond) && sec <= float64(lastSecond)) || sec < 0 && !full {
		return b, false
	}
	second, digits := int64(sec), 3
	fraction, whole := parts(t-sec, sec, 1e3)
	if full && !whole {
		digits = 6
		if fraction, whole = parts(t-sec, sec, 1e6); !whole {
			digits = 9
			fraction, _ = parts(t-sec, sec, 1e9)
		}
	}
	if len(c.text) == 0 || c.second != second {
		c.second = second
		c.text = time.Unix(second, 0).In(c.in()).AppendFormat(c.text[:0], layoutSecond)
	}
	b = append(b, c.text...)
	b = append(b, ".000000000"[:1+digits]...)
	for i := len(b) - 1; fraction > 0; i-- {
		b[i] += byte(fraction % 10)
		fraction /= 10
	}
	return b, true
}

// parts returns how many of the parts that a second is divided into are over, and
// whether that says all of the time sec + fraction. It rounds down, since nothing is
// to happen in the future; but a number of which that time is the double is meant.
func parts(fraction, sec, each float64) (n int64, whole bool) {
	if round := math.Round(fraction * each); sec+round/each == sec+fraction {
		return int64(round), true
	}
	return int64(fraction * each), false
}

// parse reads a timestamp, as parseTime does.
func (c *clock) parse(b []byte) (float64, error) {
	milli, ok := thousandths(b)
	if ok && len(c.text) > 0 && string(b[:len(layoutSecond)]) == string(c.text) {
		return float64(c.second) + float64(milli)/1e3, nil
	}
	t, err := parseTime(b, c.in())
	if ok && err == nil {
		c.second, c.text = int64(math.Floor(t)), append(c.text[:0], b[:len(layoutSecond)]...)
	}
	return t, err
}

// thousandths returns the fraction of a timestamp as Zeek writes it: behind the
// second three digits, and no zone.
func thousandths(b []byte) (milli int, ok bool) {
	if len(b) != len(layoutSecond)+len(".000") || b[len(layoutSecond)] != '.' {
		return 0, false
	}
	for _, c := range b[len(layoutSecond)+1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		milli = milli*10 + int(c-'0')
	}
	return milli, true
}

// exactSpan is up to how many seconds a double has each nanosecond. Zeek reads the
// number of a timespan as one, digit by digit: of more nanoseconds it makes others,
// some hundred off; of microseconds it does not.
const exactSpan = float64(1<<53) / 1e9

// appendSpan appends an interval, in seconds, as Zeek's timespan: a whole number of
// nanoseconds, or of microseconds. It reports false when there is none for it.
func appendSpan(b []byte, seconds float64) ([]byte, bool) {
	sec := math.Floor(seconds)
	const most = math.MaxInt64 / int64(time.Second)
	if !(sec > float64(-most) && sec < float64(most)) {
		return b, false
	}
	if n, whole := parts(seconds-sec, sec, 1e6); whole && math.Abs(seconds) > exactSpan {
		return append(strconv.AppendInt(b, int64(sec)*1e6+n, 10), "us"...), true
	}
	// In two parts: the product would not be exact.
	n := int64(sec)*int64(time.Second) + int64(math.Round((seconds-sec)*1e9))
	return append(strconv.AppendInt(b, n, 10), "ns"...), true
}

// parseTime reads a timestamp with any number of digits, with a zone, or
// without one in that of the location.
func parseTime(b []byte, in *time.Location) (float64, error) {
	s := string(b)
	t, err := time.ParseInLocation(layoutSecond, s, in)
	if err != nil {
		if t, err = time.Parse(time.RFC3339, s); err != nil {
			return 0, fmt.Errorf("%w: timestamp %.40q", ErrMalformed, b)
		}
	}
	return float64(t.Unix()) + float64(t.Nanosecond())/1e9, nil
}

// isSameTime reports whether an interval since the epoch says what a time beside it
// does. Times have milliseconds, and Zeek cuts those before 1970 to the second above.
// Broker up to 2.7 writes an interval of decades in hours with six decimals, and so is
// up to 1.8 ms off. anyZone: the time may be one of a zone that is not known.
func isSameTime(t, exact float64, anyZone bool) bool {
	tolerance := 0.0011 // a double in 2262 has steps of a microsecond
	if exact > decades {
		tolerance += 0.0018
	}
	off := t - exact
	if anyZone && exact > decades && math.Abs(off) < farthestZone {
		off -= math.Round(off/zoneStep) * zoneStep
	}
	return math.Abs(off) <= tolerance || exact < 0 && t == math.Ceil(exact)
}

// Zones differ by quarters of an hour, and by less than a day. An interval of
// decades is not one by chance.
const (
	zoneStep     = 15 * 60
	farthestZone = 24 * 3600
	decades      = 20 * 365 * 24 * 3600
)

// units are the suffixes of a timespan, those first that others end in.
var units = []struct {
	name     string
	exponent string // of ten, for seconds
	seconds  float64
}{
	{"ns", "e-9", 1}, {"us", "e-6", 1}, {"ms", "e-3", 1}, {"min", "", 60}, {"s", "", 1}, {"h", "", 3600}, {"d", "", 86400},
}

// parseSpan reads a timespan: a decimal number and a unit.
func parseSpan(b []byte) (float64, error) {
	for _, u := range units {
		number, ok := bytes.CutSuffix(b, []byte(u.name))
		if !ok {
			continue
		}
		if len(number) == 0 || len(bytes.Trim(number, "-+.0123456789")) > 0 {
			break
		}
		// The exponent in the text: so nothing is rounded twice.
		f, err := strconv.ParseFloat(string(number)+u.exponent, 64)
		if err != nil {
			break
		}
		return f * u.seconds, nil
	}
	return 0, fmt.Errorf("%w: timespan %.40q", ErrMalformed, b)
}
