package eventlog

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"romanesco/internal/event"
)

// oneEnum declares nothing but the first value of an enum.
type oneEnum struct{}

func (oneEnum) EnumName(enum string, n int64) (string, bool) {
	return "Site::RED", enum == "Site::Colour" && n == 0
}

func (oneEnum) NameFields(_ *event.Event, named []*event.Value, _ func(declared, why string)) []*event.Value {
	return named
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
