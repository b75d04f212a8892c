package script

import (
	"regexp"
	"strings"
)

// What begins with a digit, a letter, a point or :: is the longest of these, of equally
// long ones the first.
var words = []struct {
	kind Kind
	re   expression
}{
	{Addr, compile(`([0-9a-fA-F]+:){7}[0-9a-fA-F]+`)}, // Bro 1 has no brackets around them
	{Addr, compile(`(0x[0-9a-fA-F]+|[0-9][0-9a-fA-F:]*|)::[0-9a-fA-F:]*`)},
	{Addr, compile(`[0-9]+(\.[0-9]+){3}`)},
	{Subnet, compile(`[0-9]+(\.[0-9]+){3}` + space + `*/` + space + `*[0-9]+`)},
	{Net, compile(`[0-9]+\.([0-9]+\.|[0-9]+\.[0-9]+)`)},
	{Bool, compile(`[TF]`)},
	{Count, compile(`([0-9]+|0x[0-9a-fA-F]+)`)},
	{Double, compile(float)},
	{Port, compile(`[0-9]+/(tcp|udp|icmp|unknown)`)},
	{Interval, compile(float + space + `*(day|hr|min|sec|msec|usec)s?`)},
	{Host, compile(`[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9][A-Za-z0-9-]*)+`)},
}

const (
	space = `[ \t\x{a0}]`
	float = `([0-9]*\.?[0-9]+|[0-9]+\.?[0-9]*)([eE][-+]?[0-9]+)?`
)

var address6 = compile(`\[(([0-9a-fA-F]+:){7}[0-9a-fA-F]+|(0x)?[0-9a-fA-F:]*::[0-9a-fA-F:]*(([0-9]+\.){3}[0-9]+)?)\]`)

var prefix = compile(space + `*/` + space + `*[0-9]+`)

func prefixLength(rest string) int { return prefix.match(rest) }

// expression matches at the beginning of a text, as much as it can.
type expression struct{ re *regexp.Regexp }

func compile(text string) expression {
	re := regexp.MustCompile("^(?:" + text + ")")
	re.Longest()
	return expression{re}
}

// maxWord is the longest of these tokens: each is looked at several times.
const maxWord = 4 << 10

func (e expression) match(s string) int {
	if m := e.re.FindStringIndex(s[:min(len(s), maxWord+1)]); m != nil {
		return m[1]
	}
	return 0
}

// word matches a name, a number, an address and the like.
func (l *Lexer) word(rest string) (int, Kind, error) {
	n, kind := nameLength(rest), Name
	if n > 0 && !mayBeMore(rest, n) {
		if n == 1 && (rest[0] == 'T' || rest[0] == 'F') {
			kind = Bool
		}
		return n, kind, nil
	}
	if n := plainNumber(rest); n > 0 {
		return n, Count, nil
	}
	for _, w := range words {
		if m := w.re.match(rest); m > n {
			n, kind = m, w.kind
		}
	}
	switch {
	case n == 0 && rest[0] == ':':
		return 1, Mark, nil
	case n == 0:
		return 0, End, l.unknown(rest)
	case n > maxWord:
		return 0, End, l.fail("a %s of more than %d characters", kind, maxWord)
	case kind == Interval && n < len(rest) && isNameByte(rest[n]):
		return 0, End, l.fail("expected day, hr, min, sec, msec or usec as the unit of an interval")
	}
	return n, kind, nil
}

// plainNumber returns how long the number is with which a text begins, 0 if it might be
// the beginning of anything else.
func plainNumber(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n == 0 || n > maxWord || n < len(s) && (isLetter(s[n]) || strings.IndexByte(".:/-", s[n]) >= 0) {
		return 0
	}
	if rest := strings.TrimLeft(s[n:], blanks); len(rest) < len(s)-n && rest != "" && strings.IndexByte("dhmsu", rest[0]) >= 0 {
		return 0
	}
	return n
}

// mayBeMore reports whether a name could be the beginning of a longer token.
func mayBeMore(rest string, n int) bool {
	if n == len(rest) || rest[n] != ':' {
		return n > maxWord || n < len(rest) && (rest[n] == '.' || rest[n] == '-')
	}
	return strings.Trim(rest[:n], "0123456789abcdefABCDEF") == "" || strings.HasPrefix(rest[n:], "::")
}

// nameLength returns how long the name is with which a text begins, 0 for none.
func nameLength(s string) int {
	n := 0
	for {
		m := n
		if m >= len(s) || !isLetter(s[m]) {
			return max(n-2, 0) // without the :: before
		}
		for m < len(s) && isNameByte(s[m]) {
			m++
		}
		if !strings.HasPrefix(s[m:], "::") {
			return m
		}
		n = m + 2
	}
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isNameByte(c byte) bool { return isDigit(c) || isLetter(c) }

func set(words string) map[string]bool {
	all := map[string]bool{}
	for _, w := range strings.Fields(words) {
		all[w] = true
	}
	return all
}
