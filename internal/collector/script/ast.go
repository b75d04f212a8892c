package script

// Expr is an expression. Its At is where messages of it point.
type Expr interface{ Where() int }

type at int

// Where returns the offset of the expression.
func (a at) Where() int { return int(a) }

// The expressions there are.
type (
	// Literal is a value as it stands there.
	Literal struct {
		at
		Token
	}
	// Ident is a name.
	Ident struct {
		at
		Name string
	}
	// Index is X[Keys].
	Index struct {
		at
		X    Expr
		Keys []Expr
	}
	// Field is X$Name, or with Has X?$Name.
	Field struct {
		at
		X    Expr
		Name string
		Has  bool
	}
	// Call is F(Args).
	Call struct {
		at
		F    Expr
		Args []Expr
	}
	// Unary is an operator and what it is for; |x| is one.
	Unary struct {
		at
		Op string
		X  Expr
	}
	// Binary is two operands with an operator between them, assignments too.
	Binary struct {
		at
		Op   string
		X, Y Expr
	}
	// Choice is If ? Then : Else.
	Choice struct {
		at
		If, Then, Else Expr
	}
	// Bracket is [ ... ], a record or the keys of a table. Close is the offset of the ].
	Bracket struct {
		at
		List  []Expr
		Close int
	}
	// Brace is { ... }.
	Brace struct {
		at
		List []Expr
	}
	// Given is $Name = X, in a record.
	Given struct {
		at
		Name string
		X    Expr
	}
	// Opaque is what is not understood further: a function without a name, a slice. To
	// is where it ends.
	Opaque struct {
		at
		To int
	}
)
