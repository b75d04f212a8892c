package eventlog

import (
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Column is a column of a Table.
type Column struct {
	Name string
	Type event.Type
	Elem event.Type // of the members of a set or vector
}

// Table is how the lines of a log look whose columns are always the same: of a log that
// is no event's. Behind those that it is given comes one that says whether something is
// missing; in JSON that is there only if so.
type Table struct {
	format Format
	max    int // of a line
	path   string
	schema *schema
}

// NewTable returns how the log of that path looks, under the format and the longest line
// of the settings.
func NewTable(path string, set Settings, columns ...Column) *Table {
	s := &schema{marked: true}
	for _, c := range columns {
		s.args = append(s.args, node{name: c.Name, kind: c.Type, elem: c.Elem})
	}
	fields, types := make([]string, 0, len(columns)+1), make([]string, 0, len(columns)+1)
	for i := range s.args {
		fields, types = append(fields, s.args[i].name), append(types, s.args[i].typeName())
	}
	s.head = heading(append(fields, truncated), append(types, "bool"))
	return &Table{format: set.Format, max: set.MaxLine, path: path, schema: s}
}

// Opening returns what comes before the first line of a file, Closing what comes after
// the last one.
func (t *Table) Opening(at time.Time) []byte {
	if t.format == FormatJSON {
		return nil
	}
	return appendOpening(nil, t.path, at, t.schema.head)
}

// Closing is for Opening.
func (t *Table) Closing(at time.Time) []byte {
	if t.format == FormatJSON {
		return nil
	}
	return appendClosing(nil, at)
}

// Append appends a line: a value for each column, of its type or not set. cut says that
// something is missing already.
func (t *Table) Append(b []byte, values []event.Value, cut bool) []byte {
	row := t.columns
	if t.format == FormatJSON {
		row = t.object
	}
	const room = len(`,"` + truncated + `":false}` + "\n")
	end := len(b) + limit(t.max) - room
	w := writer{b: b, cut: cut}
	if !row(&w, values, end) {
		w = writer{b: w.b[:len(b)], fair: true}
		row(&w, values, end)
		w.cut = true
	}
	return append(t.mark(w.b, w.cut), '\n')
}

func (t *Table) mark(b []byte, cut bool) []byte {
	switch {
	case t.format != FormatJSON && cut:
		return append(b, "\tT"...)
	case t.format != FormatJSON:
		return append(b, "\tF"...)
	case cut:
		return append(b, `,"`+truncated+`":true}`...)
	}
	return append(b, '}')
}

// object appends the object of a line but for its last brace. Ports are numbers, as in
// Zeek's logs.
func (t *Table) object(w *writer, values []event.Value, end int) bool {
	for i := range values {
		if values[i].Type == event.Port {
			values[i].Type = event.Count
		}
	}
	if !w.members(values, func(i int) string { return t.schema.args[i].name }, true, end+1) {
		return false
	}
	w.b = w.b[:len(w.b)-1]
	return true
}

func (t *Table) columns(w *writer, values []event.Value, end int) bool {
	w.left = len(values)
	from := len(w.b)
	for i := range values {
		if w.node(&t.schema.args[i], &values[i], end) != written {
			return false
		}
	}
	w.b = append(w.b[:from], w.b[from+1:]...) // a separator is before each
	return true
}
