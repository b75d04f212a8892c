package wire

import "github.com/romanesco-broccoli/romanesco/internal/event"

// Expressions and statements have no place in package event, but they occur:
// a set in a script may have been made from a list of expressions, and the
// function that a table calls when an entry expires comes with its body. All
// of these are made of a few kinds of parts, which letters stand for:
//
//	b  flag           i  32 bits      T  type            E  expression
//	c  character      l  64 bits      V  value           S  statement
//	s  string         d  double       A  attributes      I  identifier
//	                                  D  field of a type C  case of a switch
//	                                                     B  body of a function
//
// "?" before a letter: a flag says whether that part is there; "*": a number
// says how often.

// exprParts has the parts of the expressions, after those common to all.
var exprParts = [...]string{
	3: "V", // constant
	// With one operand.
	4: "E", 6: "E", 7: "E", 8: "E", 9: "E", 19: "E", 24: "E", 25: "E",
	27: "E", 38: "E", 39: "E", 42: "E", 43: "E", 44: "E",
	// With two.
	5: "EE", 10: "EE", 11: "EE", 12: "EE", 13: "EE", 14: "EE", 15: "EE",
	16: "EE", 17: "EE", 21: "EE", 31: "EE", 36: "EE", 37: "EE",
	18: "EEE",          // c ? a : b
	20: "EE?Vi",        // assignment
	22: "EsiD",         // r$f
	23: "Ebsi",         // r?$f
	28: "E*i",          // record made to fit another type
	29: "Ei",           // record as a list
	30: "EE",           // schedule
	32: "EE",           // call
	33: "ssE",          // event: its handler goes by name
	34: "*E", 35: "*E", // lists
	40: "E?A", 41: "E?A", // table(), set()
}

const (
	exprCommon = "ci?T" // tag, in parentheses, type
	exprName   = kindExpr | 2
)

// stmtParts has the parts of the statements, after those common to all. One
// that waits ("when") is not among them: Bro fails to send these.
var stmtParts = [...]string{
	2: "E", 4: "E", // lists of expressions, print
	5: "?E", 8: "?E", 9: "?E", 14: "?E", // expression, add, delete, return
	6:  "?ESS",                         // if
	7:  "?E*Ci",                        // switch
	10: "?EE",                          // event
	11: "?E*IS",                        // for
	12: "-", 13: "-", 18: "-", 20: "-", // next, break, nothing, fallthrough
	15: "*S",
	16: "*Sb", // bodies of an event
	17: "*I",  // initialization of local variables
	21: "ES",  // while
}

const stmtCommon = "cdi" // tag, last execution, how many of these

// skip steps over parts.
func (d *Decoder) skip(parts string) {
	for i := 0; i < len(parts) && d.err == nil; i++ {
		n := 1
		switch parts[i] {
		case '-':
			continue
		case '?':
			i++
			if !d.flag() {
				continue
			}
		case '*':
			i++
			n = d.count("parts", 4)
		}
		for ; n > 0 && d.err == nil; n-- {
			d.skipPart(parts[i])
		}
	}
}

func (d *Decoder) skipPart(part byte) {
	switch part {
	case 'b':
		d.flag()
	case 'c':
		d.u8()
	case 'i':
		d.u32()
	case 'l', 'd':
		d.u64()
	case 's':
		d.raw()
	case 'T':
		d.typ()
	case 'V':
		var v event.Value
		d.charge(1, 0)
		d.value(&v)
	case 'A':
		d.attributes()
	case 'D':
		d.typeDecl()
	case 'I':
		var id ID
		d.identifier(&id)
	case 'E':
		d.object(kindExpr, exprCommon, exprParts[:])
	case 'S':
		d.object(kindStmt, stmtCommon, stmtParts[:])
	case 'C':
		d.object(kindCase, "ES", []string{1: "-"})
	case 'B':
		d.skip("Si") // statement, priority
	}
}

// object steps over an object of one of several classes.
func (d *Decoder) object(kind class, common string, parts []string) {
	h, ok := d.open(kind)
	if !ok {
		return
	}
	if h.ref == nil {
		number := int(h.class &^ maskKind)
		d.skip(common)
		switch {
		case h.class == exprName:
			d.nameExpr()
		case number < len(parts) && parts[number] != "":
			d.skip(parts[number])
		default:
			d.undecodable("%s of class 0x%04x", kindNames[kind], uint16(h.class))
		}
	}
	d.close(&h)
}

// nameExpr steps over the mention of a variable: global ones go by name.
func (d *Decoder) nameExpr() {
	if d.u8() == 'n' {
		d.skip("sb")
		return
	}
	d.skip("Ib")
}
