package zeek

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// through encodes and decodes an event.
func through(t testing.TB, e *Encoder, d *Decoder, ev *event.Event) *event.Event {
	t.Helper()
	b, err := e.AppendEvent([]byte("before"), ev)
	require.NoError(t, err)
	require.Equal(t, "before", string(b[:6]))
	return decode(t, d, b[6:])
}

func encoder() *Encoder { return NewEncoder("/sshd/events", Dialect{}) }

// TestExactTimes: a time has milliseconds; with the option it is what it was.
func TestExactTimes(t *testing.T) {
	times := []float64{0, 0.000001, 0.9996, 1126645547.123456, 1126645547.9999, 4102444800.123457}
	e, d := encoder(), NewDecoder(Limits{})
	for _, f := range times {
		ev := &event.Event{Name: "e", Args: []event.Value{float(event.Time, f)}}
		got := through(t, e, d, ev)
		require.Len(t, got.Args, 1)
		require.InDelta(t, f-0.0005, got.Args[0].Float(), 0.0005001)
	}
	e.ExactTime, d.ExactTime = true, true
	for _, f := range times {
		args := []event.Value{float(event.Time, f), float(event.Interval, 5), float(event.Time, f),
			many(event.Record, float(event.Time, f), text("x"))}
		got := through(t, e, d, &event.Event{Name: "e", Args: args})
		require.Len(t, got.Args, 4)
		require.Equal(t, args[:3], got.Args[:3])
		require.Equal(t, args[3].Elems, got.Args[3].Elems)
	}
	// In a set or a vector there is no place for a second value.
	b, err := e.AppendEvent(nil, &event.Event{Name: "e", Args: []event.Value{many(event.Vector, float(event.Time, 1))}})
	require.NoError(t, err)
	require.NotContains(t, string(b), "timespan")
}

// TestIntervals keep their nanoseconds, and their sign.
func TestIntervals(t *testing.T) {
	e, d := encoder(), NewDecoder(Limits{})
	for _, f := range []float64{0, 1e-9, -1e-9, 1.5, -1.5, 0.000001, 86400.123456789, -3600.000000001, 9e9} {
		got := through(t, e, d, &event.Event{Name: "e", Args: []event.Value{float(event.Interval, f)}})
		require.Equal(t, f, got.Args[0].Float())
	}
}

// TestSpans: every form that Zeek writes.
func TestSpans(t *testing.T) {
	for s, want := range map[string]float64{
		"0s": 0, "1.5min": 90, "123.456789ms": 0.123456789, "1500000001ns": 1.500000001, "-2us": -2e-6,
		"1.5s": 1.5, "3h": 10800, "-1d": -86400, "1e3s": math.NaN(), "5": math.NaN(), "s": math.NaN(), "infs": math.NaN(),
	} {
		got, err := parseSpan([]byte(s))
		if math.IsNaN(want) {
			require.ErrorIs(t, err, ErrMalformed, s)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, got, s)
	}
}

// TestTimestamps: every form of ISO 8601 that may come.
func TestTimestamps(t *testing.T) {
	for s, want := range map[string]float64{
		"2005-09-13T21:05:47.500": 1126645547.5, "2005-09-13T21:05:47": 1126645547, "2005-09-13T21:05:47Z": 1126645547,
		"2005-09-13T21:05:47.123456": 1126645547.123456, "2005-09-13T23:05:47.250+02:00": 1126645547.25,
		"1969-12-31T23:59:59.500": -0.5,
	} {
		got, err := parseTime([]byte(s), time.UTC)
		require.NoError(t, err)
		require.Equal(t, want, got, s)
	}
	// Those in the second of the last one are read in another way.
	var c clock
	for _, s := range []string{
		"2005-09-13T21:05:47.500", "2005-09-13T21:05:47.001", "2005-09-13T21:05:47.999", "2005-09-13T21:05:47", "2005-09-13T21:05:47.25Z",
		"2005-09-13T21:05:47,500", "2005-09-13T21:05:47.50+", "2005-09-13T21:05:48.000", "1969-12-31T23:59:59.500", "1969-12-31T23:59:59.001",
		"2005-09-13T21:05:47.500+02:00", "2005-09-13T21:05:47.5x1", "2005-09-13T21:05:47.123", "2005-09-31T21:05:47.500", "",
	} {
		want, wantErr := parseTime([]byte(s), time.UTC)
		got, err := c.parse([]byte(s))
		require.Equal(t, wantErr, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "yesterday", "2005-13-13T21:05:47", "2005-09-13 21:05:47", "2005-09-13T21:05:47.5x"} {
		_, err := parseTime([]byte(s), time.UTC)
		require.ErrorIs(t, err, ErrMalformed, s)
	}
}

// TestReals are written so that no reader takes one for an integer.
func TestReals(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.0", 3: "3.0", -7.5: "-7.5", 1e20: "1e+20", 1e-9: "1e-09", 1e300: "1e+300", 0.1: "0.1",
	} {
		b, ok := appendReal(nil, f)
		require.True(t, ok)
		require.Equal(t, want, string(b))
	}
}

// TestUnencodable: what Zeek has no counterpart of.
func TestUnencodable(t *testing.T) {
	nested := func(t event.Type, n int, with ...event.Value) (v event.Value) {
		for range n {
			v = many(t, append(with, v)...)
		}
		return v
	}
	for name, v := range map[string]event.Value{
		"nan": float(event.Double, math.NaN()), "inf": float(event.Double, math.Inf(-1)),
		"large": float(event.Double, math.MaxFloat64), "tiny": float(event.Double, -1e-308),
		"before 1970": float(event.Time, -1), "after 9999": float(event.Time, 1e12), "no time": float(event.Time, math.NaN()),
		"long": float(event.Interval, 1e10), "no interval": float(event.Interval, math.Inf(1)),
		"port": port(65536, event.ProtoTCP), "protocol": port(1, 99), "width": subnet(private, 33),
		"enum": {Type: event.Enum, TypeName: "E", Bits: 1}, "union": {Type: event.Union},
		"odd table": many(event.Table, text("k")),
		"deep":      nested(event.Vector, 61), "deep record": nested(event.Record, 61), "deep table": nested(event.Table, 41, text("k")),
		"inside": many(event.Record, text("x"), many(event.Set, float(event.Double, math.NaN()))),
	} {
		b, err := encoder().AppendEvent([]byte("x"), &event.Event{Name: "e", Args: []event.Value{text(""), v}})
		require.ErrorIs(t, err, event.ErrUnencodable, name)
		require.Equal(t, "x", string(b))
	}
	_, err := encoder().AppendEvent(nil, &event.Event{})
	require.ErrorIs(t, err, event.ErrUnencodable)
}

// TestCompound: containers in each other, and what stands for others.
func TestCompound(t *testing.T) {
	v := many(event.Vector,
		many(event.Set, many(event.List, count(1), text("x")), many(event.List, count(2), text("y"))),
		many(event.Set, text("x")), many(event.Set), many(event.Table), many(event.Vector),
		many(event.Table, many(event.List, count(1), text("x")), many(event.Vector, event.Value{}, text("z"))),
		event.Value{Type: event.Pattern, Bytes: []byte(`a|b\.c`)},
	)
	got := through(t, encoder(), NewDecoder(Limits{}), &event.Event{Name: "e", Args: []event.Value{v}})
	require.Equal(t, fmt.Sprintf("%+v", v), fmt.Sprintf("%+v", got.Args[0]))
	// A record and a list become vectors, a function's name stands in one, a file is its name.
	for _, c := range []struct{ sent, got event.Value }{
		{many(event.Record, count(1), event.Value{}), many(event.Vector, count(1), event.Value{})},
		{many(event.List, count(1)), many(event.Vector, count(1))},
		{event.Value{Type: event.Func, Bytes: []byte("f")}, many(event.Vector, text("f"))},
		{event.Value{Type: event.File, Bytes: []byte("f")}, text("f")},
		{event.Value{Type: event.Counter, Bits: 1}, count(1)},
	} {
		got := through(t, encoder(), NewDecoder(Limits{}), &event.Event{Name: "e", Args: []event.Value{c.sent}})
		require.Equal(t, c.got, got.Args[0])
	}
}

// TestAnyOrder: the keys of an object come in any order, with others between.
func TestAnyOrder(t *testing.T) {
	got := decode(t, NewDecoder(Limits{}), []byte(` { "x" : [1, {"y": "\\"}], "data": [
		{"data":1,"@data-type":"count"}, {"@data-type":"count","z":null,"data":1},
		{"data":[{"@data-type":"string","data":"e\u00e9\ud83d\ude00\ud800\v\/"}, {"data":[
			{"data":{},"@data-type":"none"}, {"data":[{"value":{"data":2,"@data-type":"count"},"key":{"data":"k","@data-type":"string"}}],"@data-type":"table"}
		],"@data-type":"vector"}],"@data-type":"vector"}
	], "topic": "/sshd/events", "@data-type": "vector", "type": "data-message"} `))
	require.Equal(t, "eé😀\ufffd\v/", got.Name)
	require.Equal(t, []event.Value{{}, many(event.Table, text("k"), count(2))}, got.Args)
}

// TestBehindData: what stands behind the data of a value that begins as Zeek's do.
func TestBehindData(t *testing.T) {
	const before = `{"type":"data-message","topic":"/sshd/events","@data-type":"vector","data":[` +
		`{"@data-type":"count","data":1},{"@data-type":"count","data":1},{"@data-type":"vector","data":[` +
		`{"@data-type":"string","data":"e"},{"@data-type":"vector","data":[`
	for v, want := range map[string]event.Value{
		`{"@data-type":"count","data":7 , "x":[1,{"y":2}], "z":"}"}`: count(7),
		`{"@data-type":"string","data":"s"	}`:                        text("s"),
		`{"@data-type":"cou\u006et","data":8}`:                       count(8),
		`{"@data-type":"vector","data":[],"x":{}}`:                   many(event.Vector),
		` {"@data-type":"count","data":9}`:                           count(9),
	} {
		require.Equal(t, []event.Value{want}, decode(t, NewDecoder(Limits{}), []byte(before+v+"]}]}]}")).Args, v)
	}
	for _, v := range []string{
		`{"@data-type":"count","data":1,"data":1}`, `{"@data-type":"count","data":1,"@data-type":"count"}`,
		`{"@data-type":"count","data":1,}`, `{"@data-type":"count","data":1 2}`, `{"@data-type":"count","data":1]`,
		`{"@data-type":"a type with a long name","data":1}`, `{"@data-type":"","data":1}`, `{"@data-type":"count","data":1`,
	} {
		_, err := NewDecoder(Limits{}).Decode([]byte(before+v+"]}]}]}"), &event.Event{})
		require.ErrorIs(t, err, ErrMalformed, v)
	}
}

// TestLongTexts: each byte at each place of texts of all lengths around those
// that are looked at in one go, as it is and as others do it byte by byte.
func TestLongTexts(t *testing.T) {
	d := NewDecoder(Limits{})
	for _, length := range []int{1, 7, 8, 9, 16, 31, 32, 33, 70} {
		for at := range length {
			for c := range 256 {
				if c == 0 { // is written as text
					continue
				}
				s := bytes.Repeat([]byte("y"), length)
				s[at] = byte(c)
				b := appendText([]byte("before"), s, Dialect{})
				require.Equal(t, string(b), string(appendText([]byte("before"), string(s), Dialect{})))
				want := `before"` + string(appendEscaped(nil, s, Dialect{})) + `"`
				require.Equal(t, want, string(b))
				d.begin(b[len("before"):])
				require.Equal(t, s, d.text())
				require.NoError(t, d.finish())
			}
		}
	}
}

// TestNetworkTime: Zeek sends the time of an event with it.
func TestNetworkTime(t *testing.T) {
	const before = `{"type":"data-message","topic":"/sshd/events","@data-type":"vector","data":[` +
		`{"@data-type":"count","data":1},{"@data-type":"count","data":1},{"@data-type":"vector","data":[` +
		`{"@data-type":"string","data":"e"},{"@data-type":"vector","data":[]},{"@data-type":"vector","data":[`
	pair := `{"@data-type":"vector","data":[{"@data-type":"count","data":1},{"@data-type":"timestamp","data":"2005-09-13T21:05:47.500"}]}`
	require.Equal(t, 1126645547.5, decode(t, NewDecoder(Limits{}), []byte(before+pair+"]}]}]}")).Time)
	require.Zero(t, decode(t, NewDecoder(Limits{}), []byte(before+"]}]}]}")).Time)
}

// TestNoEvent: a data message may hold anything.
func TestNoEvent(t *testing.T) {
	for _, data := range []string{
		`"@data-type":"count","data":1`, `"@data-type":"vector","data":[]`,
		`"@data-type":"vector","data":[{"@data-type":"count","data":1},{"@data-type":"count","data":2},{"@data-type":"vector","data":[]}]`,
		`"@data-type":"vector","data":[{"@data-type":"count","data":1},{"@data-type":"count","data":1},{"@data-type":"vector","data":[` +
			`{"@data-type":"string","data":""},{"@data-type":"vector","data":[]}]}]`, // without a name
	} {
		m, err := NewDecoder(Limits{}).Decode([]byte(`{"type":"data-message","topic":"t",`+data+"}"), &event.Event{})
		require.NoError(t, err)
		require.Nil(t, m.Event)
		require.Equal(t, "t", m.Topic)
	}
}

func TestMalformed(t *testing.T) {
	value := func(v string) string {
		return `{"type":"data-message","topic":"t","@data-type":"vector","data":[` + v + "]}"
	}
	for _, s := range []string{
		"", "{", "[]", "{}", `{"type":"greeting"}`, `{"type":"ack"} x`, `{"type":"data-message","topic":"t"}`,
		`{"type":"ack","endpoint":1}`, `{"type":"ack" "version":""}`, `{"type":"ack",}`, `{"type":"data-message","data":1}`,
		value(`1`), value(`{}`), value(`{"@data-type":"count"}`), value(`{"data":1}`),
		value(`{"@data-type":"count","data":-1}`), value(`{"@data-type":"count","data":1.0}`),
		value(`{"@data-type":"count","data":18446744073709551616}`), value(`{"@data-type":"count","data":"1"}`),
		value(`{"@data-type":"count","data":1,"data":2}`), value(`{"data":1,"@data-type":"count","data":2}`),
		value(`{"@data-type":"count","@data-type":"count","data":2}`), value(`{"@data-type":"nothing","data":1}`),
		value(`{"@data-type":"integer","data":9223372036854775808}`), value(`{"@data-type":"real","data":x}`),
		value(`{"@data-type":"boolean","data":1}`), value(`{"@data-type":"string","data":"\x00"}`),
		value(`{"@data-type":"string","data":"x`), value(`{"@data-type":"string","data":"\u12g4"}`), value(`{"@data-type":"string","data":"\`),
		value(`{"@data-type":"port","data":"22"}`), value(`{"@data-type":"port","data":"65536/tcp"}`), value(`{"@data-type":"port","data":"1/sctp"}`),
		value(`{"@data-type":"address","data":"1.2.3"}`), value(`{"@data-type":"address","data":"fe80::1%eth0"}`),
		value(`{"@data-type":"subnet","data":"1.2.3.4"}`), value(`{"@data-type":"subnet","data":"1.2.3.4/33"}`), value(`{"@data-type":"subnet","data":"::ffff:1.2.3.4/90"}`),
		value(`{"@data-type":"table","data":[{"key":{"@data-type":"count","data":1}}]}`), value(`{"@data-type":"table","data":[1]}`),
		value(`{"@data-type":"table","data":[{"key":{"@data-type":"count","data":1},"key":{"@data-type":"count","data":1},"value":{"@data-type":"count","data":1}}]}`),
		value(`{"@data-type":"vector","data":[1]}`), value(`{"@data-type":"vector","data":{}}`),
	} {
		_, err := NewDecoder(Limits{}).Decode([]byte(s), &event.Event{})
		require.ErrorIs(t, err, ErrMalformed, s)
	}
}

func TestLimits(t *testing.T) {
	tables, deep := count(1), count(1)
	for range 40 {
		tables = many(event.Table, text("k"), tables)
	}
	for range 60 {
		deep = many(event.Vector, deep)
	}
	b, err := encoder().AppendEvent(nil, &event.Event{Name: "e", Args: []event.Value{tables, deep}})
	require.NoError(t, err)
	_, err = NewDecoder(Limits{}).Decode(b, &event.Event{})
	require.NoError(t, err, "the deepest that is written is read")

	ev := &event.Event{}
	_, err = NewDecoder(Limits{MaxDepth: 100}).Decode(b, ev)
	require.ErrorIs(t, err, ErrLimit)
	_, err = NewDecoder(Limits{MaxMessage: 100}).Decode(b, ev)
	require.ErrorIs(t, err, ErrLimit)
	_, err = NewDecoder(Limits{MaxValues: 50}).Decode(b, ev)
	require.ErrorIs(t, err, ErrLimit)
	for _, open := range []string{"[", `{"a":`, `{"data":[`, `{"@data-type":"vector","data":[`} {
		_, err = NewDecoder(Limits{}).Decode([]byte(`{"a":`+strings.Repeat(open, 1000)), ev)
		require.ErrorIs(t, err, ErrLimit, open)
	}
}

// TestDecoderLetsGo: what one message or many have taken is not kept for ever.
func TestDecoderLetsGo(t *testing.T) {
	d := NewDecoder(Limits{})
	read := func(name string, args ...event.Value) {
		t.Helper()
		b, err := encoder().AppendEvent(nil, &event.Event{Name: name, Args: args})
		require.NoError(t, err)
		_, err = d.Decode(b, &event.Event{})
		require.NoError(t, err)
	}
	for i := range 2 * maxNames {
		read(fmt.Sprintf("event_%d", i))
	}
	require.LessOrEqual(t, len(d.names), maxNames)
	read("large", many(event.Vector, make([]event.Value, 20_000)...), text(strings.Repeat(`\`, maxKept)))
	require.Greater(t, cap(d.scratch), maxKept)
	require.Greater(t, cap(d.arena), 10_000)
	read("small")
	require.LessOrEqual(t, cap(d.scratch), maxKept)
	require.Less(t, cap(d.arena), 10_000)
	require.Less(t, cap(d.stack), 10_000)
}

func TestSubscriptions(t *testing.T) {
	want := Subscription{"zeek/events/", `a"b\`, ""}
	var got Subscription
	require.NoError(t, got.Decode(NewDecoder(Limits{}), want.AppendTo(nil)))
	require.Equal(t, want, got)
	require.NoError(t, got.Decode(NewDecoder(Limits{}), []byte(" [ ] ")))
	require.Empty(t, got)
	for _, s := range []string{"", "{}", "[1]", `["a" "b"]`, `["a"]x`} {
		require.ErrorIs(t, got.Decode(NewDecoder(Limits{}), []byte(s)), ErrMalformed)
	}
}

func TestAck(t *testing.T) {
	want := &Ack{Endpoint: "925c9110-5b87-57d9-9d80-b65568e87a44", Version: "2.7.0"}
	m, err := NewDecoder(Limits{}).Decode(want.AppendTo(nil), &event.Event{})
	require.NoError(t, err)
	require.Equal(t, want, m.Ack)
}

// TestNamesAreBounded: only short ones are kept, and not many.
func TestNamesAreBounded(t *testing.T) {
	d := NewDecoder(Limits{})
	require.Len(t, d.intern(bytes.Repeat([]byte("n"), maxNameLen+1)), maxNameLen+1)
	require.Empty(t, d.names)
	for i := range 2 * maxNames {
		d.intern([]byte(strconv.Itoa(i)))
		require.LessOrEqual(t, len(d.names), maxNames)
	}
}
