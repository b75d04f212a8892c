package zeek

import (
	"bytes"

	"romanesco/internal/event"
)

// Zeek sends a pattern as a vector of the two expressions that it compiles:
// one for the whole of a string, one for any place in it.
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
	exact, ok := inside(v.Elems[0].Bytes, exactBefore, exactAfter)
	anywhere, ok2 := inside(v.Elems[1].Bytes, anywhereBefore, anywhereAfter)
	if ok && ok2 && bytes.Equal(exact, anywhere) {
		*v = event.Value{Type: event.Pattern, Bytes: exact}
	}
}

func inside(b []byte, before, after string) ([]byte, bool) {
	b, ok := bytes.CutPrefix(b, []byte(before))
	if !ok {
		return nil, false
	}
	return bytes.CutSuffix(b, []byte(after))
}
