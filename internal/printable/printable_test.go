package printable

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppend(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"plain, é, 漢字, 🙂":               "plain, é, 漢字, 🙂",
		"x\n\x1b[2J\x7f\x00\r\t":        `x\x0a\x1b[2J\x7f\x00\x0d\x09`,
		"\u0085\u009b31m":               `\xc2\x85\xc2\x9b31m`,              // C1: a line end, and an escape
		"a\u202etxt.exe\u2066":          `a\xe2\x80\xaetxt.exe\xe2\x81\xa6`, // right to left
		"a\u2028b\u200bc\ufeff":         `a\xe2\x80\xa8b\xe2\x80\x8bc\xef\xbb\xbf`,
		"\U000e0041\ue000":              `\xf3\xa0\x81\x81\xee\x80\x80`, // tags, private use
		"\xff\xc3(\xed\xa0\x80\xe2\x82": `\xff\xc3(\xed\xa0\x80\xe2\x82`,
	} {
		require.Equal(t, want, string(Append(nil, text, 100)), "%q", text)
	}
	require.Equal(t, "aaaa...", string(Append(nil, strings.Repeat("a", 100), 4)))
	require.Equal(t, "aaaa", string(Append(nil, "aaaa", 4)))
}
