package policy

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEverythingIsDocumented, and the examples are right.
func TestEverythingIsDocumented(t *testing.T) {
	for _, doc := range []struct{ file, begin, end, name string }{
		{"../../../docs/policy.md", "## What is understood\n\n```\n", "```", "`"},
		{"../../../docs/man/broccoli-collector.8", ".Ss Policy files", ".Ed", ""},
	} {
		b, err := os.ReadFile(doc.file)
		require.NoError(t, err)
		text := string(b)
		for _, name := range append(settingNames(), fieldNames()...) {
			if rest, ok := strings.CutPrefix(name, "default_"); ok {
				name = "Remote::default_" + rest
			}
			if doc.name != "" { // the table has the name of Bro 2's module once
				name = strings.TrimPrefix(name, "Communication::listen_")
			}
			require.Contains(t, text, name, doc.file)
		}
		_, example, ok := strings.Cut(text, doc.begin)
		require.True(t, ok)
		if doc.name == "" {
			_, example, ok = strings.Cut(example, ".Bd -literal -offset indent\n")
			require.True(t, ok)
		}
		example, _, ok = strings.Cut(example, doc.end)
		require.True(t, ok)
		p, err := parse(example, nil)
		require.NoError(t, err)
		require.Len(t, p.Destinations, 2)
	}
}
