package eventlog

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// multiplied is an event of a few bytes on the wire: all its arguments refer to
// one string in a peer's cache.
func multiplied(size int) *event.Event {
	long := event.Value{Type: event.String, Bytes: bytes.Repeat([]byte{1}, size)}
	list := event.Value{Type: event.Vector}
	for range 20 {
		list.Elems = append(list.Elems, long)
	}
	return &event.Event{Name: "e", Time: 1, Args: []event.Value{long, count(7), list, many(event.Record, named("s", long), named("n", count(8)))}}
}

var argNames = []string{"first", "n", "list", "rec"}

// TestLongLineIsCut: to the bound that there is, and every field keeps its type.
func TestLongLineIsCut(t *testing.T) {
	for _, max := range []int{0, minLine, 64 << 10} {
		line, cut := JSON([]byte("before"), multiplied(5<<20), Peer{Addr: "p"}, argNames, max)
		require.True(t, cut)
		line = bytes.TrimPrefix(line, []byte("before"))
		require.LessOrEqual(t, len(line), limit(max))
		require.Greater(t, len(line), limit(max)/4, "and not more than that")
		var got struct {
			TS          float64
			Peer, Event string
			Args        struct {
				First string
				N     uint64
				List  []string
				Rec   struct {
					S string
					N uint64
				}
			}
			Truncated bool `json:"_truncated"`
		}
		require.NoError(t, json.Unmarshal(line, &got))
		require.True(t, got.Truncated)
		require.Equal(t, "p", got.Peer)
		require.EqualValues(t, 7, got.Args.N)
		require.EqualValues(t, 8, got.Args.Rec.N)
		require.True(t, strings.HasPrefix(got.Args.First, `\x01`))
		require.Less(t, len(got.Args.List), 20)
	}
}

// TestNothingFollowsWhatWasCut in a list: no row of empty texts to its end.
func TestNothingFollowsWhatWasCut(t *testing.T) {
	list := event.Value{Type: event.Vector}
	for range 1000 {
		list.Elems = append(list.Elems, str(strings.Repeat("x", 100)))
	}
	for _, format := range []Format{FormatJSON, FormatTSV} {
		l, path := files(t, Settings{Format: format, Each: true, MaxLine: minLine})
		b := l.Batch(t.Context(), Peer{Addr: "p"}, nil)
		b.Add(&event.Event{Name: "e", Args: []event.Value{list}}, nil)
		require.NoError(t, b.Flush())
		line := lines(contents(t, path)["e.log"])[0]
		require.LessOrEqual(t, len(line), minLine)
		elems := strings.Split(line[strings.Index(line, "x"):strings.LastIndex(line, "x")+1], ",")
		require.Greater(t, len(elems), 10)
		for _, e := range elems[:len(elems)-1] {
			require.Len(t, strings.Trim(e, `"`), 100)
		}
		require.NotContains(t, line, `""`)
		require.NotContains(t, line, emptyField)
	}
}

// TestLineThatJustFits is whole, and so is one with a byte less; with one more it
// is cut.
func TestLineThatJustFits(t *testing.T) {
	of := func(n int) *event.Event {
		return &event.Event{Name: "e", Args: []event.Value{str(strings.Repeat("x", n))}}
	}
	empty, _ := JSON(nil, of(0), Peer{Addr: "p"}, nil, 0)
	room := minLine - len(empty)
	for n, want := range map[int]bool{room - 1: false, room: false, room + 1: true} {
		line, cut := JSON(nil, of(n), Peer{Addr: "p"}, nil, minLine)
		require.Equal(t, want, cut)
		require.LessOrEqual(t, len(line), minLine)
		require.Equal(t, want, bytes.Contains(line, []byte(`"_truncated":true`)))
	}
}

// TestNamesAreCutToo: no part of an event makes a line longer.
func TestNamesAreCutToo(t *testing.T) {
	long := strings.Repeat("\x01", 1<<20)
	text := str(long)
	wide := event.Value{Type: event.Record}
	for range 3000 {
		wide.Elems = append(wide.Elems, named(long[:100], count(1)))
	}
	names := event.Value{Type: event.Record} // as many as there may be columns
	for i := range maxColumns {
		names.Elems = append(names.Elems, named(strings.Repeat("n", maxFieldName-3)+strconv.Itoa(i), text))
	}
	deep := count(1)
	for range 150 {
		deep = many(event.Record, named("x", deep), named("y", many(event.Table, text, text)))
	}
	for name, ev := range map[string]*event.Event{
		"event":   {Name: long},
		"field":   {Name: "e", Args: []event.Value{many(event.Record, named(long, count(1)))}},
		"wide":    {Name: "e", Args: []event.Value{wide}},
		"names":   {Name: "e", Args: []event.Value{names}},
		"deep":    {Name: "e", Args: []event.Value{deep}},
		"enum":    {Name: "e", Args: []event.Value{{Type: event.Enum, TypeName: long}}},
		"pattern": {Name: "e", Args: []event.Value{{Type: event.Pattern, Bytes: []byte(long)}}},
		"table":   {Name: "e", Args: []event.Value{many(event.Table, text, text)}},
		"key":     {Name: "e", Args: []event.Value{many(event.Set, many(event.List, str(long), count(1)))}},
	} {
		line, cut := JSON(nil, ev, Peer{Addr: long}, nil, minLine)
		require.True(t, cut, name)
		require.LessOrEqual(t, len(line), minLine, name)
		require.True(t, json.Valid(line), name)
		if name != "event" { // of which people see the beginning only
			_, cut = Summary(nil, ev, Peer{Addr: "p"}, nil, minLine)
			require.True(t, cut, name)
		}
		line, _ = Summary(nil, ev, Peer{Addr: long}, nil, minLine)
		require.LessOrEqual(t, len(line), minLine, name)
		for _, each := range []bool{true, false} {
			l, path := files(t, Settings{Format: FormatTSV, Each: each, MaxLine: minLine})
			b := l.Batch(t.Context(), Peer{Addr: long}, nil)
			b.Add(ev, nil)
			require.NoError(t, b.Flush())
			for _, file := range contents(t, path) {
				for _, line := range lines(file) {
					require.LessOrEqual(t, len(line), minLine, name)
				}
				for line := range strings.Lines(file) {
					require.Less(t, len(line), 4*maxHeading, name)
				}
			}
		}
	}
}

// TestCutLinesInColumns: the heading has a column that says so from then on, and
// the others go on under it.
func TestCutLinesInColumns(t *testing.T) {
	for _, each := range []bool{true, false} {
		l, path := files(t, Settings{Format: FormatTSV, Each: each})
		one, two := l.Batch(t.Context(), Peer{Addr: "p"}, nil), l.Batch(t.Context(), Peer{Addr: "q"}, nil)
		add := func(b Batch, size int) {
			b.Add(multiplied(size), argNames)
			require.NoError(t, b.Flush())
		}
		add(one, 1)
		add(two, 1)
		add(one, 5<<20)
		add(two, 1)
		add(one, 1)
		add(two, 5<<20)
		require.EqualValues(t, 2, l.Stats().Truncated)
		require.NoError(t, l.Rotate())
		add(one, 1)
		require.NoError(t, l.Close())
		found := contents(t, path)
		require.Len(t, found, 2)
		all := ""
		for _, name := range names(found) {
			all = found[name] + all
		}
		require.Equal(t, 3, strings.Count(all, "#fields"))
		from := strings.LastIndex(all[:strings.Index(all, "\t_truncated\n")], "#separator")
		require.Equal(t, []string{"p\tT", "q\tF", "p\tF", "q\tT", "p\tF"}, cut(t, all[from:], "peer", "_truncated"))
		for line := range strings.Lines(all) {
			require.LessOrEqual(t, len(line), DefaultMaxLine+1)
		}
	}
}

// TestCutLinesAreCounted on a stream, too.
func TestCutLinesAreCounted(t *testing.T) {
	var out bytes.Buffer
	s := NewStream(&out, JSON)
	s.MaxLine = minLine
	b := s.Batch(t.Context(), Peer{Addr: "p"}, nil)
	b.Add(multiplied(1), argNames)
	b.Add(multiplied(minLine), argNames)
	require.NoError(t, b.Flush())
	require.EqualValues(t, 1, s.Truncated())
	require.Less(t, out.Len(), 2*minLine)
}
