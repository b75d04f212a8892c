package zeek

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// script is what a site may have.
const script = `
# comment { with a brace
module Site;

export {
	## A colour.
	type Color: enum { RED, GREEN = 5, ##< not blue
		BLUE };
	type Inner: record {
		name: string &default="}" &log;
		hue: Color &optional;
	};
	type Outer: record {
		n: count;
		inner: Inner;
		list: vector of Inner;
		by: table[addr, port] of Inner;
		one: set[Inner];
		two: set[Color, string];
		cb: function(x: count): bool;
		f: file of string &optional;
		when: time; since: interval
	};
	global report: event(o: Outer, c: Color);
	global ignored: function(a: table[string] of count) &redef;
	const pat = /a{2,3}\/"/ &redef;
	global table_of_things: table[string] of count = { ["}"] = 1 };
	option x = 5;
}

redef enum Color += { Site::MAUVE };
redef record Inner += { extra: count &optional; };
redef Other::x += { [1] = 2 };

event zeek_init()
	{
	if ( x == 5 ) { print "}"; }
	}

function f(a: count): bool { return T; }

module GLOBAL;
type Plain: enum { ONE, TWO };
event handled(p: Plain, anything: any) { print p; }
`

func TestTypes(t *testing.T) {
	types, err := ParseTypes(strings.NewReader(script), "site.zeek")
	require.NoError(t, err)
	for _, c := range []struct {
		enum   string
		number int64
		want   string
	}{
		{"Site::Color", 0, "Site::RED"}, {"Site::Color", 5, "Site::GREEN"}, {"Site::Color", 6, "Site::BLUE"},
		{"Site::Color", 7, "Site::MAUVE"}, {"Plain", 1, "TWO"},
		{"Site::Color", 1, ""}, {"Site::Color", -1, ""}, {"Site::Color", 8, ""}, {"None", 0, ""}, {"Site::Inner", 0, ""},
	} {
		name, ok := types.EnumName(c.enum, c.number)
		require.Equal(t, c.want, name)
		require.Equal(t, c.want != "", ok)
	}
	_, ok := (*Types)(nil).EnumName("E", 0)
	require.False(t, ok)

	f := func(name string, v event.Value) event.Value { v.Field = name; return v }
	rec := func(name string, vs ...event.Value) event.Value {
		return event.Value{Type: event.Record, TypeName: name, Elems: vs}
	}
	inner := func(name string) event.Value {
		return rec("Site::Inner", f("name", text(name)),
			f("hue", event.Value{Type: event.Enum, TypeName: "Site::Color", Bits: 6}), f("extra", event.Value{}))
	}
	sent := &event.Event{Name: "Site::report", Args: []event.Value{
		rec("Site::Outer", f("n", count(1)), f("inner", inner("a")), f("list", many(event.Vector, inner("b"))),
			f("by", many(event.Table, many(event.List, private, port(80, event.ProtoTCP)), inner("c"))),
			f("one", many(event.Set, inner("d"))),
			f("two", many(event.Set, many(event.List, event.Value{Type: event.Enum, TypeName: "Site::Color"}, text("x")))),
			f("cb", event.Value{Type: event.Func, Bytes: []byte("Site::f")}),
			f("f", event.Value{Type: event.File, Bytes: []byte("/tmp/f")}),
			f("when", float(event.Time, 1126645547.5)), f("since", float(event.Interval, 1))),
		{Type: event.Enum, TypeName: "Site::Color", Bits: 5},
	}}
	e, d := encoder(), NewDecoder(Limits{})
	e.Types, d.Types = types, types
	require.Equal(t, sent.Args, through(t, e, d, sent).Args)

	// Other events: the names of enum values are enough; records stay vectors.
	other := &event.Event{Name: "other", Args: []event.Value{many(event.Vector, event.Value{Type: event.Enum, Bytes: []byte("TWO")})}}
	require.Equal(t, []event.Value{many(event.Vector, event.Value{Type: event.Enum, TypeName: "Plain", Bits: 1})},
		through(t, e, d, other).Args)

	for _, args := range [][]event.Value{nil, {many(event.Vector, count(1)), count(1)}} {
		b, err := e.AppendEvent(nil, &event.Event{Name: "Site::report", Args: args})
		require.NoError(t, err)
		_, err = d.Decode(b, &event.Event{})
		require.ErrorIs(t, err, ErrMalformed)
	}
}

// TestExactTypes: one script declares for Zeek the interval behind each time, and here the
// time that the two make.
func TestExactTypes(t *testing.T) {
	types, err := ParseTypes(strings.NewReader(`
type R: record { at: time; exact: interval; s: string; };
global e: event(t: time, exact: interval, span: interval, r: R);
`), "x.zeek")
	require.NoError(t, err)
	d := NewDecoder(Limits{})
	d.ExactTime, d.Types = true, types
	sent := &event.Event{Name: "e", Args: []event.Value{
		{Type: event.Time, Bits: math.Float64bits(1e9)}, {Type: event.Interval, Bits: math.Float64bits(3)},
		{Type: event.Record, Elems: []event.Value{{Type: event.Time, Bits: math.Float64bits(2e9)}, {Type: event.String, Bytes: []byte("x")}}},
	}}
	enc := NewEncoder("t", Current)
	enc.ExactTime = true
	b, err := enc.AppendEvent(nil, sent)
	require.NoError(t, err)
	var got event.Event
	_, err = d.Decode(b, &got)
	require.NoError(t, err)
	require.Len(t, got.Args, 3)
	require.Equal(t, event.Record, got.Args[2].Type)
	require.Equal(t, "at s", got.Args[2].Elems[0].Field+" "+got.Args[2].Elems[1].Field)
}

func TestBadTypes(t *testing.T) {
	for script, says := range map[string]string{
		"type A: enum {":                                          "line 1: the end of the file",
		"\ntype A: enum { 5 };":                                   `line 2: "5" is no name`,
		"type A enum { X };":                                      `"enum" where ":" should be`,
		"type A: record { a count; };":                            `"count" where ":" should be`,
		"type A: enum { X = -1 };":                                `"-" is no number`,
		"type A: enum { X = 99999999 };":                          "is no number up to",
		"type A: record { a: count":                               "the end of the file",
		"type A: table[count] string;":                            `"string" where "of" should be`,
		"type A: 5;":                                              `"5" is no type`,
		"type A: " + strings.Repeat("vector of ", 100) + "count;": "too deep",
		"module": "the end of the file",
	} {
		_, err := ParseTypes(strings.NewReader(script), "f")
		require.ErrorContains(t, err, says)
	}
	_, err := LoadTypes("testdata/none")
	require.ErrorContains(t, err, "testdata/none")
	_, err = ParseTypes(strings.NewReader(strings.Repeat(" ", maxDeclarations+1)), "f")
	require.ErrorContains(t, err, "larger than")
}
