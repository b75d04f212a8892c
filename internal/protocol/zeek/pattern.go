package zeek

import (
	"bytes"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Zeek sends a pattern as a vector of the two expressions that it compiles:
// one for the whole of a string, one for any place in it. Around both is what the
// pattern ignores, as in (?i:^?(foo)$?); we have it within: (?i:foo), which Zeek
// reads too.
const (
	exactBefore, exactAfter       = `^?(`, `)$?`
	anywhereBefore, anywhereAfter = `^?(.|\n)*(`, `)`
)

func (e *Encoder) pattern(b, expr []byte) []byte {
	put := func(before, after string) {
		text := append(append([]byte(before), expr...), after...)
		b = appendText(append(b, `{"@data-type":"string","data":`...), text, e.Dialect)
		b = append(b, '}')
	}
	put(exactBefore, exactAfter)
	b = append(b, ',')
	put(anywhereBefore, anywhereAfter)
	return b
}

// asPattern makes a vector that has the form of a pattern one.
func asPattern(v *event.Value) {
	if len(v.Elems) != 2 || v.Elems[0].Type != event.String || v.Elems[1].Type != event.String {
		return
	}
	flags, first, second := unwrap(v.Elems[0].Bytes, v.Elems[1].Bytes)
	exact, ok := inside(first, exactBefore, exactAfter)
	anywhere, ok2 := inside(second, anywhereBefore, anywhereAfter)
	if ok && ok2 && bytes.Equal(exact, anywhere) {
		if len(flags) > 0 {
			exact = wrap(flags, exact)
		}
		*v = event.Value{Type: event.Pattern, Bytes: exact}
	}
}

// ignoring are the flags that a pattern as a whole may have: for letters of
// either case, and for a dot that is a newline as well.
var ignoring = []string{"(?i:", "(?s:"}

// unwrap takes off both expressions what is around both.
func unwrap(a, b []byte) (flags []string, _, _ []byte) {
	for range ignoring {
		for _, flag := range ignoring {
			inA, ok := inside(a, flag, ")")
			inB, ok2 := inside(b, flag, ")")
			if ok && ok2 {
				flags, a, b = append(flags, flag), inA, inB
			}
		}
	}
	return flags, a, b
}

func wrap(flags []string, expr []byte) []byte {
	return []byte(strings.Join(flags, "") + string(expr) + strings.Repeat(")", len(flags)))
}

func inside(b []byte, before, after string) ([]byte, bool) {
	b, ok := bytes.CutPrefix(b, []byte(before))
	if !ok {
		return nil, false
	}
	return bytes.CutSuffix(b, []byte(after))
}
