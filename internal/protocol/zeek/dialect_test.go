package zeek

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// TestDialects: which version is which.
func TestDialects(t *testing.T) {
	broker := Dialect{DropsOnClose: true, LocalTime: true, MinFrame: GreetingMinFrame}
	old := broker
	old.UnescapesTwice = true
	for version, want := range map[string]Dialect{
		"2.3.1": old, "2.7.0": old, "2.8.0-dev": broker, "2.8.0-dev.97": broker, "6.2.0": broker,
		"7.2.0": {Binary: true, LocalTime: true}, "7.2.2-dev.1": {Binary: true, LocalTime: true},
		"8.0.0": Current, "8.2.2": Current, "9.0.0-dev.12": Current, "10.1.0": Current, Likeness + "-broccoli-collector-1.0": Current,
		"0.1.0": Current, "": {}, "unknown": {},
	} {
		require.Equal(t, want, DialectOf(version), version)
	}
}

func written(t testing.TB, d Dialect, f float64) string {
	t.Helper()
	var c clock
	b, ok := c.append(nil, f, d.FullTime)
	require.True(t, ok, "%v", f)
	return string(b)
}

// TestTimesAreFull: with as many digits as say all, and never a later time.
func TestTimesAreFull(t *testing.T) {
	for f, want := range map[float64]string{
		0: "1970-01-01T00:00:00.000", 1126645547.25: "2005-09-13T21:05:47.250", 1126645547.123456: "2005-09-13T21:05:47.123456",
		1126645547.9999996: "2005-09-13T21:05:47.999999523", -0.5: "1969-12-31T23:59:59.500", -1.25: "1969-12-31T23:59:58.750",
		-9223372036: "1677-09-21T00:12:44.000", 9223372035.5: "2262-04-11T23:47:15.500", 0.123456789: "1970-01-01T00:00:00.123456789",
		1126645547.0001: "2005-09-13T21:05:47.000100", 1126645547.001: "2005-09-13T21:05:47.001", 0.9999999999: "1970-01-01T00:00:00.999999999",
	} {
		require.Equal(t, want, written(t, Current, f), "%v", f)
	}
	var c clock
	for _, f := range []float64{9223372036, 1e10, -9223372037, math.NaN(), math.Inf(1)} {
		for _, full := range []bool{true, false} {
			_, ok := c.append(nil, f, full)
			require.False(t, ok, "%v", f)
		}
	}
	for range 100_000 {
		f := (rand.Float64() - 0.5) * 1.8e10
		b, ok := c.append(nil, f, true)
		require.True(t, ok)
		got, err := parseTime(b, time.UTC)
		require.NoError(t, err)
		require.InDelta(t, f, got, 1.01e-9, "%s", b)
		require.LessOrEqual(t, got, f, "%s", b)
		if math.Abs(f) > 1<<24 {
			require.Equal(t, f, got, "%s", b)
		}
	}
}

// TestTimesAreNotInTheFuture: those with three digits are rounded down, but for a
// millisecond that a double cannot say better.
func TestTimesAreNotInTheFuture(t *testing.T) {
	for f, want := range map[float64]string{
		1126645547.9999: "2005-09-13T21:05:47.999", 0.0019: "1970-01-01T00:00:00.001", 1126769403.789: "2005-09-15T07:30:03.789",
		0.9999999999: "1970-01-01T00:00:00.999",
	} {
		require.Equal(t, want, written(t, Dialect{}, f), "%v", f)
	}
	var c clock
	for milli := range int64(1000) { // each is what it was
		f := 1764355000 + float64(milli)/1e3
		got, err := parseTime([]byte(written(t, Dialect{}, f)), time.UTC)
		require.NoError(t, err)
		require.Equal(t, f, got)
	}
	for range 100_000 {
		f := rand.Float64() * 4e9
		b, ok := c.append(nil, f, false)
		require.True(t, ok)
		got, err := parseTime(b, time.UTC)
		require.NoError(t, err)
		require.LessOrEqual(t, got, f, "%s", b)
		require.Greater(t, got, f-0.001001, "%s", b)
	}
	_, ok := c.append(nil, -1, false)
	require.False(t, ok, "before 1970")
}

// TestTimeZone: a Zeek before 8.0 has times in its own.
func TestTimeZone(t *testing.T) {
	const newYork = "America/New_York"
	zone, err := time.LoadLocation(newYork)
	if err != nil {
		t.Skip("needs the time zones of the system")
	}
	e, d := NewEncoder("/sshd/events", DialectOf("7.2.0")), NewDecoder(Limits{})
	e.In(zone)
	d.In(zone)
	for f, want := range map[float64]string{
		1126645547.25:  `"2005-09-13T17:05:47.250"`, // summer
		1136214245.5:   `"2006-01-02T10:04:05.500"`, // winter
		0:              `"1969-12-31T19:00:00.000"`,
		1126645547.251: `"2005-09-13T17:05:47.251"`,
	} {
		ev := &event.Event{Name: "e", Args: []event.Value{float(event.Time, f), many(event.Vector, float(event.Time, f+1))}}
		b, err := e.AppendEvent(nil, ev)
		require.NoError(t, err)
		require.Contains(t, string(b), want)
		require.Equal(t, ev.Args, decode(t, d, b).Args)
	}
	got, err := d.clock.parse([]byte("2005-09-13T21:05:47.250Z"))
	require.NoError(t, err)
	require.Equal(t, 1126645547.25, got, "a zone in the text counts")
}

// TestLoadZone: what is not there is told with what can be done.
func TestLoadZone(t *testing.T) {
	zone, err := LoadZone("")
	require.NoError(t, err)
	require.Nil(t, zone)
	for _, name := range []string{"Nowhere/None", "../../etc/passwd", "/etc/localtime"} {
		_, err = LoadZone(name)
		require.ErrorContains(t, err, "tzdata")
	}
	zone, err = LoadZone("UTC")
	require.NoError(t, err)
	require.NotNil(t, zone)
}

// paired is an event as a Zeek writes it that was sent a time and the exact one.
func paired(timestamp, timespan string) []byte {
	return []byte(`{"type":"data-message","topic":"/sshd/events","@data-type":"vector","data":[` +
		`{"@data-type":"count","data":1},{"@data-type":"count","data":1},{"@data-type":"vector","data":[` +
		`{"@data-type":"string","data":"e"},{"@data-type":"vector","data":[` +
		`{"@data-type":"timestamp","data":"` + timestamp + `"},{"@data-type":"timespan","data":"` + timespan + `"}]}]}]}`)
}

// TestExactTimesAreJoined: also those before 1970, which Zeek cuts to the second
// above, those in the zone of an old one, and those that Broker up to 2.7 writes in
// hours.
func TestExactTimesAreJoined(t *testing.T) {
	for _, c := range []struct {
		timestamp, timespan string
		anyZone             bool
		want                float64 // 0: they are two
	}{
		{"2005-09-13T21:05:47.123", "1126645547123456us", false, 1126645547.123456},
		{"2005-09-13T21:05:47.999", "1126645547999999us", false, 1126645547.999999},
		{"2005-09-13T21:05:48.000", "1126645547999999us", false, 1126645547.999999},
		{"1969-12-31T23:59:59.000", "-1500ms", false, -1.5},
		{"1970-01-01T00:00:00.000", "-250ms", false, -0.25},
		{"1960-01-01T00:00:00.000", "-315619200000001us", false, -315619200.000001},
		{"1969-12-31T23:59:59.000", "-2500ms", false, 0},
		{"1970-01-01T00:00:02.000", "1500ms", false, 0},
		{"2005-09-13T17:05:47.123", "1126645547123456us", false, 0},
		{"2005-09-13T17:05:47.123", "1126645547123456us", true, 1126645547.123456},
		{"2005-09-14T02:50:47.123", "1126645547123456us", true, 1126645547.123456},
		{"2005-09-13T17:06:47.123", "1126645547123456us", true, 0},
		{"1970-01-01T01:00:01.000", "1s", true, 0},
		{"2014-08-29T08:38:21.975", "391472.639437h", false, 1409301501.9732},
		{"2024-08-22T02:11:58.291", "478970.199526h", false, 1724292718.2936},
		{"2024-08-21T22:11:58.291", "478970.199526h", true, 1724292718.2936},
		{"2005-09-13T21:05:47.123", "312957.096423h", false, 1126645547.1228},
		{"2024-08-22T02:11:58.290", "478970.199526h", false, 0},
		{"1970-01-01T00:00:02.002", "2s", false, 0},
	} {
		d := NewDecoder(Limits{})
		d.ExactTime, d.AnyZone = true, c.anyZone
		got := decode(t, d, paired(c.timestamp, c.timespan)).Args
		if c.want == 0 {
			require.Len(t, got, 2, "%+v", c)
			continue
		}
		require.Len(t, got, 1, "%+v", c)
		require.Equal(t, event.Time, got[0].Type)
		require.InDelta(t, c.want, got[0].Float(), 2.5e-7, "%+v", c) // the last bit
	}
}

// readAsCAF reads a number as Zeek's library does: digit by digit, and then by
// powers of ten.
func readAsCAF(s string) float64 {
	mantissa, exponent, _ := strings.Cut(s, "e")
	exp := 0
	for _, c := range strings.TrimLeft(exponent, "+-") {
		exp = exp*10 + int(c-'0')
	}
	if strings.HasPrefix(exponent, "-") {
		exp = -exp
	}
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	f := 0.0
	for _, c := range whole + fraction {
		f = f*10 + float64(c-'0')
	}
	exp -= len(fraction)
	table := []float64{1e1, 1e2, 1e4, 1e8, 1e16, 1e32, 1e64, 1e128, 1e256}
	for i, n := 0, max(exp, -exp); n != 0; i, n = i+1, n>>1 {
		switch {
		case n&1 != 0 && exp < 0:
			f /= table[i]
		case n&1 != 0:
			f *= table[i]
		}
	}
	return math.Copysign(f, map[bool]float64{true: -1, false: 1}[mantissa[0] == '-'])
}

// TestReadReals: Zeek reads all that is written to it as about what it was.
func TestReadReals(t *testing.T) {
	all := []float64{1e300, 1e-300, -1e300, -1e-300, 1e-307, 1.797e308, -1.797e308, 1.5, 0}
	for range 100_000 {
		if f := math.Float64frombits(rand.Uint64()); math.Abs(f) <= maxReal && math.Abs(f) >= minReal {
			all = append(all, f)
		}
	}
	for _, f := range all {
		b, ok := appendReal(nil, f)
		require.True(t, ok, "%v", f)
		got := readAsCAF(string(b))
		require.False(t, math.IsInf(got, 0), "%v", f)
		require.InDelta(t, f, got, math.Abs(f)*1e-14, "%v", f)
		require.Equal(t, f == 0, got == 0, "%v", f)
	}
	require.True(t, math.IsInf(readAsCAF("1.7976931348623157e+308"), 1))
	for _, f := range []float64{math.MaxFloat64, math.Inf(1), math.NaN(), 5e-324, -2e-308} {
		_, ok := appendReal(nil, f)
		require.False(t, ok)
	}
}

// TestUnicodeNUL: where Zeek reads \u, a NUL is one.
func TestUnicodeNUL(t *testing.T) {
	ev := &event.Event{Name: "e", Args: []event.Value{text("a\x00b"), text("\x00"), text(`\u0000`), text(`\x00`)}}
	e := NewEncoder("/sshd/events", Current)
	b, err := e.AppendEvent(nil, ev)
	require.NoError(t, err)
	require.Contains(t, string(b), `"a\u0000b"`)
	require.Equal(t, ev.Args, decode(t, NewDecoder(Limits{}), b).Args)
}

// hostile are texts that somebody may send to do harm.
func hostile() []string {
	return []string{
		"\xff", "\xfe\xff", "a\x00b", `\`, `\\`, `\"`, `"`, `\u0041`, `\u`, `\ud800`, `\x00`, "\x7f", "\u2028\u2029", "\xed\xa0\x80",
		"\xed\xa0\x80\xed\xb0\x80", "\xc0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\ufeff", "\ufffd", "\U0010ffff", "\r\n\t\b\f\v\x1b[2J",
		`"}]}]}]}`, "%s%n", strings.Repeat("\xff", 1000), strings.Repeat(`\`, 1000), strings.Repeat("\x00", 100),
	}
}

// TestHostileTexts come back as they were, from all places where there are texts.
func TestHostileTexts(t *testing.T) {
	e := NewEncoder("/sshd/events", Current)
	for _, s := range hostile() {
		ev := &event.Event{Name: s, Time: 1126645547.5, Args: []event.Value{
			text(s), many(event.Vector, text(s)), many(event.Set, text(s)), many(event.Table, text(s), text(s)),
			{Type: event.Enum, Bytes: []byte(s)},
		}}
		b, err := e.AppendEvent(nil, ev)
		require.NoError(t, err)
		got := decode(t, NewDecoder(Limits{}), b)
		require.Equal(t, ev.Name, got.Name)
		require.Equal(t, ev.Args, got.Args, "%q", s)
		require.Equal(t, utf8.ValidString(s), utf8.Valid(b), "%q", s)
	}
}

// TestPatternsThatIgnore: Zeek has around both expressions what we have within.
func TestPatternsThatIgnore(t *testing.T) {
	read := func(exact, anywhere string) event.Value {
		v := many(event.Vector, text(exact), text(anywhere))
		return through(t, encoder(), NewDecoder(Limits{}), &event.Event{Name: "e", Args: []event.Value{v}}).Args[0]
	}
	for want, c := range map[string][2]string{
		"(?i:foo)":      {`(?i:^?(foo)$?)`, `(?i:^?(.|\n)*(foo))`},
		"(?s:.*)":       {`(?s:^?(.*)$?)`, `(?s:^?(.|\n)*(.*))`},
		"(?s:(?i:a|b))": {`(?s:(?i:^?(a|b)$?))`, `(?s:(?i:^?(.|\n)*(a|b)))`},
		"(?i:(?s:a))":   {`(?i:(?s:^?(a)$?))`, `(?i:(?s:^?(.|\n)*(a)))`},
		"((?i:a))(b)":   {`^?(((?i:a))(b))$?`, `^?(.|\n)*(((?i:a))(b))`},
	} {
		got := read(c[0], c[1])
		require.Equal(t, event.Value{Type: event.Pattern, Bytes: []byte(want)}, got)
		again := through(t, encoder(), NewDecoder(Limits{}), &event.Event{Name: "e", Args: []event.Value{got}})
		require.Equal(t, []event.Value{got}, again.Args, "what was read can be sent")
	}
	for _, c := range [][2]string{
		{`(?i:^?(foo)$?)`, `^?(.|\n)*(foo)`}, {`(?i:^?(foo)$?)`, `(?s:^?(.|\n)*(foo))`}, {`(?i:`, `(?i:`}, {`(?i:)`, `(?i:)`},
		{`(?i:^?(foo)$?)`, `(?i:^?(.|\n)*(bar))`},
	} {
		require.Equal(t, event.Vector, read(c[0], c[1]).Type)
	}
}

// TestEventsHaveTheirTime where Zeek takes it.
func TestEventsHaveTheirTime(t *testing.T) {
	for _, when := range []float64{1126645547.123456, 1126645547.5, 0, -1, math.NaN(), 1e12, math.Inf(1)} {
		ev := &event.Event{Name: "e", Time: when, Args: []event.Value{count(1)}}
		d := NewDecoder(Limits{})
		got := through(t, NewEncoder("/sshd/events", Current), d, ev)
		require.Equal(t, ev.Args, got.Args)
		if when > 0 && when < 1e10 {
			require.Equal(t, when, got.Time)
		} else {
			require.Zero(t, got.Time)
		}
		require.Zero(t, through(t, encoder(), d, ev).Time)
	}
	b, err := NewEncoder("t", Current).AppendEvent(nil, &event.Event{Name: "e", Time: 1126645547.5})
	require.NoError(t, err)
	require.Contains(t, string(b), `{"@data-type":"vector","data":[]},{"@data-type":"vector","data":[{"@data-type":"vector","data":[`+
		`{"@data-type":"count","data":1},{"@data-type":"timestamp","data":"2005-09-13T21:05:47.500"}]}]}]}]}`)
}
