package eventlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// shape returns the types of a JSON value as a strict reader sees them: the
// elements of lists have one, members have names, and null is of any.
func shape(t *testing.T, v any) string {
	t.Helper()
	switch v := v.(type) {
	case nil:
		return "any"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "real"
		}
		return "whole"
	case []any:
		of := "any"
		for _, e := range v {
			if s := shape(t, e); s != "any" {
				require.Contains(t, []string{"any", s}, of, "a list of several types")
				of = s
			}
		}
		return "[" + of + "]"
	case map[string]any:
		var members []string
		for name := range v {
			members = append(members, name+":"+shape(t, v[name]))
		}
		return fmt.Sprint(len(members), strings.Join(sorted(members), " "))
	}
	return fmt.Sprintf("%T", v)
}

func sorted(s []string) []string {
	m := map[string]string{}
	for _, e := range s {
		m[e] = ""
	}
	return names(m)
}

func shapeOf(t *testing.T, line []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v), "%s", line)
	return shape(t, v)
}

// TestTypeOfAFieldNeverChanges: whatever the value of a type is.
func TestTypeOfAFieldNeverChanges(t *testing.T) {
	bits := func(ty event.Type, bits ...uint64) (vs []event.Value) {
		for _, n := range bits {
			vs = append(vs, event.Value{Type: ty, Bits: n})
		}
		return vs
	}
	floats := func(ty event.Type) (vs []event.Value) {
		for _, f := range []float64{0, 1, -1, 0.1, 5e20, 1e300, -1e300, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)} {
			vs = append(vs, float(ty, f))
		}
		return vs
	}
	var texts, enums []event.Value
	for _, s := range []string{"", "a", "\xff", "é", "\x00", "null", "1", "\xff{}"} {
		texts = append(texts, str(s))
		enums = append(enums, event.Value{Type: event.Enum, TypeName: s, Bits: 1}, event.Value{Type: event.Enum, Bytes: []byte(s)})
	}
	one, key := count(1), many(event.List, count(1), str("x"))
	for name, vs := range map[string][]event.Value{
		"bool":             bits(event.Bool, 0, 1, 2, 1<<63),
		"int":              bits(event.Int, 0, 1<<53+1, 1<<63, math.MaxUint64),
		"count":            bits(event.Count, 0, 1<<53+1, 1<<63, math.MaxUint64),
		"double":           floats(event.Double),
		"time":             floats(event.Time),
		"interval":         floats(event.Interval),
		"string":           texts,
		"enum":             enums,
		"port":             {{Type: event.Port}, {Type: event.Port, Bits: 22, Proto: 6}, {Type: event.Port, Bits: 1 << 40, Proto: 200}},
		"addr":             {{Type: event.Addr}, {Type: event.Addr, Addr: v4}},
		"subnet":           {{Type: event.Subnet}, {Type: event.Subnet, Addr: v4, Width: 8}, {Type: event.Subnet, Addr: v4, Width: 200}},
		"pattern":          {{Type: event.Pattern}, {Type: event.Pattern, Bytes: []byte("\xff\"")}},
		"set":              {many(event.Set), many(event.Set, one), many(event.Set, one, event.Value{})},
		"set of several":   {many(event.Set), many(event.Set, key), many(event.Set, key, key)},
		"vector":           {many(event.Vector), many(event.Vector, event.Value{}), many(event.Vector, event.Value{}, one)},
		"table":            {many(event.Table), many(event.Table, one, str("\xff")), many(event.Table, one, event.Value{})},
		"table of several": {many(event.Table), many(event.Table, key, str("x"))},
		"record":           {many(event.Record, named("a", one), named("b", str("x"))), many(event.Record, named("a", event.Value{}), named("b", str("\xff")))},
		"without names":    {many(event.Record, one, str("x")), many(event.Record, one, event.Value{})},
	} {
		seen := ""
		for _, v := range append(vs, event.Value{}) {
			for _, max := range []int{0, minLine} {
				line, _ := JSON(nil, &event.Event{Name: "e", Args: []event.Value{v}}, Peer{Addr: "p"}, []string{"x"}, max)
				got := shapeOf(t, line)
				if strings.Contains(got, "any") {
					continue // nothing that could be of another type
				}
				if seen == "" {
					seen = got
				}
				require.Equal(t, seen, got, "%s: %s", name, line)
			}
		}
		require.NotEmpty(t, seen, name)
	}
}

// TestArgumentsAreAnObject: also when their number is another than is known, or
// nothing is known.
func TestArgumentsAreAnObject(t *testing.T) {
	ev := &event.Event{Name: "e", Args: []event.Value{count(1), count(2)}}
	for want, names := range map[string][]string{
		`{"a":1,"b":2}`:       {"a", "b"},
		`{"arg1":1,"arg2":2}`: {"a"},
	} {
		line, _ := JSON(nil, ev, Peer{Addr: "p"}, names, 0)
		require.Contains(t, string(line), `"args":`+want+"}")
	}
	line, _ := JSON(nil, ev, Peer{Addr: "p"}, nil, 0)
	require.Contains(t, string(line), `"args":{"arg1":1,"arg2":2}}`)
	line, _ = JSON(nil, &event.Event{}, Peer{Addr: "p"}, nil, 0)
	require.Contains(t, string(line), `"args":{}}`)
}

// TestNoNameComesTwice in an object: strict readers refuse that.
func TestNoNameComesTwice(t *testing.T) {
	one := count(1)
	for want, fields := range map[string][]event.Value{
		`{"a":1,"a_2":1,"a_2_2":1,"a_3":1}`: {named("a", one), named("a", one), named("a_2", one), named("a", one)},
		`{"1":1,"1_2":1}`:                   {named("1", one), one},
		`{"0":1,"1":1}`:                     {one, one},
		`{"\\xff":1,"\\xff_2":1}`:           {named("\xff", one), named(`\xff`, one)},
		`{"x\"":1}`:                         {named(`x"`, one)},
	} {
		var w writer
		v := many(event.Record, fields...)
		require.True(t, w.value(&v, DefaultMaxLine))
		require.Equal(t, want, string(w.b))
	}
	wide := event.Value{Type: event.Record}
	const many = 50_000 // of which each would be compared with all others
	for range many {
		wide.Elems = append(wide.Elems, named("x", one))
	}
	var w writer
	begun := time.Now()
	require.True(t, w.value(&wide, DefaultMaxLine))
	require.Less(t, time.Since(begun), 5*time.Second)
	var got map[string]int
	require.NoError(t, json.Unmarshal(w.b, &got))
	require.Len(t, got, many)
}

// TestRealReaders take the lines: those of these tests that are there.
func TestRealReaders(t *testing.T) {
	var all []byte
	want := 0
	for _, ev := range []*event.Event{
		multiplied(1), multiplied(1 << 20), {Name: "\xff\x00\u202e\n"},
		{Name: "e", Args: []event.Value{
			str("\xff\u2028\U000e0041"), many(event.Record, named("a", count(1)), named("a", count(2))),
			count(math.MaxUint64), float(event.Double, math.NaN()), float(event.Double, -1e300), float(event.Time, 1e300)}},
	} {
		all, _ = JSON(all, ev, Peer{Addr: "p"}, nil, 0)
		all = append(all, '\n')
		want++
	}
	const strict = `
import json, sys
def once(pairs):
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)
def never(s): raise ValueError(s)
print(len([json.loads(l, object_pairs_hook=once, parse_constant=never) for l in sys.stdin.buffer.read().decode().splitlines()]))`
	for _, reader := range [][]string{{"python3", "-c", strict}, {"jq", "-s", "length"}} {
		if _, err := exec.LookPath(reader[0]); err != nil {
			t.Logf("there is no %s", reader[0])
			continue
		}
		cmd := exec.Command(reader[0], reader[1:]...)
		cmd.Stdin = bytes.NewReader(all)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, fmt.Sprintln(want), string(out), reader[0])
	}
}
