package script

import "strings"

// Statement is one of the outermost of a file, or of what it exports.
type Statement struct {
	What What
	// From and To are its offsets.
	From, To int
	// Name is what it declares, changes, loads or handles, if it has one.
	Name Token
	// Body is where the body of a function begins, 0 if it has none.
	Body int
	// Doubtful says that it depends on a condition that is not known.
	Doubtful bool
}

// What is what a statement does. The values are how messages call several of them.
type What string

// What there is.
const (
	Nothing      What = ""
	Load         What = "loads"
	LoadSigs     What = "signature files"
	LoadPlugin   What = "plugins"
	Unload       What = "unloads"
	Prefixes     What = "prefixes"
	Module       What = "modules"
	Redef        What = "settings"
	RedefEnum    What = "enumerations"
	RedefRecord  What = "records"
	Const        What = "constants"
	Global       What = "variables"
	Type         What = "types"
	EventHandler What = "event handlers"
	Function     What = "functions"
	Hook         What = "hooks"
	Executed     What = "statements"
)

// Splitter finds the statements of a file, and where they end, without understanding
// them.
type Splitter struct {
	file   *File
	tokens tokens
	export *Token // that we are in
	see    func(Token)
}

// maxBlocks is how deep "if" and its like may be in each other, outside of functions.
const maxBlocks = 200

// Asked is what a splitter needs to know.
type Asked struct {
	// Condition says what a condition is.
	Condition func(Condition) (Truth, error)
	// Other is told of the branch of an unknown condition that is not read.
	Other func(from, to int) error
	// See is shown every token of a statement.
	See func(Token)
}

// Split returns a splitter of the file.
func (f *File) Split(a Asked) *Splitter {
	s := &Splitter{file: f, see: a.See}
	s.tokens = tokens{Lexer: f.Lex(0, len(f.Text)), ask: a.Condition, other: a.Other}
	return s
}

// Next returns the next statement; behind the last one it is Nothing, with an empty text.
func (s *Splitter) Next() (Statement, error) {
	for {
		t, err := s.tokens.next()
		if err != nil {
			return Statement{}, err
		}
		switch {
		case t.Kind == End && s.export != nil:
			return Statement{}, s.file.Fail(s.export.At, "expected a } for this export")
		case t.Kind == End:
			return Statement{From: t.At, To: t.At}, nil
		case t.Is(";"), t.Kind == Directive && strings.HasPrefix(t.Text, "@deprecated"):
		case t.Is("}") && s.export != nil:
			s.export = nil
		case t.Says("export") && s.export == nil:
			if _, err := s.mark("{", "behind export"); err != nil {
				return Statement{}, err
			}
			s.export = &t
		default:
			return s.statement(t)
		}
	}
}

func (s *Splitter) mark(m, where string) (Token, error) {
	t, err := s.tokens.next()
	if err == nil && !t.Is(m) {
		err = s.file.Fail(t.At, "expected %q %s, found %v", m, where, t)
	}
	return t, err
}

// statement reads the one that begins with a token.
func (s *Splitter) statement(t Token) (st Statement, err error) {
	st = Statement{What: Executed, From: t.At, To: t.End(), Doubtful: s.tokens.doubts > 0}
	s.see(t)
	met := s.tokens.unknowns
	switch {
	case t.Kind == Directive:
		return s.directive(st, t)
	case t.Kind != Name:
		err = s.executed(&st, t)
	default:
		err = s.declaration(&st, t)
	}
	st.Doubtful = st.Doubtful || s.tokens.unknowns > met
	return st, err
}

var loads = map[string]What{"@load": Load, "@load-sigs": LoadSigs, "@load-plugin": LoadPlugin, "@unload": Unload, "@prefixes": Prefixes}

func (s *Splitter) directive(st Statement, t Token) (Statement, error) {
	name := firstWord(t.Text)
	what, ok := loads[strings.TrimRight(name, blanks)]
	if i := strings.Index(name, noBreak); !ok && i >= 0 {
		what, ok = loads[name[:i]]
	}
	if !ok {
		return st, s.file.Fail(t.At, "did not expect %s between statements", t.Text)
	}
	st.What = what
	st.Name = t
	st.Name.Text = t.Text[strings.LastIndexAny(t.Text, blanks)+1:]
	if i := strings.LastIndex(t.Text, noBreak); i >= 0 {
		st.Name.Text = t.Text[i+len(noBreak):]
	}
	return st, nil
}

// declaration reads what begins with a keyword.
func (s *Splitter) declaration(st *Statement, t Token) error {
	switch t.Text {
	case "module":
		st.What = Module
	case "const":
		st.What = Const
	case "global", "option":
		st.What = Global
	case "type":
		st.What = Type
	case "redef":
		return s.redefinition(st)
	case "event", "function", "hook":
		return s.function(st, t.Text)
	default:
		return s.executed(st, t)
	}
	if err := s.name(st, "the name behind "+t.Text); err != nil {
		return err
	}
	return s.semicolon(st, t)
}

// name reads the name of what is declared.
func (s *Splitter) name(st *Statement, expected string) error {
	t, err := s.take(st)
	if err != nil {
		return err
	}
	if t.Kind != Name && t.Kind != Bool {
		return s.file.Fail(t.At, "expected %s, found %v", expected, t)
	}
	st.Name = t
	return nil
}

// take returns the next token of the statement.
func (s *Splitter) take(st *Statement) (Token, error) {
	t, err := s.tokens.next()
	if err != nil {
		return t, err
	}
	if t.Kind == Directive && t.Text != "@DIR" && t.Text != "@FILENAME" {
		return t, s.file.Fail(t.At, "did not expect %s within a statement", firstWord(t.Text))
	}
	s.see(t)
	st.To = t.End()
	st.Doubtful = st.Doubtful || s.tokens.doubts > 0
	return t, nil
}

func (s *Splitter) redefinition(st *Statement) error {
	const expected = "the name of a setting"
	t, err := s.tokens.peek()
	if err != nil {
		return err
	}
	first := Token{Kind: Name, Text: "redef", At: st.From}
	switch {
	case t.Says("enum"):
		st.What = RedefEnum
	case t.Says("record"):
		st.What = RedefRecord
	case t.Says("event"):
		_, _ = s.take(st)
		return s.function(st, "event")
	default:
		st.What = Redef
		if err := s.name(st, expected); err != nil {
			return err
		}
		return s.semicolon(st, first)
	}
	if _, err := s.take(st); err != nil {
		return err
	}
	if err := s.name(st, "a name"); err != nil {
		return err
	}
	return s.semicolon(st, first)
}

// semicolon reads to the one that ends a statement.
func (s *Splitter) semicolon(st *Statement, first Token) error {
	for {
		t, err := s.take(st)
		switch {
		case err != nil:
			return err
		case t.Is(";"):
			return nil
		case t.Kind == End:
			return s.file.Fail(t.At, `expected ";" at the end of the %s of line %d, found %v`, first.Text, s.file.Pos(first.At).Line, t)
		case closes(t):
			return s.file.Fail(t.At, "did not expect %v here: it closes nothing", t)
		case opens(t):
			if err := s.bracket(st, t); err != nil {
				return err
			}
		}
	}
}

func opens(t Token) bool  { return t.Is("(") || t.Is("[") || t.Is("{") }
func closes(t Token) bool { return t.Is(")") || t.Is("]") || t.Is("}") }

var closing = map[string]string{"(": ")", "[": "]", "{": "}"}

// bracket reads to the one that closes the one that has been read.
func (s *Splitter) bracket(st *Statement, first Token) error {
	all := []Token{first}
	for len(all) > 0 {
		top := all[len(all)-1]
		t, err := s.take(st)
		switch {
		case err != nil:
			return err
		case t.Kind == End:
			return s.file.Fail(top.At, "expected a %q for this %q", closing[top.Text], top.Text)
		case opens(t):
			all = append(all, t)
		case closes(t) && t.Text != closing[top.Text]:
			return s.file.Fail(t.At, "expected a %q for the %q of line %d, found %v", closing[top.Text], top.Text, s.file.Pos(top.At).Line, t)
		case closes(t):
			all = all[:len(all)-1]
		}
		if len(all) > maxBrackets {
			return s.file.Fail(t.At, "brackets are in each other deeper than %d", maxBrackets)
		}
	}
	return nil
}

const maxBrackets = 1000

// function reads a function, hook or event handler with its body, or the statement
// that queues an event.
func (s *Splitter) function(st *Statement, word string) error {
	st.What = map[string]What{"event": EventHandler, "function": Function, "hook": Hook}[word]
	first := Token{Kind: Name, Text: word, At: st.From}
	if err := s.name(st, "a name behind "+word); err != nil {
		return err
	}
	for {
		t, err := s.take(st)
		switch {
		case err != nil:
			return err
		case t.Is(";"):
			st.What = Executed
			return nil
		case t.Kind == End:
			return s.file.Fail(t.At, "expected a body in braces for the %s of line %d, found %v", word, s.file.Pos(first.At).Line, t)
		case closes(t):
			return s.file.Fail(t.At, "did not expect %v here: it closes nothing", t)
		case opens(t):
			if err := s.bracket(st, t); err != nil {
				return err
			}
		}
		if t.Is("{") {
			st.Body = t.At
			if more, err := s.tokens.glance(); err != nil || !more.Is("{") { // else it was a type
				return err
			}
		}
	}
}

// executed reads a statement that is executed where it stands.
func (s *Splitter) executed(st *Statement, first Token) error { return s.block(st, first, 0) }

func (s *Splitter) block(st *Statement, t Token, depth int) error {
	if depth > maxBlocks {
		return s.file.Fail(t.At, "statements are in each other deeper than %d", maxBlocks)
	}
	switch {
	case t.Is(";"):
		return nil
	case t.Is("{"):
		return s.bracket(st, t)
	case opens(t):
		if err := s.bracket(st, t); err != nil {
			return err
		}
	case t.Kind == End, closes(t), t.Kind == Mark && !unary[t.Text]:
		return s.file.Fail(t.At, "expected a statement, found %v", t)
	case t.Says("if"), t.Says("for"), t.Says("while"), t.Says("switch"), t.Says("when"):
		return s.compound(st, t, depth)
	}
	return s.semicolon(st, t)
}

var unary = set("! - + | ++ -- $ ~")

func (s *Splitter) compound(st *Statement, word Token, depth int) error {
	t, err := s.take(st)
	if err != nil {
		return err
	}
	if t.Is("(") {
		if err := s.bracket(st, t); err != nil {
			return err
		}
	} else if !word.Says("switch") {
		return s.file.Fail(t.At, "expected %q behind %s, found %v", "(", word.Text, t)
	}
	if word.Says("switch") {
		return s.cases(st, t)
	}
	if err := s.inner(st, depth); err != nil {
		return err
	}
	more, err := s.tokens.glance()
	switch {
	case err != nil:
		return err
	case word.Says("if") && more.Says("else"):
		_, _ = s.take(st)
		return s.inner(st, depth)
	case word.Says("when") && more.Says("timeout"):
		return s.timeout(st)
	}
	return nil
}

// cases reads the rest of a switch up to the end of its braces.
func (s *Splitter) cases(st *Statement, t Token) error {
	for !t.Is("{") {
		var err error
		if t, err = s.take(st); err != nil {
			return err
		}
		if t.Kind == End || t.Is(";") {
			return s.file.Fail(t.At, "expected the cases of the switch in braces, found %v", t)
		}
	}
	return s.bracket(st, t)
}

func (s *Splitter) inner(st *Statement, depth int) error {
	t, err := s.take(st)
	if err != nil {
		return err
	}
	return s.block(st, t, depth+1)
}

// timeout reads "timeout 1 sec { ... }".
func (s *Splitter) timeout(st *Statement) error {
	t, err := s.take(st)
	if err != nil {
		return err
	}
	return s.cases(st, t)
}
