package wire

import "github.com/romanesco-broccoli/romanesco/internal/event"

// class says what a serialized object is: the lower eight bits number it
// within its kind. Two bits above tell how Bro manages it.
type class uint16

const (
	maskExact class = 0x1fff
	maskKind  class = 0x1f00
	// flagKept is set on objects that Bro counts references of. Of the others
	// a cache keeps nothing from one message to the next.
	flagKept class = 0x8000

	kindVal      class = 0x0800
	kindExpr     class = 0x0900
	kindType     class = 0x0a00
	kindStmt     class = 0x0b00
	kindAttrs    class = 0x0c00
	kindFile     class = 0x0e00
	kindFunc     class = 0x0f00
	kindID       class = 0x1000
	kindAccess   class = 0x1100
	kindCase     class = 0x1200
	kindLocation class = 0x1300
	kindMatcher  class = 0x1400
)

// Classes of values.
const (
	valScalar   = kindVal | 1
	valInterval = kindVal | 2
	valPort     = kindVal | 3
	valAddr     = kindVal | 4
	valSubnet   = kindVal | 5
	valString   = kindVal | 6
	valPattern  = kindVal | 7
	valList     = kindVal | 8
	valTable    = kindVal | 9
	valRecord   = kindVal | 10
	valEnum     = kindVal | 11
	valVector   = kindVal | 12
)

// Classes of types.
const (
	typeBase   = kindType | 1
	typeList   = kindType | 2
	typeTable  = kindType | 4
	typeSet    = kindType | 5
	typeFunc   = kindType | 6
	typeRecord = kindType | 7
	typeSubnet = kindType | 8
	typeFile   = kindType | 9
	typeEnum   = kindType | 10
	typeVector = kindType | 11
	typeOpaque = kindType | 12
)

var kindNames = map[class]string{
	kindVal: "value", kindExpr: "expression", kindType: "type",
	kindStmt: "statement", kindAttrs: "attributes", kindFile: "file",
	kindFunc: "function", kindID: "identifier", kindCase: "case",
	kindLocation: "location", kindMatcher: "matcher",
}

// Tags of types: those of package event up to event.Vector, and these.
const (
	tagVoid   event.Type = 0
	tagOpaque event.Type = 23
	tagType   event.Type = 24
)

// storage is how a value of a type is stored: the second tag of each type.
type storage uint8

const (
	storeVoid     storage = 0
	storeInt      storage = 1
	storeUnsigned storage = 2
	storeDouble   storage = 3
	storeString   storage = 4
	storeAddr     storage = 5
	storeSubnet   storage = 6
	storeOther    storage = 7
	storeError    storage = 8
)

// storageOf follows from the tag, though types carry it. The last tag, for
// the type of a script that is in error, and unknown ones have none.
func storageOf(tag event.Type) storage {
	switch tag {
	case tagVoid:
		return storeVoid
	case event.Bool, event.Int, event.Enum:
		return storeInt
	case event.Count, event.Counter, event.Port:
		return storeUnsigned
	case event.Double, event.Time, event.Interval:
		return storeDouble
	case event.String:
		return storeString
	case event.Addr:
		return storeAddr
	case event.Subnet:
		return storeSubnet
	case event.Pattern, event.Timer, event.Any, event.Table, event.Union,
		event.Record, event.List, event.Func, event.File, event.Vector,
		tagOpaque, tagType:
		return storeOther
	}
	return storeError
}
