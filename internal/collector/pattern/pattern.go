// Package pattern has the regular expressions of Bro's policy scripts, which
// are those of flex: a pattern selects an event when it matches the whole of
// the name. It imports nothing of this project.
package pattern

import (
	"fmt"
	"regexp"
	"strings"
)

// Pattern is a compiled expression.
type Pattern struct {
	text string
	re   *regexp.Regexp
}

// Error says what is wrong with an expression, and where.
type Error struct {
	Offset int // in bytes, in what stands between the slashes
	Msg    string
}

func (e *Error) Error() string { return fmt.Sprintf("at character %d: %s", e.Offset+1, e.Msg) }

// maxText is the longest expression that is taken.
const maxText = 32 << 10

// Compile takes what a script has between slashes.
func Compile(text string) (*Pattern, error) {
	if len(text) > maxText {
		return nil, &Error{maxText, fmt.Sprintf("expression of %d bytes, at most %d", len(text), maxText)}
	}
	t := translator{in: text}
	if err := t.whole(); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(string(t.out))
	if err != nil { // one of its bounds that we have not seen
		return nil, &Error{0, fmt.Sprintf("too large an expression: %v", err)}
	}
	return &Pattern{text, re}, nil
}

// Literal returns a pattern that matches the name and nothing else.
func Literal(name string) *Pattern {
	p, err := Compile(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(name) + `"`)
	if err != nil {
		panic(err) // there is nothing in quotes that could be wrong
	}
	return p
}

// Or returns a pattern that matches what any of them does.
func Or(patterns ...*Pattern) (*Pattern, error) {
	if len(patterns) == 1 {
		return patterns[0], nil
	}
	texts := make([]string, len(patterns))
	for i, p := range patterns {
		texts[i] = "(" + p.text + ")"
	}
	return Compile(strings.Join(texts, "|"))
}

// Match reports whether the pattern matches the whole of a name.
func (p *Pattern) Match(name string) bool {
	var b strings.Builder
	b.Grow(len(name) + 2*len(begin))
	b.WriteString(begin)
	for i := range len(name) {
		b.WriteRune(rune(name[i]))
	}
	b.WriteString(end)
	return p.re.MatchString(b.String())
}

// String returns the pattern as a script has it.
func (p *Pattern) String() string { return "/" + p.text + "/" }

// FromGlob reads a pattern as one of the shell's, where * stands for anything:
// /ftp_*/ as /ftp_.*/. It reports false when that is not what it looks like.
func (p *Pattern) FromGlob() (*Pattern, bool) {
	if !glob.MatchString(p.text) {
		return nil, false
	}
	other, err := Compile(strings.ReplaceAll(p.text, "*", ".*"))
	return other, err == nil
}

var glob = regexp.MustCompile(`^[A-Za-z0-9_:]*[A-Za-z0-9_:]\*[A-Za-z0-9_:*]*$`)
