package eventlog

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// oneEnum declares nothing but the first value of an enum.
type oneEnum struct{}

func (oneEnum) EnumName(enum string, n int64) (string, bool) {
	return "Site::RED", enum == "Site::Colour" && n == 0
}

func (oneEnum) NameFields(ev *event.Event, named []*event.Value, misfit func(declared string, why func() string)) []*event.Value {
	for i := range ev.Args {
		v := &ev.Args[i]
		if v.Type != event.Record {
			continue
		}
		if len(v.Elems) != 1 {
			misfit("R", func() string { return "it has one field" })
			continue
		}
		v.Elems[0].Field = "field"
		named = append(named, &v.Elems[0])
	}
	return named
}

// TestFieldsAreCalledAsDeclared on the line alone; what does not fit is told once, whoever
// sends it.
func TestFieldsAreCalledAsDeclared(t *testing.T) {
	var out bytes.Buffer
	var told []string
	log := WithDeclared(NewStream(&out, JSON), func() Declared { return oneEnum{} },
		func(peer Peer, what string) { told = append(told, peer.Addr+": "+what) })
	of := func(vs ...event.Value) event.Value { return event.Value{Type: event.Record, Elems: vs} }
	one := event.Value{Type: event.Count, Bits: 1}
	for _, addr := range []string{"p", "q"} {
		b := log.Batch(t.Context(), Peer{Addr: addr}, nil)
		for range 2 {
			args := []event.Value{of(one), of(one, one)}
			b.Add(&event.Event{Name: "e", Args: args}, []string{"a", "b", "c"})
			require.Equal(t, []event.Value{of(one), of(one, one)}, args, "others get it as it was")
		}
		require.NoError(t, b.Flush())
	}
	require.Equal(t, 4, strings.Count(out.String(), `"args":{"arg1":{"field":1},"arg2":{"0":1,"1":1}}`))
	require.Equal(t, []string{
		"p: event e: 3 arguments are known, and it has come with 2; its parts are called by their numbers",
		"p: record R: it has one field; its parts are called by their numbers",
	}, told)
}

// TestEnumsAreCalledTheSame whichever side they come from, if that is known.
func TestEnumsAreCalledTheSame(t *testing.T) {
	var out bytes.Buffer
	log := WithDeclared(NewStream(&out, JSON), func() Declared { return oneEnum{} }, nil)
	b := log.Batch(t.Context(), Peer{Addr: "p"}, nil)
	args := []event.Value{
		{Type: event.Enum, TypeName: "Site::Colour"}, {Type: event.Enum, TypeName: "Site::Colour", Bits: 9},
		{Type: event.Enum, TypeName: "Other"}, {Type: event.Enum, Bytes: []byte("Site::RED")},
		many(event.Vector, event.Value{Type: event.Enum, TypeName: "Site::Colour"}),
	}
	before := slices.Clone(args)
	b.Add(&event.Event{Name: "e", Args: args}, nil)
	require.NoError(t, b.Flush())
	require.Contains(t, out.String(), `{"arg1":"Site::RED","arg2":"Site::Colour(9)","arg3":"Other(0)","arg4":"Site::RED","arg5":["Site::RED"]}`)
	require.Equal(t, before, args, "others get it as it was")
	require.Nil(t, args[4].Elems[0].Bytes)
}
