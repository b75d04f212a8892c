package script

const (
	maxParsed    = 500_000 // tokens
	maxExprDepth = 200
	maxChain     = 1000 // of operators beside each other
)

// Parser reads expressions and the statements of functions.
type Parser struct {
	file   *File
	lex    *Lexer
	tok    Token
	depth  int
	count  int  // of tokens
	inSize bool // between the bars of |x|
	closed int  // where the last list ended
	last   int  // where the last token ended

}

// Parse returns a parser of a part of a file, at its first token.
func (f *File) Parse(from, to int) (*Parser, error) {
	p := &Parser{file: f, lex: f.Lex(from, to)}
	return p, p.Advance()
}

// Token returns the next token.
func (p *Parser) Token() Token { return p.tok }

// Advance steps over a token.
func (p *Parser) Advance() (err error) {
	if p.count++; p.count > maxParsed {
		return p.Fail("more than %d words and signs in a statement", maxParsed)
	}
	p.last = p.tok.End()
	p.tok, err = p.lex.Next()
	return err
}

// Want steps over a mark that must be there.
func (p *Parser) Want(mark string) error {
	if !p.tok.Is(mark) {
		return p.Fail("expected %q, found %v", mark, p.tok)
	}
	return p.Advance()
}

// Fail returns an error at the next token.
func (p *Parser) Fail(format string, args ...any) error {
	return p.file.Fail(p.tok.At, format, args...)
}

// deeper counts how deep what is read is in itself.
func (p *Parser) deeper() error {
	if p.depth++; p.depth > maxExprDepth {
		return p.Fail("expressions are in each other deeper than %d", maxExprDepth)
	}
	return nil
}

// The operators, by how tightly they bind.
var binds = map[string]int{
	"=": 1, "+=": 1, "-=": 1, "?": 2, "||": 3, "&&": 4,
	"<": 5, "<=": 5, ">": 5, ">=": 5, "==": 5, "!=": 5,
	"|": 6, "^": 7, "&": 8, "in": 9, "!in": 9, "+": 10, "-": 10, "*": 11, "/": 11, "%": 11,
}

const (
	bindsAssign = 1
	bindsBar    = 6
	bindsUnary  = 12
)

// Expr reads an expression.
func (p *Parser) Expr() (Expr, error) { return p.binary(bindsAssign) }

// binary reads operators that bind at least so tightly.
func (p *Parser) binary(least int) (Expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	x, err := p.unary()
	for n := 0; err == nil; n++ {
		op := p.operator()
		binding := binds[op]
		if binding < least || binding == 0 || op == "|" && p.inSize && !p.operandFollows() {
			return x, nil
		}
		if n == maxChain {
			return nil, p.Fail("more than %d operators in an expression", maxChain)
		}
		x, err = p.operation(x, op, binding)
	}
	return nil, err
}

// operandFollows tells the "or" in |a | b| from the bar that ends it.
func (p *Parser) operandFollows() bool {
	after := *p.lex
	t, err := after.Next()
	if err != nil || t.Kind == End || t.Kind == Attribute {
		return false
	}
	return t.Is("(") || t.Kind != Mark && !t.Says("in") && !t.Says("as") && !t.Says("is")
}

// operator returns the one that comes next, if one does.
func (p *Parser) operator() string {
	switch {
	case p.tok.Says("in"):
		return "in"
	case p.tok.Is("!"):
		after := *p.lex
		if t, err := after.Next(); err == nil && t.Says("in") {
			return "!in"
		}
	case p.tok.Kind == Mark:
		return p.tok.Text
	}
	return ""
}

func (p *Parser) operation(x Expr, op string, binding int) (Expr, error) {
	where := at(p.tok.At)
	if op == "!in" {
		if err := p.Advance(); err != nil {
			return nil, err
		}
	}
	if err := p.Advance(); err != nil {
		return nil, err
	}
	switch {
	case op == "?":
		return p.choice(x, where)
	case binding == bindsAssign: // to the right
		y, err := p.binary(binding)
		return &Binary{where, op, x, y}, err
	}
	y, err := p.binary(binding + 1)
	return &Binary{where, op, x, y}, err
}

func (p *Parser) choice(x Expr, where at) (Expr, error) {
	then, err := p.binary(binds["?"])
	if err != nil {
		return nil, err
	}
	if err := p.Want(":"); err != nil {
		return nil, err
	}
	other, err := p.binary(binds["?"])
	return &Choice{where, x, then, other}, err
}

func (p *Parser) unary() (Expr, error) {
	where := at(p.tok.At)
	switch {
	case p.tok.Is("!"), p.tok.Is("-"), p.tok.Is("+"), p.tok.Is("++"), p.tok.Is("--"), p.tok.Is("~"):
		op := p.tok.Text
		if err := p.Advance(); err != nil {
			return nil, err
		}
		x, err := p.binary(bindsUnary)
		return &Unary{where, op, x}, err
	case p.tok.Is("|"):
		return p.size()
	case p.tok.Is("$"):
		return p.given()
	case p.tok.Says("local"):
		if err := p.Advance(); err != nil {
			return nil, err
		}
	}
	x, err := p.primary()
	if err != nil {
		return nil, err
	}
	return p.postfix(x)
}

func (p *Parser) size() (Expr, error) {
	where := at(p.tok.At)
	if err := p.Advance(); err != nil {
		return nil, err
	}
	outer := p.inSize
	p.inSize = true
	x, err := p.binary(bindsBar)
	p.inSize = outer
	if err != nil {
		return nil, err
	}
	if err := p.Want("|"); err != nil {
		return nil, err
	}
	return p.postfix(&Unary{where, "|", x})
}

// given reads $name = value.
func (p *Parser) given() (Expr, error) {
	if err := p.Advance(); err != nil {
		return nil, err
	}
	name := p.tok
	if name.Kind != Name && name.Kind != Bool {
		return nil, p.Fail("expected the name of a field, found %v", name)
	}
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if p.tok.Is("(") { // $f(x: count) = { ... }
		return p.opaque(at(name.At))
	}
	if err := p.Want("="); err != nil {
		return nil, err
	}
	x, err := p.binary(bindsAssign + 1)
	return &Given{at(name.At), name.Text, x}, err
}

func (p *Parser) primary() (Expr, error) {
	t := p.tok
	where := at(t.At)
	switch {
	case t.Kind == End:
		return nil, p.Fail("expected a value, found %v", t)
	case t.Is("("):
		if err := p.Advance(); err != nil {
			return nil, err
		}
		outer := p.inSize
		p.inSize = false
		x, err := p.Expr()
		if p.inSize = outer; err != nil {
			return nil, err
		}
		return x, p.Want(")")
	case t.Is("["):
		b := &Bracket{at: where}
		var err error
		b.List, err = p.list("]")
		b.Close = p.closed
		return b, err
	case t.Is("{"):
		list, err := p.list("}")
		return &Brace{where, list}, err
	case t.Says("function"), t.Says("schedule"):
		return p.opaque(where)
	case t.Says("match"):
		return p.match(where)
	case t.Says("hook"):
		if err := p.Advance(); err != nil {
			return nil, err
		}
		return p.primary()
	case t.Kind == Name:
		return &Ident{where, t.Text}, p.Advance()
	case t.Kind == Mark, t.Kind == Attribute:
		return nil, p.Fail("expected a value, found %v", t)
	}
	return &Literal{where, t}, p.Advance()
}

// list reads what is between brackets, up to the closing one.
func (p *Parser) list(end string) ([]Expr, error) {
	outer := p.inSize
	p.inSize = false
	defer func() { p.inSize = outer }()
	if err := p.Advance(); err != nil {
		return nil, err
	}
	var all []Expr
	for !p.tok.Is(end) {
		x, err := p.Expr()
		if err != nil {
			return nil, err
		}
		all = append(all, x)
		if err := p.attributes(); err != nil {
			return nil, err
		}
		if p.tok.Is(end) {
			break
		}
		if !p.tok.Is(",") {
			return nil, p.Fail(`expected "," or %q, found %v`, end, p.tok)
		}
		if err := p.Advance(); err != nil {
			return nil, err
		}
	}
	p.closed = p.tok.At
	return all, p.Advance()
}

// postfix reads what may follow a value.
func (p *Parser) postfix(x Expr) (Expr, error) {
	for n := 0; ; n++ {
		var err error
		switch {
		case n == maxExprDepth:
			return nil, p.Fail("expressions are in each other deeper than %d", maxExprDepth)
		case p.tok.Is("["):
			x, err = p.index(x)
		case (p.tok.Is("$") || p.tok.Is("?$")) && !isLiteral(x):
			x, err = p.field(x)
		case p.tok.Is("("):
			where := at(p.tok.At)
			if name, ok := x.(*Ident); ok {
				where = name.at
			}
			var args []Expr
			args, err = p.list(")")
			x = &Call{where, x, args}
		case p.tok.Says("as"), p.tok.Says("is"): // and a type, in Bro 2.6
			from := at(p.tok.At)
			err = p.convert()
			x = &Opaque{from, p.last}
		case p.tok.Is("++"), p.tok.Is("--"):
			x = &Unary{at(p.tok.At), p.tok.Text, x}
			err = p.Advance()
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func isLiteral(x Expr) bool {
	_, ok := x.(*Literal)
	return ok
}

func (p *Parser) index(x Expr) (Expr, error) {
	where := at(p.tok.At)
	from := *p.lex
	keys, err := p.list("]")
	if err == nil {
		return &Index{where, x, keys}, nil
	}
	*p.lex = from // a slice, or an error
	return p.slice(where, err)
}

func (p *Parser) field(x Expr) (Expr, error) {
	has := p.tok.Is("?$")
	if err := p.Advance(); err != nil {
		return nil, err
	}
	t := p.tok
	if t.Kind != Name && t.Kind != Bool {
		return nil, p.Fail("expected the name of a field, found %v", t)
	}
	return &Field{at(t.At), x, t.Text, has}, p.Advance()
}
