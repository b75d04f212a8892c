package eventlog

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTextAsZeekWritesIt: what readers of the JSON get. The cases are those that
// Zeek 8.2 was asked for, and what it said.
func TestTextAsZeekWritesIt(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"plain":                     "plain",
		"é 漢 🙂":                     "é 漢 🙂",
		"\b\f\n\r\t":                "\b\f\n\r\t",
		"\x00\x15\x7f":              `\x00\x15\x7f`,
		"\xff":                      `\xff`,
		`\xff`:                      `\xff`,             // the same: Zeek does not tell them apart
		"\xc3\xb1\xc0\x81":          `\xc3\xb1\xc0\x81`, // no byte is text once one is none
		"\xc0\x81\xc3\xb1":          `\xc0\x81\xc3\xb1`,
		"a\x07é":                    `a\x07\xc3\xa9`,
		"\xc3(":                     `\xc3(`,
		"\xed\xa0\xa1":              `\xed\xa0\xa1`, // a surrogate
		"\xe2\x82":                  `\xe2\x82`,
		"\xf4\x90\x8c\xbc":          `\xf4\x90\x8c\xbc`,
		"\u0085\u009b":              `\xc2\x85\xc2\x9b`,
		"\ue000":                    `\xee\x80\x80`,
		"\ufffd":                    `\xef\xbf\xbd`,
		"\u202eabc\u2028\U000e0041": "\u202eabc\u2028\U000e0041",
	} {
		var w writer
		require.True(t, w.text(in, DefaultMaxLine))
		var got string
		require.NoError(t, json.Unmarshal(w.b, &got), "%s", w.b)
		require.Equal(t, want, got, "%q", in)
		checkHarmless(t, w.b)
	}
}

// TestTextIsCutBetweenCharacters, wherever the end is.
func TestTextIsCutBetweenCharacters(t *testing.T) {
	for _, in := range []string{"plain text", `""""""""`, "ééééé", "a\u202e\U000e0041b", "\xff\xfe\xfd", "\x00\n\x00\n", "🙂🙂🙂"} {
		full := writer{}
		require.True(t, full.text(in, DefaultMaxLine))
		for end := range len(full.b) {
			w := writer{}
			require.False(t, w.text(in, end))
			require.Empty(t, w.b)
			w.fair = true
			if fits := w.text(in, end); end < 2 {
				require.False(t, fits)
				continue
			}
			require.True(t, w.cut)
			require.LessOrEqual(t, len(w.b), end)
			var got string
			require.NoError(t, json.Unmarshal(w.b, &got), "%q", w.b)
			require.NotContains(t, got, "\ufffd")
		}
	}
}
