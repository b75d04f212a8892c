package zeek

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// recording is a message as a real Broker 2.7.0 was sent it, and what a second
// client received of it, or the error that came back.
type recording struct{ Sent, Received, Error string }

// bytesOf undoes the picture of the bytes that the recording has.
func bytesOf(s string) []byte {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

func recordings(t testing.TB) map[string]recording {
	t.Helper()
	f, err := os.Open("testdata/broker-2.7.0.jsonl")
	require.NoError(t, err)
	defer f.Close()
	all := map[string]recording{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var r recording
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		_, rest, _ := strings.Cut(r.Sent, `{"@data-type":"string","data":"`)
		name, _, _ := strings.Cut(rest, `"`)
		all[name] = r
	}
	require.NoError(t, lines.Err())
	require.Len(t, all, 32)
	return all
}

func float(t event.Type, f float64) event.Value {
	return event.Value{Type: t, Bits: math.Float64bits(f)}
}
func text(s string) event.Value  { return event.Value{Type: event.String, Bytes: []byte(s)} }
func count(n uint64) event.Value { return event.Value{Type: event.Count, Bits: n} }
func port(n uint64, proto uint8) event.Value {
	return event.Value{Type: event.Port, Bits: n, Proto: proto}
}
func many(t event.Type, vs ...event.Value) event.Value { return event.Value{Type: t, Elems: vs} }

func addr(v6 ...byte) event.Value {
	v := event.Value{Type: event.Addr}
	if len(v6) == 4 {
		copy(v.Addr[10:], []byte{255, 255})
		copy(v.Addr[12:], v6)
		return v
	}
	copy(v.Addr[:], v6)
	return v
}

func subnet(a event.Value, width uint8) event.Value {
	return event.Value{Type: event.Subnet, Addr: a.Addr, Width: width}
}

var (
	db8     = addr(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	db8at1  = addr(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
	private = addr(10, 1, 2, 3)
)

// recorded is what the recorded messages hold. Those that are marked are as we
// write them ourselves, byte for byte.
var recorded = map[string]struct {
	same bool
	args []event.Value
}{
	"t00": {true, []event.Value{{Type: event.Bool, Bits: 1}, {Type: event.Int, Bits: ^uint64(4)}}},
	"t01": {true, []event.Value{count(math.MaxUint64)}},
	"t02": {true, []event.Value{count(1 << 63)}},
	"t03": {true, []event.Value{{Type: event.Int, Bits: 1 << 63}}},
	"t04": {true, []event.Value{float(event.Double, 3.25)}},
	"t05": {false, []event.Value{float(event.Double, math.Copysign(0, -1))}},
	"t06": {true, []event.Value{float(event.Double, 0.1)}},
	"t07": {false, []event.Value{float(event.Double, math.Inf(1))}},
	"t09": {false, []event.Value{float(event.Time, 1126769403.789)}},
	"t10": {false, []event.Value{float(event.Time, 1126646070.456)}},
	"t13": {false, []event.Value{float(event.Interval, 90)}},
	"t14": {false, []event.Value{float(event.Interval, 1.5)}},
	"t15": {false, []event.Value{float(event.Interval, 0)}},
	"t16": {true, []event.Value{float(event.Interval, 0.123456789)}},
	"t17": {false, []event.Value{float(event.Interval, 60)}},
	"t18": {false, []event.Value{text("tab\tnl\nq\"bs?l?b\bf\fr\r")}},
	"t19": {true, []event.Value{text("utf8 é €")}},
	"t21": {true, []event.Value{text("rawctl \x01\x1f")}},
	"t22": {true, []event.Value{text("")}},
	"t24": {true, []event.Value{port(22, event.ProtoTCP), port(53, event.ProtoUDP), port(8, event.ProtoICMP)}},
	"t25": {false, []event.Value{db8at1, private, private}},
	"t26": {true, []event.Value{subnet(addr(192, 168, 0, 0), 16), subnet(db8, 32)}},
	"t27": {true, []event.Value{{Type: event.Enum, Bytes: []byte("Module::BLUE")}}},
	"t28": {true, []event.Value{{}}},
	"t30": {true, []event.Value{many(event.Table,
		many(event.List, addr(1, 2, 3, 4), port(80, event.ProtoTCP)), text("web"))}},
	"rawff": {true, []event.Value{text("bytes \xff\xfe")}},
}

func decode(t testing.TB, d *Decoder, b []byte) *event.Event {
	t.Helper()
	var ev event.Event
	m, err := d.Decode(b, &ev)
	require.NoError(t, err, "%s", b)
	require.NotNil(t, m.Event, "%s", b)
	require.Equal(t, "/sshd/events", m.Topic)
	return m.Event
}

// TestRecordedAreRead: what a real Broker wrote is read as what it was.
func TestRecordedAreRead(t *testing.T) {
	all := recordings(t)
	for name, want := range recorded {
		got := decode(t, NewDecoder(Limits{}), bytesOf(all[name].Received))
		require.Equal(t, name, got.Name)
		require.Equal(t, want.args, got.Args, name)
	}
	// A time before 1970 makes Broker write what is no time.
	_, err := NewDecoder(Limits{}).Decode(bytesOf(all["t12"].Received), &event.Event{})
	require.ErrorIs(t, err, ErrMalformed)
}

// TestWrittenAsRecorded: what we write is, where Broker was sent the same, what
// it was sent; and it read that as what it was.
func TestWrittenAsRecorded(t *testing.T) {
	all := recordings(t)
	for name, want := range recorded {
		if !want.same {
			continue
		}
		ev := &event.Event{Name: name, Args: want.args}
		got, err := NewEncoder("/sshd/events", Dialect{}).AppendEvent(nil, ev)
		require.NoError(t, err)
		sent := bytesOf(all[name].Sent)
		require.Equal(t, string(sent), string(got))
	}
}

// TestRecordedErrors: the errors of a real Broker are read and written as such.
func TestRecordedErrors(t *testing.T) {
	n := 0
	for name, r := range recordings(t) {
		if r.Error == "" {
			continue
		}
		n++
		m, err := NewDecoder(Limits{}).Decode(bytesOf(r.Error), &event.Event{})
		require.NoError(t, err, name)
		require.Equal(t, "deserialization_failed", m.Failure.Code)
		require.Contains(t, m.Failure.Context, "input #")
		again, err := NewDecoder(Limits{}).Decode(m.Failure.AppendTo(nil), &event.Event{})
		require.NoError(t, err)
		require.Equal(t, m, again)
	}
	require.Equal(t, 5, n)
}

// TestNUL: Zeek's reader ends at one; it is written as Zeek's logs have it.
func TestNUL(t *testing.T) {
	got := through(t, encoder(), NewDecoder(Limits{}), &event.Event{Name: "e", Args: []event.Value{text("a\x00b")}})
	require.Equal(t, `a\x00b`, string(got.Args[0].Bytes))
	b, err := NewEncoder("t", DialectOf("2.7.0")).AppendEvent(nil, &event.Event{Name: "e", Args: []event.Value{text("\x00")}})
	require.NoError(t, err)
	require.Contains(t, string(b), `"\\\\x00"`)
}

// TestBackslash: Broker up to 2.7 takes backslashes off twice, as its answer to
// t18 shows; for it they are doubled twice.
func TestBackslash(t *testing.T) {
	ev := &event.Event{Name: "e", Args: []event.Value{text(`C:\new "x"`)}}
	for version, want := range map[string]string{
		"2.3.0": `"C:\\\\new \"x\""`, "2.7.0": `"C:\\\\new \"x\""`, "2.8.0-dev.97": `"C:\\new \"x\""`,
		"6.2.0": `"C:\\new \"x\""`, "7.2.0": `"C:\\new \"x\""`, "": `"C:\\new \"x\""`,
	} {
		b, err := NewEncoder("t", DialectOf(version)).AppendEvent(nil, ev)
		require.NoError(t, err)
		require.True(t, bytes.Contains(b, []byte(want)), "%s: %s", version, b)
	}
}
