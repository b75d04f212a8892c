package script

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// Lexer splits a file into tokens. It tells a pattern from a division by what stands
// before the slash.
type Lexer struct {
	file *File
	at   int
	end  int
	hole int // the next one, in the order of the file
	// operand says that the last token ends an operand; open are the brackets, and
	// the bars of |x|, that are open.
	operand bool
	open    []byte
}

// Lex returns a lexer for a part of the file.
func (f *File) Lex(from, to int) *Lexer {
	first := sort.Search(len(f.holes), func(i int) bool { return f.holes[i].from >= from })
	return &Lexer{file: f, at: from, end: to, hole: first}
}

// Next returns the next token. Behind the last one there is End, again and again.
func (l *Lexer) Next() (Token, error) {
	l.skipBlanks()
	t := Token{Kind: End, At: l.at}
	if l.at >= l.end {
		return t, nil
	}
	n, kind, err := l.match(l.file.Text[l.at:l.end])
	if err != nil {
		return t, err
	}
	t.Kind, t.Text = kind, l.file.Text[l.at:l.at+n]
	l.at += n
	l.follow(t)
	return t, nil
}

// match returns how long the token is that begins here.
func (l *Lexer) match(rest string) (int, Kind, error) {
	switch c := rest[0]; {
	case isDigit(c), isLetter(c), c == '.', c == ':' && strings.HasPrefix(rest, "::"):
		return l.word(rest)
	case c == '"':
		return l.quoted(rest)
	case c == '/' && !l.operand:
		return l.pattern(rest)
	case c == '@':
		return l.directive(rest)
	case c == '&':
		if name := nameLength(rest[1:]); name > 0 && attributes[rest[1:1+name]] {
			return 1 + name, Attribute, nil
		}
	case c == '[':
		if n := bracketed(rest); n > 0 {
			if m := prefixLength(rest[n:]); m > 0 {
				return n + m, Subnet, nil
			}
			return n, Addr, nil
		}
	}
	for _, m := range marks {
		if strings.HasPrefix(rest, m) {
			return len(m), Mark, nil
		}
	}
	return 0, End, l.unknown(rest)
}

// bracketed returns how long the address in brackets is with which a text begins.
func bracketed(s string) int {
	n := 1
	for n < len(s) && n < 8 && (isDigit(s[n]) || isLetter(s[n])) {
		n++
	}
	if n == len(s) || s[n] != ':' {
		return 0
	}
	return address6.match(s)
}

// marks has the long ones first.
var marks = []string{
	"?$$", "?$", "++", "--", "+=", "-=", "==", "!=", ">=", "<=", "&&", "||",
	"!", "%", "*", "/", "+", "-", ",", ":", ";", "<", "=", ">", "?", "(", ")", "[", "]", "{", "}", "~", "$", "|", "&", "^",
}

// quoted matches a string.
func (l *Lexer) quoted(rest string) (int, Kind, error) {
	for i := 1; i < len(rest) && rest[i] != '\n'; i++ {
		switch rest[i] {
		case '\\':
			i++
			if i < len(rest) && rest[i] == '\n' {
				return 0, End, l.fail(`expected a " at the end of the string, on the same line`)
			}
		case '"':
			return i + 1, String, nil
		}
	}
	return 0, End, l.fail(`expected a " at the end of the string, on the same line`)
}

// pattern matches a pattern, with the i behind it that Bro 2.6 has for "whatever the
// case".
func (l *Lexer) pattern(rest string) (int, Kind, error) {
	for i := 1; i < len(rest) && rest[i] != '\n'; i++ {
		switch {
		case rest[i] == '\\':
			i++
		case rest[i] == '/' && i > 1:
			n := i + 1
			if n < len(rest) && rest[n] == 'i' && nameLength(rest[n:]) == 1 {
				n++
			}
			return n, Pattern, nil
		case rest[i] == '/':
			return 0, End, l.fail("expected a / at the end of the pattern, on the same line")
		}
	}
	return 0, End, l.fail("expected a / at the end of the pattern, on the same line")
}

// directives with the longest first; those of the second group take the rest of a word.
var directives = []struct {
	name     string
	argument bool
}{
	{"@load-sigs", true}, {"@load-plugin", true}, {"@load", true}, {"@unload", true}, {"@prefixes", true},
	{"@ifndef", false}, {"@ifdef", false}, {"@if", false}, {"@else", false}, {"@endif", false},
	{"@deprecated", false}, {"@DEBUG", false}, {"@DIR", false}, {"@FILENAME", false},
}

func (l *Lexer) directive(rest string) (int, Kind, error) {
	for _, d := range directives {
		if !strings.HasPrefix(rest, d.name) {
			continue
		}
		n := len(d.name)
		if d.name == "@deprecated" { // with a text that says why
			return len(rest) - len(strings.TrimLeftFunc(rest, func(r rune) bool { return r != '\n' })), Directive, nil
		}
		if !d.argument {
			return n, Directive, nil
		}
		blank := len(rest[n:]) - len(strings.TrimLeft(rest[n:], blanks))
		if blank == 0 {
			continue
		}
		n += blank
		if d.name == "@prefixes" { // @prefixes += a:b
			for n < len(rest) && strings.IndexByte("+= \t", rest[n]) >= 0 {
				n++
			}
		}
		word := strings.IndexAny(rest[n:], " \t\r\n")
		if word < 0 {
			word = len(rest) - n
		}
		if space := strings.Index(rest[n:n+word], noBreak); space >= 0 {
			word = space
		}
		if word == 0 {
			return 0, End, l.fail("expected a name behind %s, on the same line", d.name)
		}
		return n + word, Directive, nil
	}
	return 0, End, l.fail("there is no such directive in Bro's scripts: %.30q", firstWord(rest))
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t\r\n"); i >= 0 {
		return s[:i]
	}
	return s
}

// noBreak comes along when a configuration is copied from a page that shows one.
const (
	noBreak = "\u00a0"
	blanks  = " \t" + noBreak
)

func (l *Lexer) skipBlanks() {
	text := l.file.Text[:l.end]
	for l.at < len(text) {
		for l.hole < len(l.file.holes) && l.file.holes[l.hole].from < l.at {
			l.hole++
		}
		if l.hole < len(l.file.holes) && l.file.holes[l.hole].from == l.at {
			l.at = l.file.holes[l.hole].to
			continue
		}
		switch c := text[l.at]; {
		case c == ' ', c == '\t', c == '\r', c == '\n', c == '\f':
			l.at++
		case c == '#':
			if n := strings.IndexByte(text[l.at:], '\n'); n >= 0 {
				l.at += n
			} else {
				l.at = len(text)
			}
		case strings.HasPrefix(text[l.at:], noBreak):
			l.at += len(noBreak)
		case c == noBreak[1]: // in Latin-1
			l.at++
		default:
			return
		}
	}
}

// follow keeps what tells a pattern from a division.
func (l *Lexer) follow(t Token) {
	switch {
	case t.Kind == Name:
		l.operand = !before[t.Text]
	case t.Kind == Attribute:
		l.operand = false
	case t.Kind == Directive:
		l.operand = t.Text == "@DIR" || t.Text == "@FILENAME"
	case t.Kind != Mark:
		l.operand = true
	case t.Text == "(", t.Text == "[", t.Text == "{":
		l.open = append(l.open, t.Text[0])
		l.operand = false
	case t.Text == ")", t.Text == "]", t.Text == "}":
		l.close(t.Text[0])
		l.operand = t.Text != "}"
	case t.Text == "|":
		l.bar()
	default:
		l.operand = false
	}
}

// close forgets a bracket, and bars within that were none of a pair.
func (l *Lexer) close(closing byte) {
	n := len(l.open)
	for n > 0 && l.open[n-1] == '|' {
		n--
	}
	if n > 0 && l.open[n-1] == opening(closing) {
		n--
	}
	l.open = l.open[:n]
}

func opening(closing byte) byte {
	switch closing {
	case ')':
		return '('
	case ']':
		return '['
	}
	return '{'
}

// bar is one of |x|, or the "or" between two operands.
func (l *Lexer) bar() {
	n := len(l.open)
	switch {
	case !l.operand:
		l.open = append(l.open, '|')
	case n > 0 && l.open[n-1] == '|':
		l.open = l.open[:n-1]
	default:
		l.operand = false
	}
}

func (l *Lexer) fail(format string, args ...any) error {
	return l.file.Fail(l.at, format, args...)
}

// unknown says what is wrong where no token begins.
func (l *Lexer) unknown(rest string) error {
	r, _ := utf8.DecodeRuneInString(rest)
	return l.fail("did not expect the character %q", r)
}
