package script

// What is stepped over: it has no value that is understood.

// opaque steps over a function without a name, or an event that is scheduled.
func (p *Parser) opaque(where at) (Expr, error) {
	for depth := 0; ; {
		switch {
		case p.tok.Kind == End:
			return nil, p.Fail("expected a body in braces, found %v", p.tok)
		case opens(p.tok):
			depth++
		case closes(p.tok):
			depth--
		}
		ends := depth == 0 && p.tok.Is("}")
		if depth < 0 {
			return nil, p.Fail("expected a body in braces, found %v", p.tok)
		}
		if err := p.Advance(); err != nil || ends {
			return &Opaque{where, p.last}, err
		}
	}
}

// match steps over Bro 1's "match x using y".
func (p *Parser) match(where at) (Expr, error) {
	for depth := 0; p.tok.Kind != End; {
		switch {
		case opens(p.tok):
			depth++
		case closes(p.tok):
			depth--
		}
		if depth < 0 || depth == 0 && (p.tok.Is(";") || p.tok.Is(",")) {
			break
		}
		if err := p.Advance(); err != nil {
			return nil, err
		}
	}
	return &Opaque{where, p.last}, nil
}

// attributes steps over what may stand behind a value.
func (p *Parser) attributes() error {
	for p.tok.Kind == Attribute {
		if err := p.Advance(); err != nil {
			return err
		}
		if !p.tok.Is("=") {
			continue
		}
		if err := p.Advance(); err != nil {
			return err
		}
		if _, err := p.binary(bindsAssign + 1); err != nil {
			return err
		}
	}
	return nil
}

// slice steps over [a:b].
func (p *Parser) slice(where at, err error) (Expr, error) {
	colon := false
	for depth := 1; depth > 0; {
		t, e := p.lex.Next()
		switch {
		case e != nil || t.Kind == End:
			return nil, err
		case opens(t):
			depth++
		case closes(t):
			depth--
		case t.Is(":") && depth == 1:
			colon = true
		}
	}
	if !colon {
		return nil, err
	}
	err = p.Advance()
	return &Opaque{where, p.last}, err
}

// convert steps over a type.
func (p *Parser) convert() error {
	for depth, n := 0, 0; p.tok.Kind != End; n++ {
		switch {
		case opens(p.tok):
			depth++
		case closes(p.tok):
			depth--
		case depth == 0 && n > 0 && p.tok.Kind == Mark:
			return nil
		}
		if depth < 0 {
			return nil
		}
		if err := p.Advance(); err != nil {
			return err
		}
	}
	return nil
}
