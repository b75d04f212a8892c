package eventlog

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// TestHost: the name of a peer is beside its address, and is a field of text if it is
// there at all; in TSV there is always a column.
func TestHost(t *testing.T) {
	ev := &event.Event{Name: "e", Time: 1, Args: []event.Value{count(1)}}
	json := func(p Peer, max int) string {
		line, _ := JSON(nil, ev, p, []string{"n"}, max)
		return string(line)
	}
	tsv := func(p Peer) string {
		var w writer
		require.Equal(t, written, w.row((*schema)(nil).with(ev, []string{"n"}), ev, p, []string{"n"}, DefaultMaxLine))
		return string(w.b)
	}
	require.Equal(t, `{"ts":1.000000,"peer":"p","event":"e","args":{"n":1}}`, json(Peer{Addr: "p"}, 0))
	require.Equal(t, `{"ts":1.000000,"peer":"p","host":"a.example.org","event":"e","args":{"n":1}}`, json(Peer{"p", "a.example.org"}, 0))
	require.Equal(t, "1.000000\tp\t-\t1", tsv(Peer{Addr: "p"}))
	require.Equal(t, "1.000000\tp\ta.example.org\t1", tsv(Peer{"p", "a.example.org"}))
	require.Equal(t, "1.000000\tp\t\\x2d\t1", tsv(Peer{"p", "-"}), "a name that reads as none")
	require.Equal(t, "1.000000\tp\ta\\x09b\t1", tsv(Peer{"p", "a\tb"}))
	line, cut := JSON(nil, ev, Peer{"p", strings.Repeat("h", 2*minLine)}, []string{"n"}, minLine)
	require.True(t, cut)
	require.LessOrEqual(t, len(line), minLine)
	require.Contains(t, string(line), `"event":"e"`)
	line, _ = Summary(nil, ev, Peer{"p", "a\nb"}, []string{"n"}, 0)
	require.Contains(t, string(line), `  p a\x0ab  e `)
}

// TestOtherNamesAreOtherColumns: after a reload the heading says what arguments are
// called now, also to those who were there.
func TestOtherNamesAreOtherColumns(t *testing.T) {
	ev := &event.Event{Name: "e", Time: 1, Args: []event.Value{count(1)}}
	heads := func(names ...[]string) (heads []string) {
		var p part
		p.file = &file{own: true}
		for _, n := range names {
			var w writer
			require.Equal(t, written, w.columnsOf(&p, ev, Peer{Addr: "p"}, n, DefaultMaxLine))
			p.file.latest.Store(p.schema)
			fields, _, _ := strings.Cut(p.schema.head, "\n")
			heads = append(heads, strings.TrimPrefix(fields, "#fields\tts\tpeer\thost\t"))
		}
		return heads
	}
	require.Equal(t, []string{"arg1", "n", "n", "m", "arg1"}, heads(nil, []string{"n"}, []string{"n"}, []string{"m"}, nil))
}
