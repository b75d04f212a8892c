package zeek

import (
	"fmt"
	"io"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/regular"
)

// maxDeclarations is how large a file of declarations may be.
const maxDeclarations = 4 << 20

// LoadTypes reads declarations from a file.
func LoadTypes(path string) (*Types, error) {
	t := NewTypes()
	if err := t.Load(path); err != nil {
		return nil, err
	}
	return t, nil
}

// ParseTypes reads declarations, as Parse does.
func ParseTypes(r io.Reader, name string) (*Types, error) {
	t := NewTypes()
	if err := t.Parse(r, name); err != nil {
		return nil, err
	}
	return t, nil
}

// NewTypes returns Types to which declarations can be added before they are used.
func NewTypes() *Types {
	return &Types{declared: map[string]*declared{}, values: map[string]enumValue{}, events: map[string][]field{}}
}

// Load adds the declarations of a file.
func (t *Types) Load(path string) error {
	f, err := regular.Open(path)
	if err != nil {
		return fmt.Errorf("types of Zeek: %w", err)
	}
	defer f.Close()
	return t.Parse(f, path)
}

// Parse adds the declarations of enum and record types and of events, as a Zeek
// script has them; it passes over the rest of the script. What is declared already is
// so anew. name is for errors, after which the Types are of no use.
func (t *Types) Parse(r io.Reader, name string) error {
	b, err := io.ReadAll(io.LimitReader(r, maxDeclarations+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if len(b) > maxDeclarations {
		return fmt.Errorf("%s is larger than %d bytes", name, maxDeclarations)
	}
	p := &parser{lexer: lexer{src: string(b), line: 1}, types: t}
	p.next()
	for p.err == nil && p.tok != "" {
		p.statement()
	}
	if p.err != nil {
		return fmt.Errorf("%s, line %d: %w", name, p.line, p.err)
	}
	return nil
}

// parser reads declarations. Its functions return at once after an error.
type parser struct {
	lexer
	module string
	types  *Types
	depth  int
}

func (p *parser) statement() {
	switch p.tok {
	case "module":
		p.next()
		if p.module = p.take(); p.module == "GLOBAL" {
			p.module = ""
		}
		p.want(";")
	case "export", "}", ";":
		// What is exported stands between braces, and is not otherwise special.
		if p.take() == "export" {
			p.want("{")
		}
	case "type":
		p.next()
		name := p.qualified(p.take())
		p.want(":")
		p.declare(name, p.typ(name))
	case "global", "event":
		event := p.take() == "event"
		name := p.take()
		if event || p.accept(":") && p.accept("event") {
			p.want("(")
			params := p.fields(")")
			// Zeek looks an event up by its full name, which has the module in
			// front only if the script says so.
			p.types.events[name] = params
			if p.module != "" && !strings.Contains(name, "::") {
				p.types.events[p.qualified(name)] = params
			}
		}
		p.rest()
	case "redef":
		p.next()
		p.redef()
	default:
		p.rest()
	}
}

// redef adds to an enum or a record.
func (p *parser) redef() {
	kind := p.tok
	if kind != "enum" && kind != "record" {
		p.rest()
		return
	}
	p.next()
	name := p.take()
	if full := p.qualified(name); p.types.declared[full] != nil {
		name = full
	}
	have := p.types.declared[name]
	if have == nil { // of a script that is not here
		p.rest()
		return
	}
	p.want("+=")
	p.want("{")
	if kind == "enum" {
		p.enum(have, name)
	} else {
		have.fields = append(have.fields, p.fields("}")...)
	}
	p.rest()
}

func (p *parser) declare(name string, d *declared) {
	p.types.declared[name] = d
	p.rest()
}

// qualified puts the module in front of a name.
func (p *parser) qualified(name string) string {
	if p.module == "" || strings.Contains(name, "::") {
		return name
	}
	return p.module + "::" + name
}

var basic = map[string]event.Type{
	"bool": event.Bool, "int": event.Int, "count": event.Count, "counter": event.Count, "double": event.Double,
	"time": event.Time, "interval": event.Interval, "string": event.String, "pattern": event.Pattern,
	"port": event.Port, "addr": event.Addr, "subnet": event.Subnet, "any": event.Any, "file": event.File,
}

const maxTypeDepth = 64

// typ reads a type. self is the name that an enum is being declared under.
func (p *parser) typ(self string) *declared {
	if p.depth++; p.depth > maxTypeDepth {
		p.fail("types nested too deep")
	}
	defer func() { p.depth-- }()
	name := p.take()
	if kind, ok := basic[name]; ok {
		if name == "file" && p.accept("of") {
			p.typ("")
		}
		return &declared{kind: kind}
	}
	d := &declared{}
	switch name {
	case "enum":
		d.kind = event.Enum
		p.want("{")
		p.enum(d, self)
	case "record":
		d.kind = event.Record
		p.want("{")
		d.fields = p.fields("}")
	case "set":
		d.kind = event.Set
		d.index = p.index()
	case "table":
		d.kind = event.Table
		d.index = p.index()
		p.want("of")
		d.yield = p.typ("")
	case "vector":
		d.kind = event.Vector
		p.want("of")
		d.yield = p.typ("")
	case "function", "event", "hook":
		d.kind = event.Func
		p.want("(")
		p.fields(")")
		if p.accept(":") {
			p.typ("")
		}
	case "opaque":
		d.kind = event.Any
		p.want("of")
		p.take()
	default:
		d.kind, d.name = event.Any, p.reference(name)
	}
	return d
}

// reference is the full name of a type that is named: the module's own, if it
// has one of that name.
func (p *parser) reference(name string) string {
	if !isName(name) {
		p.fail(fmt.Sprintf("%q is no type", name))
	}
	if full := p.qualified(name); p.types.declared[full] != nil {
		return full
	}
	return name
}

func (p *parser) index() []*declared {
	var list []*declared
	p.want("[")
	for p.err == nil {
		list = append(list, p.typ(""))
		if !p.accept(",") {
			break
		}
	}
	p.want("]")
	return list
}

// fields reads the fields of a record or the parameters of an event, up to the
// closing bracket.
func (p *parser) fields(shut string) []field {
	var list []field
	for p.err == nil && !p.accept(shut) {
		name := p.take()
		p.want(":")
		list = append(list, field{name, p.typ("")})
		p.attributes(shut)
	}
	return list
}

// attributes passes over what may follow a field, such as &optional.
func (p *parser) attributes(shut string) {
	for p.err == nil && p.tok != shut {
		switch p.tok {
		case ";", ",":
			p.next()
			return
		case "":
			p.fail("the end of the file where " + shut + " should be")
		default:
			p.skipOne()
		}
	}
}

// enum reads values up to the closing brace.
func (p *parser) enum(d *declared, enum string) {
	const most = 1 << 16
	for p.err == nil && !p.accept("}") {
		name := p.take()
		if !isName(name) {
			p.fail(fmt.Sprintf("%q is no name of an enum value", name))
			return
		}
		number := len(d.values)
		if p.accept("=") {
			number = p.number(most)
		}
		for len(d.values) <= number {
			d.values = append(d.values, "")
		}
		full := p.qualified(name)
		d.values[number] = full
		p.types.values[full] = enumValue{enum, int64(number)}
		p.attributes("}")
	}
}
