package policy

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"romanesco/internal/collector/pattern"
)

// kind is what a token is. The values are how messages call it.
type kind string

const (
	tokEnd      kind = "the end of the file"
	tokLoad     kind = "@load"
	tokName     kind = "name"
	tokMark     kind = "mark" // punctuation, one character or +=
	tokString   kind = "string"
	tokCount    kind = "number"
	tokDouble   kind = "fraction"
	tokInterval kind = "interval"
	tokPort     kind = "port"
	tokAddr     kind = "address"
	tokHost     kind = "host name"
	tokPattern  kind = "pattern"
	tokBool     kind = "T or F"
)

// token is a piece of a file, as it stands there.
type token struct {
	kind kind
	text string
	at   int // offset
}

func (t token) String() string {
	switch t.kind {
	case tokEnd:
		return string(t.kind)
	case tokName, tokMark, tokLoad, tokBool:
		return fmt.Sprintf("%.60q", t.text)
	}
	return fmt.Sprintf("the %s %.60s", t.kind, t.text)
}

// rules are the tokens of Bro's scripts that concern us. The longest match
// counts, of equally long ones the first.
var rules = []struct {
	kind kind
	re   *regexp.Regexp
}{
	{tokLoad, longest(`@load` + blanks + `+[^ \t\r\n\x{a0}]+`)},
	{tokAddr, longest(`\[[0-9a-fA-F]*:[0-9a-fA-F:.]*\]`)},
	{tokAddr, longest(`[0-9]+(\.[0-9]+){3}`)},
	{tokBool, longest(`[TF]`)},
	{tokName, longest(`[A-Za-z_][A-Za-z_0-9]*(::[A-Za-z_][A-Za-z_0-9]*)*`)},
	{tokCount, longest(`([0-9]+|0x[0-9a-fA-F]+)`)},
	{tokDouble, longest(float)},
	{tokPort, longest(`[0-9]+/(tcp|udp|icmp|unknown)`)},
	{tokInterval, longest(float + blanks + `*(day|hr|min|sec|msec|usec)s?`)},
	{tokHost, longest(`[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9][A-Za-z0-9-]*)+`)},
	{tokString, longest(`"([^\\\n"]|\\[^\n])*"`)},
	{tokPattern, longest(`/([^/\\\n]|\\[^\n])+/`)},
	{tokMark, longest(`(\+=|[][{}=,;$:|&])`)},
}

func longest(expression string) *regexp.Regexp {
	re := regexp.MustCompile("^(?:" + expression + ")")
	re.Longest()
	return re
}

const (
	blanks = `[ \t\x{a0}]`
	float  = `([0-9]*\.?[0-9]+|[0-9]+\.?[0-9]*)([eE][-+]?[0-9]+)?`
)

// file is the text of a policy file.
type file struct {
	name string
	text []byte
}

// pos returns the place of an offset. Columns are in characters.
func (f *file) pos(at int) Pos {
	before := f.text[:at]
	line := bytes.LastIndexByte(before, '\n') + 1
	return Pos{f.name, bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[line:]) + 1}
}

func (f *file) fail(at int, format string, args ...any) error {
	return &Error{f.pos(at), fmt.Sprintf(format, args...)}
}

// lexer splits a file into tokens.
type lexer struct {
	file
	offset int
}

// next returns the next token. Behind the last one there is tokEnd, again and
// again.
func (l *lexer) next() (token, error) {
	l.skipBlanks()
	rest := l.text[l.offset:]
	t := token{kind: tokEnd, at: l.offset}
	if len(rest) == 0 {
		return t, nil
	}
	n := 0
	for _, r := range rules {
		if m := r.re.FindIndex(rest); m != nil && m[1] > n {
			n, t.kind = m[1], r.kind
		}
	}
	if n == 0 {
		return t, l.unknown(rest)
	}
	t.text = string(rest[:n])
	l.offset += n
	if t.kind == tokInterval && n < len(rest) && isNameByte(rest[n]) {
		return t, l.fail(t.at, "expected day, hr, min, sec, msec or usec as the unit of an interval")
	}
	return t, nil
}

func (l *lexer) skipBlanks() {
	for l.offset < len(l.text) {
		switch l.text[l.offset] {
		case ' ', '\t', '\r', '\n':
			l.offset++
		case '#':
			n := bytes.IndexByte(l.text[l.offset:], '\n')
			if n < 0 {
				n = len(l.text) - l.offset
			}
			l.offset += n
		default:
			if !bytes.HasPrefix(l.text[l.offset:], []byte(nbsp)) {
				return
			}
			l.offset += len(nbsp)
		}
	}
}

// nbsp comes along when a configuration is copied from a page that shows one.
const (
	nbsp     = "\u00a0"
	allBlank = " \t" + nbsp
)

// unknown says what is wrong where no token begins.
func (l *lexer) unknown(rest []byte) error {
	switch rest[0] {
	case '"':
		return l.fail(l.offset, `expected a " at the end of the string, on the same line`)
	case '/':
		return l.fail(l.offset, "expected a / at the end of the pattern, on the same line")
	case '@':
		return l.fail(l.offset, "expected @load and the name of a file; no other directive is understood")
	}
	r, _ := utf8.DecodeRune(rest)
	return l.fail(l.offset, "did not expect the character %q", r)
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// unquote returns what a string says.
func (l *lexer) unquote(t token) (string, error) {
	var b strings.Builder
	for in := t.text[1 : len(t.text)-1]; in != ""; {
		c := in[0]
		in = in[1:]
		if c == '\\' {
			at := t.at + len(t.text) - 2 - len(in)
			v, n, err := pattern.Unescape(in)
			if err != nil {
				return "", l.fail(at, "%v", err)
			}
			c, in = v, in[n:]
		}
		if c == 0 {
			return "", l.fail(t.at, "a string with a NUL in it is of no use here")
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}
