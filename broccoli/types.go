package broccoli

import "strconv"

// Proto is a transport protocol.
type Proto uint8

// The protocols that a Port can be of.
const (
	UnknownProto Proto = 0
	ICMP         Proto = 1
	TCP          Proto = 6
	UDP          Proto = 17
)

// String returns the protocol as Bro spells it.
func (p Proto) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return "unknown"
}

// Port is a port of a transport protocol.
type Port struct {
	Number uint16
	Proto  Proto
}

// String returns the port as Bro spells it, such as 22/tcp.
func (p Port) String() string { return strconv.Itoa(int(p.Number)) + "/" + p.Proto.String() }

// Enum is a value of an enum type. A Bro knows it by type and number, a Zeek by its name.
type Enum struct {
	Type   string
	Number int64
	Name   string
}

// Pattern is a regular expression of Bro, without the slashes.
type Pattern string

// Record is a record of any type. Type is its name, if it is known.
type Record struct {
	Type   string
	Fields []Field
}

// Field is a field of a Record. Value is nil if it is not set, Name empty if the peer
// has not sent it.
type Field struct {
	Name  string
	Value any
}

// Get returns the value of a field, nil if it is not set or not there.
func (r Record) Get(name string) any {
	for _, f := range r.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

// Set is a set of values, or of Index if a member has several.
type Set []any

// Table is a table, in no order.
type Table []Entry

// Entry is what a Table has for a key, which is an Index if it has several values.
type Entry struct {
	Key, Value any
}

// Index is a key or a member of several values.
type Index []any
