package zeek

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"time"
)

// A timestamp has exactly three digits of fraction and no zone. More digits
// are misread by Zeek up to 6.1, as is a time before 1970.
const (
	layoutSecond = "2006-01-02T15:04:05"
	lastSecond   = 253402300799 // of the year 9999
)

// clock writes or reads timestamps, and keeps the text of the last second.
type clock struct {
	second int64
	text   []byte
}

// append appends a time, in seconds since the epoch, as Zeek's timestamp. It
// reports false when there is none for it.
func (c *clock) append(b []byte, t float64) ([]byte, bool) {
	sec := math.Floor(t)
	if !(sec >= 0 && sec <= lastSecond) {
		return b, false
	}
	second, milli := int64(sec), int((t-sec)*1000+0.5)
	if milli == 1000 {
		second, milli = second+1, 0
	}
	if len(c.text) == 0 || c.second != second {
		c.second = second
		c.text = time.Unix(second, 0).UTC().AppendFormat(c.text[:0], layoutSecond)
	}
	b = append(b, c.text...)
	return append(b, '.', byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10)), true
}

// parse reads a timestamp, as parseTime does.
func (c *clock) parse(b []byte) (float64, error) {
	milli, ok := thousandths(b)
	if ok && len(c.text) > 0 && string(b[:len(layoutSecond)]) == string(c.text) {
		return float64(c.second) + float64(milli)/1e3, nil
	}
	t, err := parseTime(b)
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

// appendSpan appends an interval, in seconds, as Zeek's timespan: a whole
// number of nanoseconds. It reports false when there is none for it.
func appendSpan(b []byte, seconds float64) ([]byte, bool) {
	sec := math.Floor(seconds)
	const most = math.MaxInt64 / int64(time.Second)
	if !(sec > float64(-most) && sec < float64(most)) {
		return b, false
	}
	// In two parts: the product would not be exact.
	n := int64(sec)*int64(time.Second) + int64(math.Round((seconds-sec)*1e9))
	return append(strconv.AppendInt(b, n, 10), "ns"...), true
}

// parseTime reads a timestamp with any number of digits, with a zone or without.
func parseTime(b []byte) (float64, error) {
	s := string(b)
	t, err := time.Parse(layoutSecond, s)
	if err != nil {
		if t, err = time.Parse(time.RFC3339, s); err != nil {
			return 0, fmt.Errorf("%w: timestamp %.40q", ErrMalformed, b)
		}
	}
	return float64(t.Unix()) + float64(t.Nanosecond())/1e9, nil
}

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
