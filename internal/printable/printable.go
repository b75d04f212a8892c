// Package printable makes text that a peer has chosen harmless: it stays on its
// line, and does nothing to a terminal. It imports nothing of this project.
package printable

import (
	"unicode"
	"unicode/utf8"
)

// Size returns the size of the character that s begins with, or 0 if its first
// byte is to be seen as a number: of a control character, of one that changes the
// direction of text or cannot be seen, and of what is no UTF-8.
func Size[T string | []byte](s T) int {
	if len(s) == 0 {
		return 0
	}
	if c := s[0]; c < utf8.RuneSelf {
		if c < ' ' || c == 0x7f {
			return 0
		}
		return 1
	}
	r, n := utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
	if r == utf8.RuneError && n <= 1 || !unicode.IsGraphic(r) {
		return 0
	}
	return n
}

const hex = "0123456789abcdef"

// AppendHex appends a byte as \xHH.
func AppendHex(b []byte, c byte) []byte { return append(b, '\\', 'x', hex[c>>4], hex[c&15]) }

// more stands for what was too long.
const more = "..."

// Append appends text, at most max bytes of it. Bytes of what Size does not count
// become \xHH.
func Append(b []byte, text string, max int) []byte {
	end := len(text)
	if end > max {
		end = max
	}
	for i := 0; i < end; {
		n := Size(text[i:])
		if n == 0 {
			b = AppendHex(b, text[i])
			i++
			continue
		}
		b = append(b, text[i:i+n]...)
		i += n
	}
	if end < len(text) {
		b = append(b, more...)
	}
	return b
}
