package policy

import (
	"errors"
	"slices"
	"strings"

	"romanesco/internal/collector/pattern"
)

// parser reads one file into what is known so far. It looks one token ahead.
type parser struct {
	lexer
	tok  token
	into *draft
	// load reads the file that an @load names.
	load func(name string, at Pos) error
}

func (p *parser) advance() (err error) {
	p.tok, err = p.next()
	return err
}

func (p *parser) isMark(s string) bool { return p.tok.kind == tokMark && p.tok.text == s }

func (p *parser) mark(s string) error {
	if !p.isMark(s) {
		return p.fail(p.tok.at, "expected %q, found %v", s, p.tok)
	}
	return p.advance()
}

// patternError gives an error in a pattern its place; at is where the pattern
// begins.
func (p *parser) patternError(at int, err error) error {
	var e *pattern.Error
	if errors.As(err, &e) {
		return p.fail(min(at+e.Offset, len(p.text)), "%s", e.Msg)
	}
	return p.fail(at, "%v", err)
}

// whole reads the file.
func (p *parser) whole() error {
	if err := p.advance(); err != nil {
		return err
	}
	for {
		var err error
		switch t := p.tok; {
		case t.kind == tokEnd:
			return nil
		case t.kind == tokLoad:
			err = p.loadFile()
		case t.kind == tokName && (t.text == "redef" || t.text == "const"):
			err = p.statement(t.text)
		default:
			err = p.fail(t.at, "expected redef, const or @load, found %v", t)
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) loadFile() error {
	t := p.tok
	if err := p.load(strings.TrimLeft(t.text[len("@load"):], allBlank), p.pos(t.at)); err != nil {
		return err
	}
	return p.advance()
}

// statement reads "redef NAME = VALUE;" and its like. how is its first word.
func (p *parser) statement(how string) error {
	if err := p.advance(); err != nil {
		return err
	}
	name, err := p.want(tokName, "the name of a setting")
	if err != nil {
		return err
	}
	s, ok := settings[name.text]
	if !ok {
		return p.fail(name.at, "there is no setting %q; expected one of %s", name.text, strings.Join(settingNames(), ", "))
	}
	if s.table != "" {
		return p.tableStatement(how, name, s)
	}
	if p.isMark(":") {
		if err := p.advance(); err != nil {
			return err
		}
		if t := p.tok; t.kind != tokName || t.text != s.typ {
			return p.fail(t.at, "expected %s, the type of %s, found %v", s.typ, name.text, t)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	if err := p.mark("="); err != nil {
		return err
	}
	if err := s.read(p, p.into); err != nil {
		return err
	}
	return p.endStatement()
}

// endStatement reads "&redef" where it stands, and the semicolon.
func (p *parser) endStatement() error {
	if p.isMark("&") {
		if err := p.advance(); err != nil {
			return err
		}
		if t := p.tok; t.kind != tokName || t.text != "redef" {
			return p.fail(t.at, "expected redef, found %v; no other attribute is understood", t)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return p.mark(";")
}

// tableStatement reads "redef TABLE += { ... };".
func (p *parser) tableStatement(how string, name token, s setting) error {
	if how != "redef" {
		return p.fail(name.at, "%s is a table of Bro's: expected \"redef %s += { ... };\"", name.text, name.text)
	}
	switch {
	case p.isMark("="):
		p.into.drop(s.table)
	case !p.isMark("+="):
		return p.fail(p.tok.at, "expected \"+=\", found %v", p.tok)
	}
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.mark("{"); err != nil {
		return err
	}
	var tags []string
	for !p.isMark("}") {
		d, err := p.entry(s.table)
		if err != nil {
			return err
		}
		if slices.Contains(tags, d.Tag) {
			return &Error{d.At, "the tag " + quote(d.Tag) + " is there already, further up in this table"}
		}
		tags = append(tags, d.Tag)
		p.into.add(d)
		if p.isMark("}") {
			break
		}
		if !p.isMark(",") {
			return p.fail(p.tok.at, `expected "," or "}" after a destination, found %v`, p.tok)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	if err := p.advance(); err != nil {
		return err
	}
	return p.endStatement()
}

// entry reads ["tag"] = [$field=value, ...].
func (p *parser) entry(table string) (*entry, error) {
	if err := p.mark("["); err != nil {
		return nil, err
	}
	d := newEntry(table)
	d.At = p.pos(p.tok.at)
	var err error
	if d.Tag, err = p.stringValue(); err != nil {
		return nil, err
	}
	for _, s := range []string{"]", "=", "["} {
		if err := p.mark(s); err != nil {
			return nil, err
		}
	}
	for !p.isMark("]") {
		if err := p.field(d); err != nil {
			return nil, err
		}
		if p.isMark("]") {
			break
		}
		if !p.isMark(",") {
			return nil, p.fail(p.tok.at, `expected "," or "]" after a field, found %v`, p.tok)
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if !d.Host.IsValid() {
		return nil, p.fail(p.tok.at, "expected a $host in %s", quote(d.Tag))
	}
	if d.TLSNames != nil && !d.SSL {
		return nil, &Error{d.namesAt, "expected $ssl=T beside $tls_names: without TLS there is no certificate"}
	}
	return d, p.advance()
}

// field reads $name = value.
func (p *parser) field(d *entry) error {
	if err := p.mark("$"); err != nil {
		return err
	}
	name, err := p.want(tokName, "the name of a field")
	if err != nil {
		return err
	}
	read, ok := fields[name.text]
	if !ok {
		return p.fail(name.at, "there is no field $%s; expected one of $%s", name.text, strings.Join(fieldNames(), ", $"))
	}
	if slices.Contains(d.given, name.text) {
		return p.fail(name.at, "the field $%s is there already", name.text)
	}
	d.given = append(d.given, name.text)
	if err := p.mark("="); err != nil {
		return err
	}
	return read(p, d)
}
