package zeek

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

const fieldScript = `
module M;
export {
	type Inner: record { n: count; note: string &optional; };
	type Outer: record { at: time; inner: Inner; many: vector of Inner; };
	type Extended: record { a: count; };
	global e: event(o: Outer, s: set[Inner], t: table[string, port] of Inner, any_of: any);
	global anonymous: event(r: record { x: count; y: M::Inner; });
}
redef record Extended += { b: string &optional; };
`

// unnamed is a record that came without names of its fields.
func unnamed(typeName string, vs ...event.Value) event.Value {
	return event.Value{Type: event.Record, TypeName: typeName, Elems: vs}
}

// names returns what all fields in vs are called, in their order.
func names(vs []event.Value) (all []string) {
	for i := range vs {
		if vs[i].Field != "" {
			all = append(all, vs[i].Field)
		}
		all = append(all, names(vs[i].Elems)...)
	}
	return all
}

func TestFieldsAreNamed(t *testing.T) {
	types, err := ParseTypes(strings.NewReader(fieldScript), "m.bro")
	require.NoError(t, err)
	inner := func(of string) event.Value { return unnamed(of, count(1), event.Value{}) }
	outer := func(of string) event.Value {
		return unnamed("M::Outer", float(event.Time, 1), inner(of), many(event.Vector, inner(of), inner(of)))
	}
	n := []string{"n", "note"}
	all := func(groups ...[]string) (list []string) {
		for _, g := range groups {
			list = append(list, g...)
		}
		return list
	}
	for name, c := range map[string]struct {
		event string
		args  []event.Value
		want  []string
		told  string
	}{
		"by the types that values name": {"unknown", []event.Value{outer("M::Inner")}, all([]string{"at", "inner"}, n, []string{"many"}, n, n), ""},
		"by the declaration of the event": {"M::e", []event.Value{
			outer(""), many(event.Set, inner("")),
			many(event.Table, many(event.List, text("k"), port(1, event.ProtoTCP)), inner("")), inner("M::Inner"),
		}, all([]string{"at", "inner"}, n, []string{"many"}, n, n, n, n, n), ""},
		"of another module's name":    {"e", []event.Value{inner("M::Inner")}, n, ""},
		"of a type without a name":    {"M::anonymous", []event.Value{unnamed("", count(1), inner(""))}, all([]string{"x", "y"}, n), ""},
		"of one that was extended":    {"unknown", []event.Value{unnamed("M::Extended", count(1), text("x"))}, []string{"a", "b"}, ""},
		"one field too few":           {"unknown", []event.Value{unnamed("M::Extended", count(1))}, nil, "record M::Extended: it is declared with 2 fields, and has come with 1"},
		"one field too many":          {"unknown", []event.Value{unnamed("M::Inner", count(1), text(""), count(2))}, nil, "has come with 3"},
		"a field of another type":     {"unknown", []event.Value{unnamed("M::Inner", text("1"), text(""))}, nil, "its field n is declared as count, and has come as string"},
		"fields in another order":     {"unknown", []event.Value{unnamed("M::Inner", event.Value{Type: event.Count, Field: "note"}, event.Value{})}, []string{"note"}, "under another name"},
		"a part does not fit":         {"unknown", []event.Value{unnamed("M::Outer", float(event.Time, 1), unnamed("M::Inner", count(1)), many(event.Vector))}, []string{"at", "inner", "many"}, "record M::Inner"},
		"a type that nobody knows":    {"M::e", []event.Value{unnamed("Other", float(event.Time, 1), inner(""), many(event.Vector)), many(event.Set), many(event.Table), count(1)}, nil, ""},
		"an event of fewer arguments": {"M::e", []event.Value{unnamed("", count(1))}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var told []string
			ev := &event.Event{Name: c.event, Args: c.args}
			before := names(c.args)
			named := types.NameFields(ev, nil, func(declared string, why func() string) { told = append(told, "record "+declared+": "+why()) })
			require.Equal(t, c.want, names(ev.Args))
			require.Len(t, named, len(c.want)-len(before))
			if c.told == "" {
				require.Empty(t, told)
			} else {
				require.Contains(t, strings.Join(told, "\n"), c.told)
			}
			for _, v := range named {
				v.Field = ""
			}
			require.Equal(t, before, names(ev.Args))
		})
	}
}

// TestUnsuitableTables: what a peer makes of a declared table or set is not taken apart
// as that.
func TestUnsuitableTables(t *testing.T) {
	types, err := ParseTypes(strings.NewReader(fieldScript), "m.bro")
	require.NoError(t, err)
	args := []event.Value{
		many(event.Set, count(1)), many(event.Vector, unnamed("", count(1))),
		many(event.Table, many(event.List, unnamed("", count(1))), many(event.Table)), unnamed(""),
	}
	require.Empty(t, types.NameFields(&event.Event{Name: "M::e", Args: args}, nil, func(string, func() string) {}))
	require.Empty(t, (*Types)(nil).NameFields(&event.Event{Args: args}, nil, nil))
}

// FuzzNameFields: nothing that a record can be made of breaks it, and what it changes can
// be taken back.
func FuzzNameFields(f *testing.F) {
	types, err := ParseTypes(strings.NewReader(fieldScript), "m.bro")
	if err != nil {
		f.Fatal(err)
	}
	kinds := []event.Type{event.Record, event.Vector, event.Set, event.Table, event.List, event.Count, event.Time, event.Unknown}
	typeNames := []string{"", "M::Inner", "M::Outer", "M::Extended", "Other"}
	f.Add("M::e", []byte{0, 2, 3, 6, 0, 0, 2, 5, 0, 0, 7, 0, 0})
	f.Fuzz(func(t *testing.T, name string, shape []byte) {
		ev := &event.Event{Name: name}
		var build func(depth int) []event.Value
		build = func(depth int) (vs []event.Value) {
			for len(shape) > 2 && len(vs) < 8 {
				v := event.Value{Type: kinds[int(shape[0])%len(kinds)], TypeName: typeNames[int(shape[1])%len(typeNames)]}
				deeper := shape[2]%2 == 0
				shape = shape[3:]
				if deeper && depth < 8 {
					v.Elems = build(depth + 1)
				}
				if v.Type == event.Table && len(v.Elems)%2 == 1 {
					v.Elems = v.Elems[1:]
				}
				vs = append(vs, v)
			}
			return vs
		}
		ev.Args = build(0)
		for _, v := range types.NameFields(ev, nil, func(string, func() string) {}) {
			if v.Field == "" {
				t.Fatal("named and has no name")
			}
			v.Field = ""
		}
		if len(names(ev.Args)) > 0 {
			t.Fatal("not all that was named was told")
		}
	})
}
