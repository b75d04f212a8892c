package zeek

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// lexer takes the tokens of a Zeek script one by one: names, numbers, strings,
// and marks.
type lexer struct {
	src  string
	pos  int
	line int
	tok  string // "" at the end
	err  error
}

func (l *lexer) fail(what string) {
	if l.err == nil {
		l.err = errors.New(what)
	}
	l.tok = ""
}

// take returns the token and goes on to the next.
func (l *lexer) take() string {
	tok := l.tok
	if tok == "" {
		l.fail("the end of the file in the middle of a declaration")
	}
	l.next()
	return tok
}

func (l *lexer) accept(tok string) bool {
	if l.tok != tok {
		return false
	}
	l.next()
	return true
}

func (l *lexer) want(tok string) {
	if have := l.tok; !l.accept(tok) {
		l.fail(fmt.Sprintf("%q where %q should be", have, tok))
	}
}

func (l *lexer) number(most int) int {
	tok := l.take()
	n, err := strconv.ParseUint(tok, 0, 31)
	if err != nil || n > uint64(most) {
		l.fail(fmt.Sprintf("%q is no number up to %d", tok, most))
		return 0
	}
	return int(n)
}

var brackets = map[string]string{"(": ")", "[": "]", "{": "}"}

// skipOne passes over a token, or over all between two brackets.
func (l *lexer) skipOne() {
	var open []string
	for {
		tok := l.take()
		if l.err != nil {
			return
		}
		if shut := brackets[tok]; shut != "" {
			open = append(open, shut)
		} else if n := len(open); n > 0 && tok == open[n-1] {
			open = open[:n-1]
		}
		if len(open) == 0 {
			return
		}
	}
}

// rest passes over what is left of a statement: up to a semicolon, or the end
// of a block.
func (l *lexer) rest() {
	for l.err == nil && l.tok != "" && l.tok != "}" {
		tok := l.tok
		l.skipOne()
		if tok == ";" || tok == "{" {
			return
		}
	}
}

// next goes on to the next token.
func (l *lexer) next() {
	l.tok = ""
	if l.err != nil {
		return
	}
	l.blank()
	if l.pos >= len(l.src) {
		return
	}
	start := l.pos
	switch c := l.src[l.pos]; {
	case isNameByte(c):
		l.name()
	case c == '"':
		l.quoted('"')
	case c == '/' && l.pos > 0:
		l.quoted('/') // a pattern: nothing else with a slash stands in a declaration
	case strings.HasPrefix(l.src[l.pos:], "+="):
		l.pos += 2
	default:
		l.pos++
	}
	l.tok = l.src[start:l.pos]
}

// blank passes over spaces and comments.
func (l *lexer) blank() {
	for ; l.pos < len(l.src); l.pos++ {
		switch l.src[l.pos] {
		case '\n':
			l.line++
		case ' ', '\t', '\r':
		case '#':
			end := strings.IndexByte(l.src[l.pos:], '\n')
			if end < 0 {
				l.pos = len(l.src)
				return
			}
			l.pos += end - 1
		default:
			return
		}
	}
}

// name takes a name with its modules, or a number.
func (l *lexer) name() {
	for l.pos < len(l.src) {
		if isNameByte(l.src[l.pos]) {
			l.pos++
		} else if strings.HasPrefix(l.src[l.pos:], "::") {
			l.pos += 2
		} else {
			return
		}
	}
}

// quoted takes a string or a pattern, which ends on its line; a lone mark is
// taken for itself.
func (l *lexer) quoted(mark byte) {
	for i := l.pos + 1; i < len(l.src) && l.src[i] != '\n'; i++ {
		switch l.src[i] {
		case '\\':
			i++
		case mark:
			l.pos = i + 1
			return
		}
	}
	l.pos++
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func isName(s string) bool { return s != "" && isNameByte(s[0]) && (s[0] < '0' || s[0] > '9') }
