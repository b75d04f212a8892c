package script

import "fmt"

// Kind is what a token is.
type Kind uint8

// The kinds of tokens.
const (
	End       Kind = iota // of the file
	Name                  // keywords too
	Mark                  // punctuation and operators
	Attribute             // &redef and the like
	String
	Count
	Double
	Interval
	Port
	Addr
	Subnet
	Net // 10.1. of Bro 1
	Host
	Pattern
	Bool
	Directive // @if and the like; @load with the name behind it
)

var kinds = [...]string{
	"the end of the file", "name", "mark", "attribute", "string", "number", "fraction", "interval", "port",
	"address", "network", "network", "host name", "pattern", "T or F", "directive",
}

// String returns how messages call it.
func (k Kind) String() string { return kinds[k] }

// Token is a piece of a file, as it stands there.
type Token struct {
	Kind Kind
	Text string
	At   int // offset
}

func (t Token) String() string {
	switch t.Kind {
	case End:
		return t.Kind.String()
	case Name, Mark, Bool, Attribute, Directive:
		return fmt.Sprintf("%.60q", t.Text)
	}
	return fmt.Sprintf("the %s %.60s", t.Kind, t.Text)
}

// End returns the offset behind the token.
func (t Token) End() int { return t.At + len(t.Text) }

// Is reports whether the token is that mark.
func (t Token) Is(mark string) bool { return t.Kind == Mark && t.Text == mark }

// Says reports whether the token is that keyword.
func (t Token) Says(word string) bool { return t.Kind == Name && t.Text == word }

// attributes are those that Bro has ever had: "x &y" could else be an operator.
var attributes = set(`add_func attr create_expire default delete_func deprecated disable_print_hook encrypt
	error_handler expire_func group log mergeable optional persistent priority raw_output read_expire redef
	rotate_interval rotate_size synchronized type_column write_expire on_change broker_allow_complex_type
	broker_store backend is_assigned is_used ordered`)

// before are the keywords that stand before an expression, so that a / behind them
// begins a pattern.
var before = set(`add case copy delete else event hook if in next of or print return schedule when while`)
