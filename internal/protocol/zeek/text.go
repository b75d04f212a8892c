package zeek

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"
)

// escapes has the letter behind the backslash for each byte that needs one.
// Other control characters, and bytes that are no UTF-8, pass as they are. But
// Zeek's reader ends at a NUL: that is written as \u0000 where the reader knows
// this escape, and else as the text \x00, as Zeek's logs have it.
var escapes = [256]byte{
	0: 'x', '"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't',
}

// appendText appends a JSON string. A type parameter, since both are at hand.
func appendText[T string | []byte](b []byte, s T, d Dialect) []byte {
	b = append(b, '"')
	start := len(b)
	b = append(b, s...)
	if n := plainLength(b[start:]); n < len(s) {
		b = appendEscaped(b[:start+n], s[n:], d)
	}
	return append(b, '"')
}

// plainLength returns how many bytes there are before the first that needs an
// escape. It looks at eight at a time: texts may be long.
func plainLength(b []byte) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quote, slash := w^'"'*each, w^'\\'*each
		// The high bit of each byte that is a control character, or one of the two:
		// what is below a number goes below zero when that is taken off.
		if ((w-' '*each)&^w|(quote-each)&^quote|(slash-each)&^slash)&high != 0 && needsEscape(b[n:n+8]) {
			break
		}
	}
	for n < len(b) && escapes[b[n]] == 0 {
		n++
	}
	return n
}

func needsEscape(b []byte) bool {
	return slices.ContainsFunc(b, func(c byte) bool { return escapes[c] != 0 })
}

func appendEscaped[T string | []byte](b []byte, s T, d Dialect) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		letter := escapes[s[i]]
		if letter == 0 {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch {
		case letter == 'x' && d.Unicode:
			b = append(b, `\u0000`...)
		case letter == 'x':
			b = append(d.backslash(b), "x00"...)
		case letter == '\\':
			b = d.backslash(b)
		default:
			b = append(b, '\\', letter)
		}
	}
	return append(b, s[from:]...)
}

func (d Dialect) backslash(b []byte) []byte {
	if d.UnescapesTwice {
		return append(b, `\\\\`...)
	}
	return append(b, `\\`...)
}

// text reads a JSON string. It aliases the message, or the decoder's memory
// when there were escapes in it.
func (d *Decoder) text() []byte {
	if !d.eat('"') {
		return nil
	}
	start := d.pos
	d.pos += textEnd(d.in[start:])
	switch {
	case d.pos == len(d.in):
		d.fail("string without an end")
		return nil
	case d.in[d.pos] == '\\':
		return d.escaped(start)
	}
	d.pos++
	return d.in[start : d.pos-1 : d.pos-1]
}

// textEnd finds the first quotation mark or backslash, or else the end.
func textEnd(b []byte) int {
	const short = 32 // up to here a loop is faster
	for i, c := range b[:min(len(b), short)] {
		if c == '"' || c == '\\' {
			return i
		}
	}
	end := bytes.IndexByte(b, '"')
	if end < 0 {
		end = len(b)
	}
	if slash := bytes.IndexByte(b[:end], '\\'); slash >= 0 {
		end = slash
	}
	return end
}

// escaped goes on with the string from start on at its first backslash.
func (d *Decoder) escaped(start int) []byte {
	if !d.unescape(len(d.in) - start) {
		return nil
	}
	at := len(d.scratch)
	from := start
	for d.pos < len(d.in) {
		switch d.in[d.pos] {
		case '"':
			d.scratch = append(d.scratch, d.in[from:d.pos]...)
			d.pos++
			return d.scratch[at:len(d.scratch):len(d.scratch)]
		case '\\':
			d.scratch = append(d.scratch, d.in[from:d.pos]...)
			d.escape()
			from = d.pos
		default:
			d.pos++
		}
		if d.err != nil {
			return nil
		}
	}
	d.fail("string without an end")
	return nil
}

// unescape makes room for what so much of the input is without escapes, which is not
// more. What has been returned stays where it is.
func (d *Decoder) unescape(most int) bool {
	if cap(d.scratch)-len(d.scratch) >= most {
		return true
	}
	if !d.take(most) {
		return false
	}
	d.scratch = make([]byte, 0, most)
	return true
}

// unescapes is the inverse of escapes, and what others write.
var unescapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v',
}

func (d *Decoder) escape() {
	rest := d.in[d.pos+1:]
	if len(rest) == 0 {
		d.fail("string without an end")
		return
	}
	if c := unescapes[rest[0]]; c != 0 {
		d.scratch = append(d.scratch, c)
		d.pos += 2
		return
	}
	unit, ok := hex4(rest)
	if !ok {
		d.fail(fmt.Sprintf("unknown escape \\%q", rest[0]))
		return
	}
	d.pos += 6
	const surrogate, low, next = 0xd800, 0xdc00, 0xe000
	if unit >= surrogate && unit < low {
		if second, ok := hex4(d.in[min(d.pos+1, len(d.in)):]); ok && d.in[d.pos] == '\\' && second >= low && second < next {
			unit = 0x10000 + (unit-surrogate)<<10 + (second - low)
			d.pos += 6
		}
	}
	d.scratch = utf8.AppendRune(d.scratch, unit) // half a pair becomes U+FFFD
}

// hex4 reads u and four digits.
func hex4(b []byte) (rune, bool) {
	if len(b) < 5 || b[0] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[1:5] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
