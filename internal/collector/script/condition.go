package script

import "strings"

// Truth is what a condition is.
type Truth uint8

// Unknown is a condition of which it cannot be known here.
const (
	False Truth = iota
	True
	Unknown
)

// Condition is an @if, @ifdef or @ifndef with what stands in its parentheses.
type Condition struct {
	Directive Token
	From, To  int // offsets of what is between the parentheses
}

// open is a condition that has had no @endif yet.
type open struct {
	Condition
	truth Truth
}

// maxConditions is how deep they may be in each other.
const maxConditions = 200

// tokens are those of a file that count: what conditions leave out is not among them.
type tokens struct {
	*Lexer
	ask  func(Condition) (Truth, error)
	open []open
	// other is told of the branch of an unknown condition that is not taken.
	other func(from, to int) error
	// ahead is a token that has been looked at.
	ahead  *Token
	doubts int // how many unknown conditions we are in
	// unknowns are all that have been met.
	unknowns int
}

func (s *tokens) peek() (Token, error) {
	if s.ahead == nil {
		t, err := s.read()
		if err != nil {
			return t, err
		}
		s.ahead = &t
	}
	return *s.ahead, nil
}

func (s *tokens) next() (Token, error) {
	t, err := s.peek()
	s.ahead = nil
	return t, err
}

// glance returns the next token, directives among them, without stepping over it.
func (s *tokens) glance() (Token, error) {
	if s.ahead != nil {
		return *s.ahead, nil
	}
	after := *s.Lexer
	return after.Next()
}

// read returns the next token that counts. @load and its like are among them.
func (s *tokens) read() (Token, error) {
	for {
		t, err := s.Next()
		if err != nil {
			return t, err
		}
		if t.Kind == End && len(s.open) > 0 {
			return t, s.file.Fail(s.open[len(s.open)-1].Directive.At, "expected an @endif for this %s", s.open[len(s.open)-1].Directive.Text)
		}
		if t.Kind != Directive {
			return t, nil
		}
		switch t.Text {
		case "@if", "@ifdef", "@ifndef":
			err = s.begin(t)
		case "@else":
			err = s.otherwise(t)
		case "@endif":
			err = s.finish(t)
		case "@DEBUG":
			s.leaveOut(t.At)
		default:
			return t, nil
		}
		if err != nil {
			return t, err
		}
	}
}

// leaveOut has other lexers step over what is between an offset and here.
func (s *tokens) leaveOut(from int) {
	s.file.holes = append(s.file.holes, hole{from, s.at})
	s.hole = len(s.file.holes)
}

func (s *tokens) begin(t Token) error {
	if len(s.open) == maxConditions {
		return s.file.Fail(t.At, "conditions are in each other deeper than %d", maxConditions)
	}
	c := Condition{Directive: t}
	var err error
	operand, brackets := s.operand, len(s.Lexer.open)
	if c.From, c.To, err = s.parentheses(t); err != nil {
		return err
	}
	s.operand, s.Lexer.open = operand, s.Lexer.open[:brackets]
	truth, err := s.ask(c)
	if err != nil {
		return err
	}
	s.open = append(s.open, open{c, truth})
	if truth == Unknown {
		s.doubts++
		s.unknowns++
	}
	if truth == False {
		if err := s.skip(); err != nil {
			return err
		}
	}
	s.leaveOut(t.At)
	return nil
}

// parentheses steps over what is in parentheses.
func (s *tokens) parentheses(t Token) (from, to int, err error) {
	for depth := 0; ; {
		in, err := s.Next()
		switch {
		case err != nil:
			return 0, 0, err
		case depth == 0 && !in.Is("("):
			return 0, 0, s.file.Fail(in.At, "expected a condition in parentheses behind %s, found %v", t.Text, in)
		case in.Kind == End:
			return 0, 0, s.file.Fail(from-1, "this parenthesis is not closed")
		case in.Is("("):
			if depth++; depth == 1 {
				from = in.End()
			}
		case in.Is(")"):
			if depth--; depth == 0 {
				return from, in.At, nil
			}
		}
	}
}

// skip steps over the branch that begins here, and the directive that ends it.
func (s *tokens) skip() error {
	top := &s.open[len(s.open)-1]
	for depth := 0; ; {
		i := strings.IndexByte(s.file.Text[s.at:s.end], '@')
		if i < 0 {
			return s.file.Fail(top.Directive.At, "expected an @endif for this %s", top.Directive.Text)
		}
		s.at += i
		rest := s.file.Text[s.at:]
		switch {
		case strings.HasPrefix(rest, "@if"):
			depth++
		case strings.HasPrefix(rest, "@else") && depth == 0:
			s.at += len("@else")
			return nil
		case strings.HasPrefix(rest, "@endif") && depth == 0:
			s.at += len("@endif")
			s.pop()
			return nil
		case strings.HasPrefix(rest, "@endif"):
			depth--
		}
		s.at++
	}
}

func (s *tokens) pop() {
	if s.open[len(s.open)-1].truth == Unknown {
		s.doubts--
	}
	s.open = s.open[:len(s.open)-1]
}

// otherwise is at the @else of a branch that counts: the other one does not.
func (s *tokens) otherwise(t Token) error {
	if len(s.open) == 0 {
		return s.file.Fail(t.At, "there is no @if that this @else belongs to")
	}
	from, unknown := s.at, s.open[len(s.open)-1].truth == Unknown
	if err := s.skip(); err != nil {
		return err
	}
	s.leaveOut(t.At)
	if unknown {
		return s.other(from, s.at)
	}
	return nil
}

func (s *tokens) finish(t Token) error {
	if len(s.open) == 0 {
		return s.file.Fail(t.At, "there is no @if that this @endif belongs to")
	}
	s.pop()
	s.leaveOut(t.At)
	return nil
}
