package script

// Stmt is a statement of a function.
type Stmt interface {
	// Where returns its first offset, End the one behind it.
	Where() int
	End() int
	end(at int)
}

// span is from where to where a statement goes.
type span struct{ from, to int }

// Where returns the offset of the statement.
func (s *span) Where() int { return s.from }

// End returns the offset behind the statement.
func (s *span) End() int { return s.to }

func (s *span) end(at int) { s.to = at }

// The statements that are told apart.
type (
	// Block is { ... }.
	Block struct {
		span
		List []Stmt
	}
	// Do is an expression that is evaluated.
	Do struct {
		span
		X Expr
	}
	// Local declares a variable. Type is the first word of its type; X is nil without a
	// value.
	Local struct {
		span
		Name, Type string
		X          Expr
	}
	// If has nil for no else.
	If struct {
		span
		Cond       Expr
		Then, Else Stmt
	}
	// For is over the keys of a table, the members of a set or the indices of a vector.
	// Value is the name for the values of the table, if it has one.
	For struct {
		span
		Names []string
		Value string
		X     Expr
		Do    Stmt
	}
	// Jump is return, next or break.
	Jump struct {
		span
		Word string
		X    Expr // nil without
	}
	// Change is add or delete.
	Change struct {
		span
		Word string
		X    Expr
	}
	// Other is what is not understood further.
	Other struct{ span }
)

// Statements reads statements up to the end.
func (p *Parser) Statements() ([]Stmt, error) {
	var all []Stmt
	for p.tok.Kind != End {
		s, err := p.Statement()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Statement reads one.
func (p *Parser) Statement() (Stmt, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	s, err := p.statement()
	if err != nil {
		return nil, err
	}
	s.end(p.last)
	return s, nil
}

func (p *Parser) statement() (Stmt, error) {
	where := span{from: p.tok.At}
	switch {
	case p.tok.Is("{"):
		return p.blockOf(where)
	case p.tok.Is(";"):
		return &Block{where, nil}, p.Advance()
	case p.tok.Kind != Name:
		return p.do(where)
	}
	switch p.tok.Text {
	case "if":
		return p.ifs(where)
	case "for":
		return p.fors(where)
	case "local", "const":
		return p.local(where)
	case "return", "next", "break":
		return p.jump(where)
	case "add", "delete":
		return p.change(where)
	case "while", "switch", "when", "print", "event", "schedule", "fallthrough", "alarm", "case", "default":
		return p.other(where)
	}
	return p.do(where)
}

func (p *Parser) blockOf(where span) (Stmt, error) {
	if err := p.Advance(); err != nil {
		return nil, err
	}
	b := &Block{where, nil}
	for !p.tok.Is("}") {
		if p.tok.Kind == End {
			return nil, p.Fail(`expected "}", found %v`, p.tok)
		}
		s, err := p.Statement()
		if err != nil {
			return nil, err
		}
		b.List = append(b.List, s)
	}
	return b, p.Advance()
}

func (p *Parser) do(where span) (Stmt, error) {
	x, err := p.Expr()
	if err != nil {
		return nil, err
	}
	return &Do{where, x}, p.ended()
}

// ended reads the semicolon.
func (p *Parser) ended() error {
	if err := p.attributes(); err != nil {
		return err
	}
	return p.Want(";")
}

func (p *Parser) ifs(where span) (Stmt, error) {
	s := &If{span: where}
	err := p.Advance()
	if err == nil {
		s.Cond, err = p.inParentheses()
	}
	if err == nil {
		s.Then, err = p.Statement()
	}
	if err == nil && p.tok.Says("else") {
		if err = p.Advance(); err == nil {
			s.Else, err = p.Statement()
		}
	}
	return s, err
}

func (p *Parser) inParentheses() (Expr, error) {
	if err := p.Want("("); err != nil {
		return nil, err
	}
	x, err := p.Expr()
	if err != nil {
		return nil, err
	}
	return x, p.Want(")")
}

// fors reads for ( x in t ), for ( [x, y] in t ) or Bro 2.6's for ( x, value in t ).
func (p *Parser) fors(where span) (Stmt, error) {
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if err := p.Want("("); err != nil {
		return nil, err
	}
	s := &For{span: where}
	depth, commas := 0, 0
	for !p.tok.Says("in") {
		switch {
		case p.tok.Is("["):
			depth++
		case p.tok.Is("]"):
			depth--
		case p.tok.Is(",") && depth == 0:
			commas++
		case p.tok.Kind == Name && commas > 0:
			s.Value = p.tok.Text
		case p.tok.Kind == Name:
			s.Names = append(s.Names, p.tok.Text)
		case !p.tok.Is(","):
			return nil, p.Fail(`expected "in", found %v`, p.tok)
		}
		if err := p.Advance(); err != nil {
			return nil, err
		}
	}
	err := p.Advance()
	if err == nil {
		s.X, err = p.Expr()
	}
	if err == nil {
		err = p.Want(")")
	}
	if err == nil {
		s.Do, err = p.Statement()
	}
	return s, err
}

func (p *Parser) local(where span) (Stmt, error) {
	if err := p.Advance(); err != nil {
		return nil, err
	}
	s := &Local{where, p.tok.Text, "", nil}
	if p.tok.Kind != Name {
		return nil, p.Fail("expected the name of a variable, found %v", p.tok)
	}
	if err := p.Advance(); err != nil {
		return nil, err
	}
	var err error
	if s.Type, err = p.typeName(); err != nil {
		return nil, err
	}
	if p.tok.Is("=") {
		if err := p.Advance(); err != nil {
			return nil, err
		}
		if s.X, err = p.Expr(); err != nil {
			return nil, err
		}
	}
	return s, p.ended()
}

// typeName steps over ": type", if it is there, and returns its first word.
func (p *Parser) typeName() (string, error) {
	if !p.tok.Is(":") {
		return "", nil
	}
	after := *p.lex
	t, err := after.Next()
	if err != nil {
		return "", err
	}
	return t.Text, p.SkipType()
}

// SkipType steps over ": type", if it is there.
func (p *Parser) SkipType() error {
	if !p.tok.Is(":") {
		return nil
	}
	for depth := 0; ; {
		switch {
		case p.tok.Kind == End:
			return nil
		case opens(p.tok):
			depth++
		case closes(p.tok):
			depth--
		case depth == 0 && (p.tok.Is("=") || p.tok.Is("+=") || p.tok.Is("-=") || p.tok.Is(";") || p.tok.Kind == Attribute):
			return nil
		}
		if err := p.Advance(); err != nil {
			return err
		}
	}
}

func (p *Parser) jump(where span) (Stmt, error) {
	s := &Jump{where, p.tok.Text, nil}
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if p.tok.Says("when") {
		return p.other(where)
	}
	if !p.tok.Is(";") {
		var err error
		if s.X, err = p.Expr(); err != nil {
			return nil, err
		}
	}
	return s, p.ended()
}

func (p *Parser) change(where span) (Stmt, error) {
	s := &Change{where, p.tok.Text, nil}
	err := p.Advance()
	if err == nil {
		s.X, err = p.Expr()
	}
	if err == nil {
		err = p.ended()
	}
	return s, err
}

// other steps over a statement whose end alone is found.
func (p *Parser) other(where span) (Stmt, error) {
	block := p.tok.Says("while") || p.tok.Says("switch") || p.tok.Says("when")
	for depth := 0; ; {
		switch {
		case p.tok.Kind == End:
			return nil, p.Fail(`expected ";", found %v`, p.tok)
		case opens(p.tok):
			depth++
		case closes(p.tok):
			depth--
		}
		if depth < 0 {
			return nil, p.Fail("did not expect %v here", p.tok)
		}
		last := p.tok
		if err := p.Advance(); err != nil {
			return nil, err
		}
		ends := depth == 0 && (last.Is(";") || block && last.Is("}")) && !p.tok.Says("timeout")
		if ends {
			return &Other{where}, nil
		}
	}
}

// Initial reads what stands behind the name of a constant, a variable or a setting: a
// type, an operator and a value. Without a value the operator is empty.
func (p *Parser) Initial() (op string, x Expr, err error) {
	if err := p.SkipType(); err != nil {
		return "", nil, err
	}
	if !p.tok.Is("=") && !p.tok.Is("+=") && !p.tok.Is("-=") {
		return "", nil, nil
	}
	op = p.tok.Text
	if err := p.Advance(); err != nil {
		return "", nil, err
	}
	x, err = p.Expr()
	return op, x, err
}

// NewOther returns a statement of which nothing but the extent is known.
func NewOther(from, to int) *Other { return &Other{span{from, to}} }
