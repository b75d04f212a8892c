package eventlog

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

func str(s string) event.Value   { return event.Value{Type: event.String, Bytes: []byte(s)} }
func count(n uint64) event.Value { return event.Value{Type: event.Count, Bits: n} }
func float(t event.Type, f float64) event.Value {
	return event.Value{Type: t, Bits: math.Float64bits(f)}
}
func many(t event.Type, elems ...event.Value) event.Value { return event.Value{Type: t, Elems: elems} }
func named(name string, v event.Value) event.Value {
	v.Field = name
	return v
}

// rowOf returns the line of an event from p, if it has these columns.
func rowOf(s *schema, ev *event.Event, names []string) (line []byte, fits bool) {
	var w writer
	r := w.row(s, ev, Peer{Addr: "p"}, names, DefaultMaxLine)
	return w.b, r == written
}

func flatRow(t *testing.T, ev *event.Event, names []string) string {
	t.Helper()
	line, fits := rowOf(flat, ev, names)
	require.True(t, fits)
	return string(line)
}

var v4 = [16]byte{10: 255, 11: 255, 12: 10, 15: 1}

// TestColumns: how each type is headed and written. A record takes several
// columns.
func TestColumns(t *testing.T) {
	for _, c := range []struct {
		v                   event.Value
		fields, types, cell string
	}{
		{event.Value{Type: event.Bool, Bits: 1}, "a", "bool", "T"},
		{event.Value{Type: event.Bool}, "a", "bool", "F"},
		{event.Value{Type: event.Int, Bits: 1 << 63}, "a", "int", "-9223372036854775808"},
		{count(math.MaxUint64), "a", "count", "18446744073709551615"},
		{float(event.Double, 0.1), "a", "double", "0.1"},
		{float(event.Double, math.Inf(-1)), "a", "double", "-inf"},
		{float(event.Time, 1126645547.25), "a", "time", "1126645547.250000"},
		{float(event.Time, math.NaN()), "a", "time", "-"},
		{float(event.Interval, -1.5), "a", "interval", "-1.500000"},
		{str("plain, with a comma"), "a", "string", "plain, with a comma"},
		{str("a\tb\nc\\d\x00\x7f"), "a", "string", `a\x09b\x0ac\\d\x00\x7f`},
		{str("é\u0085\xff\u2028"), "a", "string", `é\xc2\x85\xff\xe2\x80\xa8`},
		{str("cut off \xe2\x82"), "a", "string", `cut off \xe2\x82`},
		{str(""), "a", "string", "(empty)"},
		{str("-"), "a", "string", `\x2d`},
		{str("(empty)"), "a", "string", `\x28empty)`},
		{str("--"), "a", "string", "--"},
		{event.Value{Type: event.Pattern, Bytes: []byte(`a\.*`)}, "a", "pattern", `/a\\.*/`},
		{event.Value{Type: event.Enum, TypeName: "E", Bits: 2}, "a", "enum", "E(2)"},
		{event.Value{Type: event.Port, Bits: 22, Proto: 6}, "a", "port", "22"},
		{event.Value{Type: event.Addr, Addr: v4}, "a", "addr", "10.0.0.1"},
		{event.Value{Type: event.Subnet, Addr: v4, Width: 8}, "a", "subnet", "10.0.0.1/8"},
		{event.Value{}, "a", "string", "-"},
		{many(event.Set, str("x,y"), str(""), str("-")), "a", "set[string]", `x\x2cy,(empty),\x2d`},
		{many(event.Vector, count(1), event.Value{}, count(2)), "a", "vector[count]", "1,-,2"},
		{many(event.Set), "a", "set[string]", "(empty)"},
		{many(event.Table, count(1), str(`"`)), "a", "string", `[{"key":1,"value":"\\""}]`},
		{many(event.Set, many(event.List, count(1), count(2))), "a", "string", `[{"0":1,"1":2}]`},
		{many(event.Vector, count(1), str("x")), "a", "string", `[1,"x"]`},
		{many(event.Record), "a", "string", "{}"},
		{many(event.Record, named("x", count(1)), named("in", many(event.Record, named("y", str("s")), event.Value{}))),
			"a.x\ta.in.y\ta.in.1", "count\tstring\tstring", "1\ts\t-"},
	} {
		ev := &event.Event{Name: "e", Time: 1, Args: []event.Value{c.v}}
		s := (*schema)(nil).with(ev, []string{"a"})
		require.Equal(t, "#fields\tts\tpeer\thost\t"+c.fields+"\n#types\ttime\tstring\tstring\t"+c.types+"\n", s.head)
		line, fits := rowOf(s, ev, []string{"a"})
		require.True(t, fits)
		require.Equal(t, "1.000000\tp\t-\t"+c.cell, string(line))
	}
}

func TestNamesOfColumns(t *testing.T) {
	heading := func(names []string, args ...event.Value) string {
		s := (*schema)(nil).with(&event.Event{Args: args}, names)
		fields, _, _ := strings.Cut(s.head, "\n")
		return strings.TrimPrefix(fields, "#fields\tts\tpeer\thost\t")
	}
	one := count(1)
	require.Equal(t, "args.ts\tsid\targs.sid\targs.sid_2\targs.peer", heading([]string{"ts", "sid", "sid", "sid", "peer"}, one, one, one, one, one))
	require.Equal(t, "args.host", heading([]string{"host"}, one))
	require.Equal(t, "arg1\targ2", heading(nil, one, one), "names that are not known")
	require.Equal(t, "arg1\targ2", heading([]string{"a"}, one, one), "names of something else")
	hostile := many(event.Record, named("x\ty\nz", one), named("", one), named("-", one))
	require.Equal(t, `r.x\x09y\x0az`+"\tr.1\tr.-", heading([]string{"r"}, hostile))
}

// TestSchemaFollows: values that are not always set change the columns once.
func TestSchemaFollows(t *testing.T) {
	record := func(v event.Value) event.Value { return many(event.Record, named("x", count(1)), named("y", v)) }
	steps := []struct {
		args   []event.Value
		change bool
		types  string
	}{
		{[]event.Value{{}, many(event.Set), record(event.Value{})}, true, "string set[string] count string"},
		{[]event.Value{{}, many(event.Set), record(event.Value{})}, false, ""},
		{[]event.Value{count(1), many(event.Set, count(2)), record(str("y"))}, true, "count set[count] count string"},
		{[]event.Value{{}, many(event.Set), record(event.Value{})}, false, ""},
		{[]event.Value{count(1), many(event.Set, event.Value{}), {}}, false, ""},
		{[]event.Value{count(1), many(event.Set, str("t")), record(event.Value{})}, true, "count set[string] count string"},
		{[]event.Value{count(1), {}, many(event.Record, named("z", count(1)))}, true, "count set[string] count"},
		{[]event.Value{count(1), {}, many(event.Table)}, true, "count set[string] string"},
		{[]event.Value{count(1), {}, count(7)}, false, ""}, // JSON takes anything
		{[]event.Value{count(1)}, true, "count"},
	}
	var s *schema
	for i, step := range steps {
		ev := &event.Event{Args: step.args}
		fits := false
		if s != nil {
			_, fits = rowOf(s, ev, nil)
		}
		require.Equal(t, step.change, !fits, i)
		if fits {
			continue
		}
		s = s.with(ev, nil)
		line, fits := rowOf(s, ev, nil)
		require.True(t, fits)
		_, types, _ := strings.Cut(strings.TrimSuffix(s.head, "\n"), "#types\ttime\tstring\tstring\t")
		require.Equal(t, step.types, strings.ReplaceAll(types, "\t", " "), i)
		require.Equal(t, strings.Count(types, "\t"), strings.Count(string(line), "\t")-3, "columns")
	}
}

func TestManyColumnsBecomeJSON(t *testing.T) {
	wide := func(n int) event.Value {
		v := event.Value{Type: event.Record}
		for range n {
			v.Elems = append(v.Elems, count(1))
		}
		return v
	}
	deep := count(1)
	for range maxDepth + 1 {
		deep = many(event.Record, deep)
	}
	args := make([]event.Value, maxColumns+1)
	for i := range args {
		args[i] = count(uint64(i))
	}
	for name, c := range map[string]struct {
		args    []event.Value
		columns int
	}{
		"wide record":  {[]event.Value{wide(maxColumns + 1)}, 1},
		"wide records": {[]event.Value{wide(200), count(1), wide(100)}, 3},
		"deep record":  {[]event.Value{deep}, 1},
		"many args":    {args, 1},
		"long name":    {[]event.Value{many(event.Record, event.Value{Type: event.Count, Field: strings.Repeat("f", maxFieldName+1)})}, 1},
	} {
		ev := &event.Event{Args: c.args}
		s := (*schema)(nil).with(ev, nil)
		line, fits := rowOf(s, ev, nil)
		require.True(t, fits, name)
		cells := strings.Split(string(line), "\t")
		require.Len(t, cells, c.columns+3, name)
		require.True(t, json.Valid([]byte(cells[3])), name)
	}
	_, fits := rowOf(manyArgs, &event.Event{Args: args[:2]}, nil)
	require.False(t, fits)
}

func TestFlatLine(t *testing.T) {
	ev := &event.Event{Name: "a::b\t", Time: 2, Args: []event.Value{str("x\ty\\"), count(1)}}
	require.Equal(t, "2.000000\tp\t-\ta::b\\x09\t"+`{"s":"x\\ty\\\\","n":1}`, flatRow(t, ev, []string{"s", "n"}))
	require.Equal(t, "2.000000\tp\t-\te\t{}", flatRow(t, &event.Event{Name: "e", Time: 2}, nil))
}

func TestOpeningAndClosing(t *testing.T) {
	at := time.Date(2026, 11, 25, 7, 6, 5, 0, time.Local)
	s := (*schema)(nil).with(&event.Event{Args: []event.Value{count(1)}}, []string{"n"})
	b := appendClosing(appendOpening(nil, "e", at, s.head), at)
	require.Equal(t, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\te\n"+
		"#open\t2026-11-25-07-06-05\n#fields\tts\tpeer\thost\tn\n#types\ttime\tstring\tstring\tcount\n#close\t2026-11-25-07-06-05\n", string(b))
}

func TestFileNames(t *testing.T) {
	long := strings.Repeat("x", 1000)
	names := map[string]string{
		"sensor_sshd_exec": "sensor_sshd_exec",
		"SSH::login":       "SSH.login",
		"a.b":              "a%2Eb",
		"a:b":              "a%3Ab",
		"::a":              "%3A%3Aa",
		"..":               "%2E%2E",
		"../../etc/cron":   "%2E%2E%2F%2E%2E%2Fetc%2Fcron",
		"/abs":             "%2Fabs",
		"a\x00b\n":         "a%00b%0A",
		"a%2Fb":            "a%252Fb",
		"-rf":              "%2Drf",
		"é":                "%C3%A9",
		"":                 "%",
		"comm":             "%63omm",
		"remote":           "%72emote",
		"events":           "%65vents",
		"other":            "%6Fther",
		"sshd_session":     "%73shd_session",
	}
	seen := map[string]string{}
	for ev, want := range names {
		require.Equal(t, want, fileName(ev))
		seen[want] = ev
	}
	require.Len(t, seen, len(names), "no two have the same")
	require.Len(t, fileName(long), maxFileName)
	require.NotEqual(t, fileName(long), fileName(long+"x"))
	require.Regexp(t, `^x+%[0-9a-f]{16}$`, fileName(long))
}
