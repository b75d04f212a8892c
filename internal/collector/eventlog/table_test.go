package eventlog

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// TestTable: a line has its columns, whatever is in them and however long it may be, and
// says if something is missing.
func TestTable(t *testing.T) {
	columns := []Column{
		{Name: "ts", Type: event.Time}, {Name: "id.orig_p", Type: event.Port}, {Name: "user", Type: event.String},
		{Name: "all", Type: event.Vector, Elem: event.String}, {Name: "n", Type: event.Count},
	}
	values := func(text string) []event.Value {
		s := event.Value{Type: event.String, Bytes: []byte(text)}
		return []event.Value{
			{Type: event.Time}, {Type: event.Port, Bits: 22, Proto: event.ProtoTCP}, {}, {Type: event.Vector, Elems: []event.Value{s, s}}, {Type: event.Count, Bits: 7},
		}
	}
	tsv := NewTable("log", Settings{Format: FormatTSV, MaxLine: minLine}, columns...)
	require.Equal(t, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tlog\n#open\t1970-01-01-00-00-00\n"+
		"#fields\tts\tid.orig_p\tuser\tall\tn\t_truncated\n#types\ttime\tport\tstring\tvector[string]\tcount\tbool\n", string(tsv.Opening(time.Unix(0, 0).UTC())))
	require.Equal(t, "before0.000000\t22\t-\ta\\x09b,a\\x09b\t7\tF\n", string(tsv.Append([]byte("before"), values("a\tb"), false)))
	require.Equal(t, "0.000000\t22\t-\ta,a\t7\tT\n", string(tsv.Append(nil, values("a"), true)))
	asJSON := NewTable("log", Settings{Format: FormatJSON, MaxLine: minLine}, columns...)
	require.Empty(t, asJSON.Opening(time.Now()))
	require.Equal(t, `before{"ts":0.000000,"id.orig_p":22,"user":null,"all":["a","a"],"n":7}`+"\n", string(asJSON.Append([]byte("before"), values("a"), false)))
	require.Equal(t, `{"ts":0.000000,"id.orig_p":22,"user":null,"all":[],"n":7,"_truncated":true}`+"\n",
		string(asJSON.Append(nil, append(append(values("")[:3:3], event.Value{Type: event.Vector}), values("")[4]), true)))
	for _, text := range []string{strings.Repeat("x", 1<<16), strings.Repeat("\x01", 1<<16), strings.Repeat("é", 3000)} {
		line := string(tsv.Append(nil, values(text), false))
		require.LessOrEqual(t, len(line), minLine+1)
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(t, cells, len(columns)+1)
		require.Equal(t, []string{"7", "T"}, cells[4:])
		line = string(asJSON.Append(nil, values(text), false))
		require.LessOrEqual(t, len(line), minLine+1)
		var v struct {
			N         int
			Truncated bool `json:"_truncated"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &v), line)
		require.Equal(t, 7, v.N)
		require.True(t, v.Truncated)
	}
}
