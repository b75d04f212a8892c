package broccoli

import (
	"fmt"
	"reflect"
)

// tag is what a struct's fields say of their names.
const tag = "bro"

// layout is how a struct is a record.
type layout struct {
	name   string // of the type, may be empty
	fields []structField
}

type structField struct {
	index int
	name  string
}

// layoutOf reads the tags of a struct. A field without one is an error: a name that
// is guessed may be wrong.
func layoutOf(t reflect.Type) (l layout, err error) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, tagged := f.Tag.Lookup(tag)
		switch {
		case f.Name == "_":
			if tagged {
				l.name = name
			}
		case !f.IsExported() && !tagged || name == "-":
		case !f.IsExported():
			return l, fmt.Errorf("%w: field %s of %v has a tag and is not exported", ErrValue, f.Name, t)
		case name == "":
			return l, fmt.Errorf("%w: field %s of %v has no tag `%s:\"name\"`", ErrValue, f.Name, t, tag)
		default:
			l.fields = append(l.fields, structField{i, name})
		}
	}
	if len(l.fields) == 0 {
		return l, fmt.Errorf("%w: %v has no field with a tag `%s:\"name\"`", ErrValue, t, tag)
	}
	return l, nil
}
