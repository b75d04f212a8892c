package pattern

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// To Bro, ^ and $ are symbols of their own that stand before and behind what
// is matched, and everything else is a byte. We write the bytes as the first
// 256 characters, and the two symbols as characters that no byte becomes.
const (
	begin = "\ue000"
	end   = "\ue001"

	beginClass = `\x{e000}`
	endClass   = `\x{e001}`
)

const (
	maxDepth  = 200  // of parentheses
	maxRepeat = 1000 // what package regexp takes
	// maxSize is how many characters and classes there may be, each as often
	// as it is repeated.
	maxSize = 64 << 10
)

// translator writes a flex expression as one of package regexp.
type translator struct {
	in    string
	pos   int
	depth int
	size  int
	out   []byte
}

func (t *translator) fail(at int, format string, args ...any) error {
	return &Error{at, fmt.Sprintf(format, args...)}
}

func (t *translator) write(s string) { t.out = append(t.out, s...) }

func (t *translator) more() bool { return t.pos < len(t.in) }

// whole translates an expression that must match a whole name.
func (t *translator) whole() error {
	t.write(`\A(?:` + beginClass + `)?(?:`)
	if err := t.alternatives(); err != nil {
		return err
	}
	if t.more() { // alternatives stop at a parenthesis only
		return t.fail(t.pos, "this parenthesis closes none")
	}
	t.write(`)(?:` + endClass + `)?\z`)
	return nil
}

// alternatives translates up to a closing parenthesis or the end. Only the
// first of them may be empty.
func (t *translator) alternatives() error {
	for first := true; ; first = false {
		n := 0
		for t.more() && t.in[t.pos] != '|' && t.in[t.pos] != ')' {
			if err := t.repeated(); err != nil {
				return err
			}
			n++
		}
		if n == 0 && !first {
			return t.fail(t.pos, "an expression is missing behind |")
		}
		if !t.more() || t.in[t.pos] == ')' {
			return nil
		}
		t.pos++
		t.write("|")
	}
}

// repeated translates one thing and how often it comes.
func (t *translator) repeated() error {
	from, size := len(t.out), t.size
	if err := t.single(); err != nil {
		return err
	}
	for n := 0; t.more(); n++ {
		var how string
		switch c := t.in[t.pos]; c {
		case '*', '+', '?':
			how = string(c)
			t.pos++
		case '{':
			at := t.pos
			var most int
			var err error
			if how, most, err = t.count(); err != nil {
				return err
			}
			if t.size += (t.size - size) * most; t.size > maxSize {
				return t.fail(at, "with these repetitions the expression becomes too large")
			}
		default:
			return nil
		}
		if n == maxDepth {
			return t.fail(t.pos-1, "more than %d repetitions of repetitions", maxDepth)
		}
		// A group around it, so that ?? and the like are no words of regexp's.
		t.out = slices.Insert(t.out, from, []byte("(?:")...)
		t.write(")" + how)
	}
	return nil
}

// count translates {n}, {n,} or {n,m}; most is the largest of the numbers.
func (t *translator) count() (text string, most int, err error) {
	at := t.pos
	closing := strings.IndexByte(t.in[at:], '}')
	if closing < 0 {
		return "", 0, t.fail(at, "this { has no }")
	}
	body := t.in[at+1 : at+closing]
	t.pos = at + closing + 1
	low, high, isRange := strings.Cut(body, ",")
	n, err := strconv.ParseUint(low, 10, 31)
	if err != nil {
		return "", 0, t.fail(at, "{%s}: expected a number of repetitions, as in {3}, {3,} or {3,5}", body)
	}
	m := n
	if isRange && high != "" {
		if m, err = strconv.ParseUint(high, 10, 31); err != nil {
			return "", 0, t.fail(at, "{%s}: expected a number of repetitions, as in {3}, {3,} or {3,5}", body)
		}
	}
	switch {
	case n > m:
		return "", 0, t.fail(at, "{%s}: the first number is larger than the second", body)
	case m > maxRepeat:
		return "", 0, t.fail(at, "{%s}: at most %d repetitions", body, maxRepeat)
	}
	return "{" + body + "}", int(m), nil
}

// single translates one character, class, string in quotes or group.
func (t *translator) single() error {
	at := t.pos
	c := t.in[at]
	t.pos++
	t.size++
	switch c {
	case '(':
		return t.group(at)
	case '[':
		return t.class(at)
	case '"':
		return t.quoted(at)
	case '.':
		t.write(`[^\n` + beginClass + endClass + `]`)
	case '^':
		t.write(beginClass)
	case '$':
		t.write(endClass)
	case '*', '+', '?', '{':
		return t.fail(at, "%c has nothing before it to repeat; to match the character itself, write \\%c", c, c)
	case '}':
		return t.fail(at, "this } has no {; to match the character itself, write \\}")
	case '\n':
		return t.fail(at, "line end in a pattern")
	case '\\':
		b, err := t.escape(at)
		if err != nil {
			return err
		}
		t.char(b)
	default:
		t.char(c)
	}
	return nil
}

func (t *translator) char(b byte) {
	t.size++
	t.write(fmt.Sprintf(`\x{%02x}`, b))
}

func (t *translator) group(at int) error {
	if t.depth++; t.depth > maxDepth {
		return t.fail(at, "parentheses nested deeper than %d", maxDepth)
	}
	t.write("(?:")
	if err := t.alternatives(); err != nil {
		return err
	}
	if !t.more() {
		return t.fail(at, "this parenthesis is not closed")
	}
	t.pos++
	t.depth--
	t.write(")")
	return nil
}

// quoted translates a string, in which nothing but escapes is special.
func (t *translator) quoted(at int) error {
	t.write("(?:")
	for t.more() {
		c := t.in[t.pos]
		t.pos++
		switch c {
		case '"':
			t.write(")")
			return nil
		case '\n':
			return t.fail(t.pos-1, "line end in a pattern")
		case '\\':
			b, err := t.escape(t.pos - 1)
			if err != nil {
				return err
			}
			c = b
		}
		t.char(c)
	}
	return t.fail(at, `this " is not closed`)
}

// escape reads what follows a backslash, which stands at at.
func (t *translator) escape(at int) (byte, error) {
	b, n, err := Unescape(t.in[t.pos:])
	if err != nil {
		return 0, t.fail(at, "%v", err)
	}
	if c := t.in[t.pos]; strings.IndexByte("dDwWsSpPAzQE", c) >= 0 {
		return 0, t.fail(at, `\%c is not special in Bro's expressions; write %c, or a class such as [[:digit:]]`, c, c)
	}
	t.pos += n
	return b, nil
}

// Unescape reads one escape of Bro's, in an expression or a string: text is
// what follows the backslash. It returns the byte that is meant and how much of
// text says so.
func Unescape(text string) (b byte, n int, err error) {
	if text == "" || text[0] == '\n' {
		return 0, 0, fmt.Errorf(`\ at the end: expected the character that it escapes`)
	}
	c := text[0]
	if i := strings.IndexByte("bfnrtav", c); i >= 0 {
		return "\b\f\n\r\t\a\v"[i], 1, nil
	}
	switch {
	case c >= '0' && c <= '7':
		for n < len(text) && n < 3 && text[n] >= '0' && text[n] <= '7' {
			n++
		}
		v, err := strconv.ParseUint(text[:n], 8, 8)
		if err != nil {
			return 0, 0, fmt.Errorf(`\%s: expected at most \377`, text[:n])
		}
		return byte(v), n, nil
	case c == 'x':
		for n = 1; n < len(text) && n < 3 && isHex(text[n]); n++ {
		}
		v, err := strconv.ParseUint(text[1:n], 16, 8)
		if err != nil {
			return 0, 0, fmt.Errorf(`\x: expected two hexadecimal digits`)
		}
		return byte(v), n, nil
	}
	return c, 1, nil
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

var classNames = []string{
	"alnum", "alpha", "blank", "cntrl", "digit", "graph",
	"lower", "print", "punct", "space", "upper", "xdigit",
}

// class translates what follows [, which stands at at.
func (t *translator) class(at int) error {
	t.write("[")
	if t.pos+1 < len(t.in) && t.in[t.pos] == '^' {
		t.pos++
		t.write("^" + beginClass + endClass)
	}
	for first := true; ; first = false {
		if !t.more() || t.in[t.pos] == '\n' {
			return t.fail(at, "this [ has no ]")
		}
		if t.in[t.pos] == ']' && !first {
			t.pos++
			t.write("]")
			return nil
		}
		if err := t.member(first); err != nil {
			return err
		}
	}
}

// member translates a character, a range or a named class.
func (t *translator) member(first bool) error {
	at := t.pos
	if strings.HasPrefix(t.in[at:], "[:") {
		if name, _, ok := strings.Cut(t.in[at+2:], ":]"); ok && isWord(name) {
			if !slices.Contains(classNames, strings.ToLower(name)) {
				return t.fail(at, "[:%s:]: expected one of [:%s:]", name, strings.Join(classNames, ":], [:"))
			}
			t.pos += len(name) + len("[::]")
			t.write("[:" + strings.ToLower(name) + ":]")
			return nil
		}
	}
	low, err := t.classChar()
	if err != nil {
		return err
	}
	if low == '-' && t.pos == at+1 && !first && t.more() && t.in[t.pos] != ']' {
		return t.fail(at, `- has no character before it; to match the character itself, write \-`)
	}
	high := low
	if t.pos+1 < len(t.in) && t.in[t.pos] == '-' && t.in[t.pos+1] != ']' && t.in[t.pos+1] != '\n' {
		t.pos++
		if high, err = t.classChar(); err != nil {
			return err
		}
		if low > high {
			return t.fail(at, "range from %q to %q: the first is the larger one", low, high)
		}
	}
	t.write(fmt.Sprintf(`\x{%02x}-\x{%02x}`, low, high))
	return nil
}

func (t *translator) classChar() (byte, error) {
	c := t.in[t.pos]
	t.pos++
	if c == '\\' {
		return t.escape(t.pos - 1)
	}
	return c, nil
}

func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}
