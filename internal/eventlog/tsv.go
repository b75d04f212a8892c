package eventlog

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"romanesco/internal/event"
	"romanesco/internal/logfile"
)

// What Zeek writes between and in place of values.
const (
	separator    = '\t'
	setSeparator = ','
	emptyField   = "(empty)"
	unsetField   = "-"
)

// appendAtom appends a value that takes one column, or part of one.
func appendAtom(b []byte, v *event.Value, member bool) []byte {
	switch v.Type {
	case event.Bool:
		if v.Bits != 0 {
			return append(b, 'T')
		}
		return append(b, 'F')
	case event.Int:
		return strconv.AppendInt(b, v.Int64(), 10)
	case event.Count, event.Counter, event.Port:
		return strconv.AppendUint(b, v.Bits, 10)
	case event.Double:
		return appendFloat(b, v.Float())
	case event.Time, event.Interval:
		return appendTime(b, v.Float())
	case event.Addr:
		return addr(v).AppendTo(b)
	case event.Subnet:
		return netip.PrefixFrom(addr(v), int(v.Width)).AppendTo(b)
	case event.Pattern:
		return appendCell(b, slices.Concat([]byte{'/'}, v.Bytes, []byte{'/'}), member)
	case event.Enum:
		// The wire has the number of the label only.
		return appendCell(b, append(strconv.AppendInt([]byte(v.TypeName+"("), v.Int64(), 10), ')'), member)
	}
	return appendCell(b, v.Bytes, member) // String, Func, File
}

// appendTime appends seconds with microseconds. Zeek's tools know no other time.
func appendTime(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, unsetField...)
	}
	return appendSeconds(b, f)
}

// appendFloat appends a double so that it reads back the same, as C writes those
// that are no numbers.
func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "nan"...)
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

// asCell makes a column of the text that b has from from on.
func asCell(b []byte, from int) []byte {
	n := len(b) - from
	b = appendCell(b, b[from:], false)
	return b[:from+copy(b[from:], b[from+n:])]
}

// appendCell appends text: a backslash is doubled, and \xHH stands for a byte of
// a control character, for one that is not UTF-8, for the comma in a set, and for
// the first of a text that would mean something else.
func appendCell[T string | []byte](b []byte, s T, member bool) []byte {
	switch string(s) {
	case "":
		return append(b, emptyField...)
	case unsetField, emptyField:
		return append(appendHex(b, s[0]), s[1:]...)
	}
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\\':
			b = append(b, `\\`...)
		case c < ' ' || c == 0x7f || c == setSeparator && member:
			b = appendHex(b, c)
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			n := runeSize(s[i:])
			if n == 0 {
				b = appendHex(b, c)
				break
			}
			b = append(b, s[i:i+n]...)
			i += n - 1
		}
		i++
	}
	return b
}

// runeSize returns the size of the character that s begins with, or 0 if that is
// a control character or no UTF-8.
func runeSize[T string | []byte](s T) int {
	r, n := utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
	if r == utf8.RuneError && n <= 1 || r < 0xa0 {
		return 0
	}
	return n
}

func appendHex(b []byte, c byte) []byte {
	return append(b, '\\', 'x', hex[c>>4], hex[c&15])
}

// schema is the columns of lines. It is not changed once it is in use.
type schema struct {
	args   []node
	asJSON bool   // all arguments are one column, since there are so many
	head   string // the lines #fields and #types
}

// manyArgs is the schema of an event with more than maxColumns arguments.
var manyArgs = &schema{asJSON: true, head: heading([]string{"ts", "peer", "args"}, []string{"time", "string", "string"})}

// flat is the schema of files that have several events.
var flat = &schema{head: heading([]string{"ts", "peer", "event", "args"}, []string{"time", "string", "string", "string"})}

// appendFlat is the Line of such a file.
func appendFlat(b []byte, ev *event.Event, peer string, names []string) []byte {
	b = append(appendTime(b, ev.Time), separator)
	b = append(appendCell(b, peer, false), separator)
	b = append(appendCell(b, ev.Name, false), separator)
	return asCell(appendArgs(b, ev.Args, names), len(b))
}

// with returns the schema for ev, which follows s if there is one.
func (s *schema) with(ev *event.Event, names []string) *schema {
	if len(ev.Args) > maxColumns {
		return manyArgs
	}
	next := &schema{args: make([]node, len(ev.Args))}
	columns := 0
	for i := range ev.Args {
		if s != nil && len(s.args) == len(ev.Args) {
			next.args[i] = s.args[i].with(&ev.Args[i], 0)
		} else {
			name := "arg" + strconv.Itoa(i+1)
			if len(names) == len(ev.Args) {
				name = names[i]
			}
			next.args[i] = layOut(name, &ev.Args[i], 0)
		}
		columns += next.args[i].width()
	}
	if columns > maxColumns {
		for i := range next.args {
			if next.args[i].kind == event.Record {
				next.args[i] = node{name: next.args[i].name, kind: asJSON}
			}
		}
	}
	next.head = next.heading()
	return next
}

// append appends the line of ev, or reports that it has other columns.
func (s *schema) append(b []byte, ev *event.Event, peer string) (_ []byte, fits bool) {
	if len(ev.Args) != len(s.args) && !(s.asJSON && len(ev.Args) > maxColumns) {
		return b, false
	}
	b = append(appendTime(b, ev.Time), separator)
	b = appendCell(b, peer, false)
	if s.asJSON {
		b = append(b, separator)
		return asCell(appendList(b, ev.Args), len(b)), true
	}
	for i := range s.args {
		b = append(b, separator)
		if b, fits = s.args[i].append(b, &ev.Args[i]); !fits {
			return b, false
		}
	}
	return b, true
}

func (s *schema) heading() string {
	fields, types := []string{"ts", "peer"}, []string{"time", "string"}
	taken := map[string]bool{"ts": true, "peer": true}
	var add func(prefix string, n *node)
	add = func(prefix string, n *node) {
		name := prefix + n.name
		if n.kind == event.Record {
			for i := range n.fields {
				add(name+".", &n.fields[i])
			}
			return
		}
		if taken[name] {
			name = "args." + name
		}
		for stem, i := name, 2; taken[name]; i++ {
			name = stem + "_" + strconv.Itoa(i)
		}
		taken[name] = true
		fields, types = append(fields, string(appendCell(nil, name, false))), append(types, n.typeName())
	}
	for i := range s.args {
		add("", &s.args[i])
	}
	return heading(fields, types)
}

func (n *node) typeName() string {
	elem := n.elem
	if elem == event.Unknown {
		elem = event.String
	}
	switch n.kind {
	case event.Unknown, asJSON:
		return event.String.String()
	case event.Set, event.Vector:
		return n.kind.String() + "[" + elem.String() + "]"
	}
	return n.kind.String()
}

func heading(fields, types []string) string {
	tab := string(separator)
	return "#fields\t" + strings.Join(fields, tab) + "\n#types\t" + strings.Join(types, tab) + "\n"
}

// appendOpening appends what comes before the first line under a heading.
func appendOpening(b []byte, path string, at time.Time, head string) []byte {
	b = append(b, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t"...)
	b = append(appendCell(b, path, false), "\n#open\t"...)
	b = append(append(b, logfile.Time(at)...), '\n')
	return append(b, head...)
}

// appendClosing appends what comes after the last line.
func appendClosing(b []byte, at time.Time) []byte {
	b = append(b, "#close\t"...)
	return append(append(b, logfile.Time(at)...), '\n')
}
