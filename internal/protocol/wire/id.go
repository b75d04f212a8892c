package wire

import (
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// ID is a variable or constant of a script, with its value if it has one.
type ID struct {
	Name string
	// Scope is one of the constants below.
	Scope       uint8
	Export      bool
	Const       bool
	EnumConst   bool
	IsType      bool // it names a type
	Offset      int32
	InferReturn bool
	WeakRef     bool
	// Type is the type of the variable, TypeName its name if it has one.
	Type     event.Type
	TypeName string
	// Value is of type event.Unknown if there is none.
	Value event.Value
}

// Scopes of an ID.
const (
	ScopeFunction = 0
	ScopeModule   = 1
	ScopeGlobal   = 2
)

// ID decodes an identifier: payload is what follows the kind byte 'i'. The
// parts of the value alias payload and the Decoder, until it is used again.
func (d *Decoder) ID(payload []byte) (ID, error) {
	d.begin(payload)
	var id ID
	d.identifier(&id)
	if err := d.finish(); err != nil {
		return ID{}, fmt.Errorf("identifier %s: %w", id.Name, err)
	}
	return id, nil
}

// identifier reads an identifier.
func (d *Decoder) identifier(id *ID) {
	h, ok := d.open(kindID)
	if !ok {
		return
	}
	if h.ref != nil {
		*id = *h.ref.ident
	} else {
		d.identifierContent(id)
		if h.slot != nil {
			kept := *id
			h.slot.ident = &kept
			d.kept += valueSize
		}
	}
	d.close(&h)
}

func (d *Decoder) identifierContent(id *ID) {
	id.Name = d.name("name of an identifier")
	id.Scope = d.u8()
	id.Export = d.flag()
	id.Const = d.u32() != 0
	id.EnumConst = d.u32() != 0
	id.IsType = d.u32() != 0
	id.Offset = int32(d.u32())
	id.InferReturn = d.flag()
	id.WeakRef = d.flag()
	t := d.typ()
	id.Type, id.TypeName = t.tag, t.name
	if t.set {
		id.Type = event.Set
	}
	d.skip("?A")
	if d.flag() {
		d.charge(1, 0)
		d.value(&id.Value)
	}
}

// StateAccess steps over a change to synchronized state: payload is what follows
// the kind byte 's'. Later events may refer to its parts.
func (d *Decoder) StateAccess(payload []byte) error {
	d.begin(payload)
	// What is done, to which variable, with which values.
	d.object(kindAccess, "csV?V?V", []string{1: "-"})
	if err := d.finish(); err != nil {
		return fmt.Errorf("access to state: %w", err)
	}
	return nil
}
