package zeek

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// sentToZeek8 are values of every kind, as arguments of an event that has a number
// as well: the recording of what Zeek 8.2.2 makes of them has these.
func sentToZeek8() []event.Value {
	all := []event.Value{
		{}, {Type: event.Bool, Bits: 1}, {Type: event.Bool}, {Type: event.Int, Bits: 1 << 63}, {Type: event.Int, Bits: math.MaxInt64},
		count(0), count(math.MaxUint64), port(22, event.ProtoTCP), port(53, event.ProtoUDP), port(8, event.ProtoICMP), port(0, event.ProtoUnknown),
		private, db8at1, subnet(addr(192, 168, 0, 0), 16), subnet(db8, 32), {Type: event.Enum, Bytes: []byte("Module::BLUE")},
		{Type: event.Pattern, Bytes: []byte(`a|b\.c`)}, {Type: event.Pattern, Bytes: []byte(`(?i:foo)`)},
		many(event.Vector), many(event.Set), many(event.Table), many(event.Vector, count(1), many(event.Vector, text("x"), event.Value{})),
		many(event.Set, many(event.List, count(1), text("x")), many(event.List, count(2), text("y"))),
		many(event.Table, many(event.List, addr(1, 2, 3, 4), port(80, event.ProtoTCP)), text("web"), many(event.List, db8at1, port(1, event.ProtoUDP)), text("")),
	}
	for _, f := range []float64{0, 3, -7.5, 0.1, 123456.789, 1e300, -1e300, 1e-300, 1e-307, 1.797e308, math.Copysign(0, -1), 2.5e-6} {
		all = append(all, float(event.Double, f))
	}
	for _, f := range []float64{
		0, 1126645547.25, 1126645547.123456, 1126645547.9999996, 0.123456789, -0.5, -1.25, -86400, -315619200.000001,
		-9223372036, 9223372035.5, 4102444800.123457,
	} {
		all = append(all, float(event.Time, f))
	}
	for _, f := range []float64{0, 1.5, -1.5, 1e-9, -1500000001e-9, 0.000001, 86400, 9e9, -9e9, 1126645547.123456, -1126645547.123456} {
		all = append(all, float(event.Interval, f))
	}
	all = append(all, text(""))
	for _, s := range append(hostile(), "utf8 é € 😀", "rawctl \x01\x1f\x7f", `C:\new "x"`) {
		all = append(all, text(s), many(event.Set, text(s)), event.Value{Type: event.Enum, Bytes: []byte(s)})
	}
	return all
}

func recordedEvent(number int, v event.Value) *event.Event {
	return &event.Event{Name: "recorded", Time: 1126645547.5, Args: []event.Value{count(uint64(number)), v}}
}

// asZeek8Writes is what becomes of a value: a time is cut to the millisecond, or to
// the second if it is before 1970; a double is read digit by digit, and written
// with six decimals.
func asZeek8Writes(t *testing.T, v event.Value) event.Value {
	switch v.Type {
	case event.Time:
		f := v.Float()
		if f < 0 {
			return float(event.Time, math.Ceil(f)+0) // no negative zero
		}
		milli, _ := parts(f-math.Floor(f), math.Floor(f), 1e3)
		return float(event.Time, math.Floor(f)+float64(milli)/1e3)
	case event.Double:
		b, ok := appendReal(nil, v.Float())
		require.True(t, ok)
		f, err := strconv.ParseFloat(fmt.Sprintf("%f", readAsCAF(string(b))), 64)
		require.NoError(t, err)
		return float(event.Double, f)
	}
	return v
}

// TestSentSpans: the texts of intervals: microseconds where Zeek would make other
// nanoseconds of them.
func TestSentSpans(t *testing.T) {
	for f, want := range map[float64]string{
		1126645547.123456: "1126645547123456us", -1126645547.5: "-1126645547500000us", 0.123456789: "123456789ns", 1.5: "1500000000ns",
		9e6: "9000000000000000ns", 1e7: "10000000000000us", 1764355000.0000002: "1764355000000000238ns",
	} {
		b, ok := appendSpan(nil, f)
		require.True(t, ok)
		require.Equal(t, want, string(b), "%v", f)
	}
}

// recordingOf reads one of testdata.
func recordingOf(t testing.TB, name string) (all []recording) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var r recording
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		all = append(all, r)
	}
	require.NoError(t, lines.Err())
	return all
}

// TestZeek8: what we write is what its reader was sent, and what its writer made of
// that is read as what it was.
func TestZeek8(t *testing.T) {
	all, sent := recordingOf(t, "zeek-8.2.2.jsonl"), sentToZeek8()
	require.Len(t, all, len(sent))
	e, d := NewEncoder("romanesco/recorded", Current), NewDecoder(Limits{})
	for i, v := range sent {
		b, err := e.AppendEvent(nil, recordedEvent(i, v))
		require.NoError(t, err)
		require.Equal(t, string(bytesOf(all[i].Sent)), string(b))
		require.Empty(t, all[i].Error)
		var got event.Event
		m, err := d.Decode(bytesOf(all[i].Received), &got)
		require.NoError(t, err, "%s", all[i].Received)
		require.NotNil(t, m.Event)
		require.Equal(t, 1126645547.5, got.Time)
		require.Equal(t, fmt.Sprintf("%+v", asZeek8Writes(t, v)), fmt.Sprintf("%+v", got.Args[1]), "%d %s", i, all[i].Received)
		require.Equal(t, utf8.Valid(b), utf8.Valid(bytesOf(all[i].Received)), "bytes come as they are")
	}
}
