package eventlog

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/printable"
)

// What Zeek writes between and in place of values.
const (
	separator    = '\t'
	setSeparator = ','
	emptyField   = "(empty)"
	unsetField   = "-"
)

// atom appends a value that takes one column, or part of one.
func (w *writer) atom(v *event.Value, member bool, end int) bool {
	switch v.Type {
	case event.String, event.Func, event.File:
		return cell(w, v.Bytes, member, end)
	case event.Pattern:
		return cell(w, slashed(v.Bytes, end-len(w.b)), member, end)
	case event.Enum:
		return cell(w, enumText(v), member, end)
	}
	from := len(w.b)
	w.b = appendAtom(w.b, v)
	return w.within(from, end)
}

// appendAtom appends a value that takes one column and whose length has a bound.
func appendAtom(b []byte, v *event.Value) []byte {
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
	}
	return netip.PrefixFrom(addr(v), int(v.Width)).AppendTo(b) // Subnet
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

// json appends a column of JSON: only its backslashes are doubled, so that half of
// the room is enough for it.
func (w *writer) json(write func(end int) bool, end int) bool {
	from := len(w.b)
	if !write(w.share(end)) {
		return false
	}
	n := len(w.b) - from
	w.b = appendCell(w.b, w.b[from:], false)
	w.b = w.b[:from+copy(w.b[from:], w.b[from+n:])]
	return w.within(from, end)
}

// cell appends text, cut to the room that there is if w is fair.
func cell[T string | []byte](w *writer, s T, member bool, end int) bool {
	room := end - len(w.b)
	if room < len(emptyField) || !w.fair && len(s) > room {
		return false
	}
	from := len(w.b)
	if len(s) > room {
		s = s[:whole(s, room)]
		w.cut = true
	}
	w.b = appendCell(w.b, s, member)
	if len(w.b) <= end {
		return true
	}
	w.b = w.b[:from]
	if !w.fair {
		return false
	}
	// A byte takes four at the most.
	w.b = appendCell(w.b, s[:whole(s, room/4)], member)
	w.cut = true
	return w.within(from, end)
}

// appendCell appends text: a backslash is doubled, and \xHH stands for a byte of
// a control character, or of another that cannot be seen, for one that is not
// UTF-8, for the comma in a set, and for the first of a text that would mean
// something else.
func appendCell[T string | []byte](b []byte, s T, member bool) []byte {
	switch string(s) {
	case "":
		return append(b, emptyField...)
	case unsetField, emptyField:
		return append(printable.AppendHex(b, s[0]), s[1:]...)
	}
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\\':
			b = append(b, `\\`...)
		case c == setSeparator && member:
			b = printable.AppendHex(b, c)
		case c >= ' ' && c < 0x7f:
			b = append(b, c)
		default:
			n := printable.Size(s[i:])
			if n == 0 {
				b = printable.AppendHex(b, c)
				break
			}
			b = append(b, s[i:i+n]...)
			i += n - 1
		}
		i++
	}
	return b
}

// schema is the columns of lines. It is not changed once it is in use.
type schema struct {
	args   []node
	names  []string // that the arguments had, if they were known
	one    asOne
	marked bool   // the last column says whether something is missing
	head   string // the lines #fields and #types
}

// asOne says that all arguments are one column.
type asOne uint8

const (
	notOne  asOne = iota
	listed        // of an event that has too many
	several       // of several events: their name is there too
)

var (
	// flat is the schema of files that have several events.
	flat = (&schema{one: several}).headed()
	// manyArgs is the schema of an event with more columns than there may be.
	manyArgs = (&schema{one: listed}).headed()
)

// maxHeading is how long the names of columns together may be: they come again
// whenever the columns change.
const maxHeading = 16 << 10

// mark returns the schema with a column that says whether something is missing.
func (s *schema) mark() *schema {
	if s.marked {
		return s
	}
	next := *s
	next.marked = true
	return next.headed()
}

// headed returns the schema with its heading.
func (s *schema) headed() *schema {
	s.head = s.heading()
	return s
}

// with returns the schema for ev, which follows s if there is one.
func (s *schema) with(ev *event.Event, names []string) *schema {
	next := *manyArgs
	if len(ev.Args) <= maxColumns {
		next = schema{args: s.layOut(ev, names), names: names}
	}
	next.marked = s != nil && s.marked
	return next.headed()
}

// calls reports whether the arguments are called so. They are called otherwise after
// a reload only.
func (s *schema) calls(names []string) bool {
	if len(s.names) != len(names) {
		return false
	}
	return len(names) == 0 || &s.names[0] == &names[0] || slices.Equal(s.names, names)
}

// layOut returns the columns of ev, which follow those of s if there are any.
func (s *schema) layOut(ev *event.Event, names []string) []node {
	args := make([]node, len(ev.Args))
	columns, size := 0, 0
	for i := range args {
		if s != nil && len(s.args) == len(ev.Args) && s.calls(names) {
			args[i] = s.args[i].with(&ev.Args[i], 0)
		} else {
			name := argNumber(i)
			if len(names) == len(ev.Args) {
				name = names[i]
			}
			args[i] = layOut(name, &ev.Args[i], 0)
		}
		columns += args[i].width()
		size += args[i].heading(0)
	}
	for i := range args {
		if (columns > maxColumns || size > maxHeading) && args[i].kind == event.Record {
			args[i] = node{name: args[i].name, kind: asJSON}
		}
	}
	return args
}

// result is what became of a line.
type result uint8

const (
	written result = iota
	misfit         // it has other columns
	noRoom         // it is too long
)

// row appends the line of ev.
func (w *writer) row(s *schema, ev *event.Event, peer Peer, names []string, end int) result {
	w.left = 2 + s.width()
	if s.marked {
		end -= len("\tT")
	}
	w.b = appendTime(w.b, ev.Time)
	if !w.column(end, func(end int) bool { return cell(w, peer.Addr, false, end) }) ||
		!w.column(end, func(end int) bool { return w.host(peer.Host, end) }) {
		return noRoom
	}
	if r := w.columns(s, ev, names, end); r != written {
		return r
	}
	if s.marked && w.cut {
		w.b = append(w.b, "\tT"...)
	} else if s.marked {
		w.b = append(w.b, "\tF"...)
	}
	return written
}

// host appends the name of a peer, which may have none.
func (w *writer) host(name string, end int) bool {
	if name != "" {
		return cell(w, name, false, end)
	}
	from := len(w.b)
	w.b = append(w.b, unsetField...)
	return w.within(from, end)
}

// width returns the number of columns that are an event's own.
func (s *schema) width() (n int) {
	for i := range s.args {
		n += s.args[i].width()
	}
	return n + int(s.one)
}

// columns appends the arguments.
func (w *writer) columns(s *schema, ev *event.Event, names []string, end int) result {
	if s.one == notOne {
		if len(ev.Args) != len(s.args) || !s.calls(names) {
			return misfit
		}
		for i := range s.args {
			if r := w.node(&s.args[i], &ev.Args[i], end); r != written {
				return r
			}
		}
		return written
	}
	if s.one == listed && len(ev.Args) <= maxColumns {
		return misfit
	}
	if s.one == several && !w.column(end, func(end int) bool { return cell(w, ev.Name, false, end) }) {
		return noRoom
	}
	args := func(end int) bool { return w.args(ev.Args, names, end) }
	if !w.column(end, func(end int) bool { return w.json(args, end) }) {
		return noRoom
	}
	return written
}

// column appends a separator and what write does, or "-" where that has no room,
// if w is fair. There is room left for a "-" in each column that follows.
func (w *writer) column(end int, write func(end int) bool) bool {
	w.left--
	w.b = append(w.b, separator)
	if write(w.share(end - 2*w.left)) {
		return true
	}
	w.b = append(w.b, unsetField...)
	w.cut = true
	return w.fair
}

func (s *schema) heading() string {
	fields, types := []string{"ts", "peer", "host"}, []string{"time", "string", "string"}
	taken := map[string]bool{"ts": true, "peer": true, "host": true, truncated: true}
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
	if s.one == several {
		fields, types = append(fields, "event"), append(types, "string")
	}
	if s.one != notOne {
		fields, types = append(fields, "args"), append(types, "string")
	}
	if s.marked {
		fields, types = append(fields, truncated), append(types, "bool")
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
	b = append(appendCell(b, path[:min(len(path), maxFileName)], false), "\n#open\t"...)
	b = append(append(b, logfile.Time(at)...), '\n')
	return append(b, head...)
}

// appendClosing appends what comes after the last line.
func appendClosing(b []byte, at time.Time) []byte {
	b = append(b, "#close\t"...)
	return append(append(b, logfile.Time(at)...), '\n')
}
