package main

import (
	"fmt"
	"regexp"
	"strings"
)

// A declaration is one exported function or variable as the header shows it.
type declaration struct {
	name        string
	where       string // file:line of BRO_API
	comment     string // as it stands in the C file
	declaration string
}

const export = "BRO_API"

var (
	space    = regexp.MustCompile(`\s+`)
	function = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*) ?\((.*)\)$`)
	variable = regexp.MustCompile(`^(.*[ *])([A-Za-z_][A-Za-z0-9_]*)((?: ?\[[^\]]*\])*)$`)
)

// Parse returns what one C file exports, in the order of the file.
//
// It reads no C, only the form that the project writes its exports in: a
// comment that starts with "/**" and ends on the line before BRO_API; then,
// for a function, BRO_API and the type of the result on a line of their own,
// name and parameters on the next, and "{" at the beginning of a line.
func Parse(file, text string) ([]declaration, error) {
	p := parser{file: file, lines: strings.Split(text, "\n")}
	var decls []declaration
	for p.at < len(p.lines) {
		line := p.lines[p.at]
		switch {
		case strings.HasPrefix(line, "/*"):
			if err := p.comment(); err != nil {
				return nil, err
			}
		case strings.HasPrefix(line, export):
			d, err := p.export()
			if err != nil {
				return nil, err
			}
			decls = append(decls, d)
		default:
			p.at++
		}
	}
	return decls, nil
}

type parser struct {
	file  string
	lines []string
	at    int // the line to look at

	doc    string // the last comment that started with "/**"
	docEnd int    // the line behind it
}

func (p *parser) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.file, line+1, fmt.Sprintf(format, args...))
}

func (p *parser) comment() error {
	start := p.at
	for ; p.at < len(p.lines); p.at++ {
		if !strings.Contains(p.lines[p.at], "*/") {
			continue
		}
		p.at++
		if strings.HasPrefix(p.lines[start], "/**") {
			p.doc, p.docEnd = strings.Join(p.lines[start:p.at], "\n"), p.at
		}
		return nil
	}
	return p.errorf(start, "the comment does not end")
}

func (p *parser) export() (declaration, error) {
	start := p.at
	d := declaration{where: fmt.Sprintf("%s:%d", p.file, start+1), comment: p.doc}
	if p.doc == "" || p.docEnd != start {
		return d, p.errorf(start, "%s without a /** comment on the lines before it", export)
	}

	first := strings.TrimSpace(strings.TrimPrefix(p.lines[start], export))
	if first == "" || strings.ContainsAny(first, "({") && !strings.Contains(first, "=") {
		return d, p.errorf(start, "%s and the type of the result must have a line of their own", export)
	}
	p.at++
	if strings.ContainsAny(first, "=;") {
		return d, p.variable(&d, start, first)
	}

	var head []string
	for ; ; p.at++ {
		if p.at >= len(p.lines) || strings.ContainsAny(p.lines[p.at], ";}") || p.lines[p.at] == "" {
			return d, p.errorf(start, "no '{' at the beginning of a line follows")
		}
		if p.lines[p.at] == "{" {
			break
		}
		head = append(head, strings.TrimSpace(p.lines[p.at]))
	}
	m := function.FindStringSubmatch(strings.Join(head, " "))
	if m == nil {
		return d, p.errorf(start+1, "this is not a name with parameters")
	}
	if strings.TrimSpace(m[2]) == "" {
		return d, p.errorf(start+1, "write %s(void)", m[1])
	}
	d.name = m[1]
	d.declaration = prototype(space.ReplaceAllString(first, " "), m[1], space.ReplaceAllString(m[2], " "))
	return d, nil
}

func (p *parser) variable(d *declaration, start int, first string) error {
	for last := first; !strings.HasSuffix(last, ";"); p.at++ {
		if p.at >= len(p.lines) {
			return p.errorf(start, "the variable does not end")
		}
		last = strings.TrimSpace(p.lines[p.at])
	}
	first, _, _ = strings.Cut(first, "=")
	m := variable.FindStringSubmatch(strings.TrimSpace(strings.TrimSuffix(first, ";")))
	if m == nil {
		return p.errorf(start, "this is not a variable")
	}
	d.name = m[2]
	d.declaration = "extern " + m[1] + m[2] + m[3] + ";"
	return nil
}

// Longest line of a prototype.
const width = 92

// prototype breaks parameters that do not fit, below the first one.
func prototype(result, name, params string) string {
	if !strings.HasSuffix(result, "*") {
		result += " "
	}
	head := result + name + "("
	if len(head)+len(params)+len(");") <= width {
		return head + params + ");"
	}
	var lines []string
	line := head
	indent := strings.Repeat(" ", len(head))
	for i, param := range strings.Split(params, ", ") {
		if i > 0 {
			line += ","
			if len(line)+len(" ")+len(param)+len(");") > width {
				lines = append(lines, line)
				line = indent
			} else {
				line += " "
			}
		}
		line += param
	}
	return strings.Join(append(lines, line+");"), "\n")
}
