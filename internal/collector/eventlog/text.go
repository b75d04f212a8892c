package eventlog

import (
	"math"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/romanesco-broccoli/romanesco/internal/printable"
)

// text appends a JSON string.
func (w *writer) text(s string, end int) bool { return text(w, s, end) }

// text appends a JSON string as Zeek's JSON logs have it: \xHH stands for a byte
// of a control character and, if there is one or anything that Zeek takes for no
// text, for each byte of the string that is not ASCII. A backslash stays one, so
// that who wants the bytes back has to know whether there were any. What
// cannot be seen, or changes the direction of text, is written by its number: to
// readers that is the same, and a terminal does nothing.
//
// If w is fair, the string is cut to what there is room for.
func text[T string | []byte](w *writer, s T, end int) bool {
	room := end - len(w.b) - len(`""`)
	if room < 0 || !w.fair && len(s) > room {
		return false
	}
	from := len(w.b)
	if len(s) > room {
		s = s[:whole(s, room)]
		w.cut = true
	}
	w.b = append(w.b, '"')
	if plainRun(s) == len(s) {
		w.b = append(append(w.b, s...), '"')
		return true
	}
	end--
	isText := isZeekText(s)
	for i := 0; i < len(s); {
		n := plainRun(s[i:])
		if n > end-len(w.b) {
			if !w.fair {
				w.b = w.b[:from]
				return false
			}
			w.b = append(w.b, s[i:i+end-len(w.b)]...)
			w.cut = true
			break
		}
		w.b = append(w.b, s[i:i+n]...)
		if i += n; i == len(s) {
			break
		}
		at := len(w.b)
		w.b, n = appendSpecial(w.b, s[i:], isText)
		if !w.within(at, end) {
			if !w.fair {
				w.b = w.b[:from]
				return false
			}
			w.cut = true
			break
		}
		i += n
	}
	w.b = append(w.b, '"')
	return true
}

// whole returns how much of s[:n] can be taken without tearing a character.
func whole[T string | []byte](s T, n int) int {
	for back := 0; back < utf8.UTFMax && back < n; back++ {
		if c := s[n-back-1]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune([]byte(s[n-back-1:n])) {
				return n - back - 1
			}
			break
		}
	}
	return n
}

// plainRun returns how many bytes s begins with that stand for themselves.
func plainRun[T string | []byte](s T) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

// shorts are the control characters that Zeek takes for text, and their letters.
var shorts = [' ']byte{'\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// isZeekText reports whether all of s is text to Zeek.
func isZeekText[T string | []byte](s T) bool {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < ' ' && shorts[c] == 0 || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
		if r == utf8.RuneError || r < 0xa0 || r >= 0xe000 && r <= 0xf8ff || r >= 0xfff0 && r <= 0xffff {
			return false
		}
		i += n
	}
	return true
}

// appendSpecial appends the character that s begins with, which stands for itself
// only if it is not ASCII, and returns its size.
func appendSpecial[T string | []byte](b []byte, s T, isText bool) ([]byte, int) {
	c := s[0]
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c), 1
	case c < ' ' && shorts[c] != 0:
		return append(b, '\\', shorts[c]), 1
	case c < utf8.RuneSelf || !isText:
		return printable.AppendHex(append(b, '\\'), c), 1
	}
	r, n := utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
	if unicode.IsGraphic(r) {
		return append(b, s[:n]...), n
	}
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return appendUnit(appendUnit(b, high), low), n
	}
	return appendUnit(b, r), n
}

const hex = "0123456789abcdef"

// appendUnit appends a unit of UTF-16 by its number.
func appendUnit(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// AppendText appends a JSON string: see text.
func AppendText(b []byte, s string) []byte {
	w := writer{b: b}
	w.text(s, math.MaxInt)
	return w.b
}
