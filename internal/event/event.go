// Package event is the one model of an event and its arguments that every
// other room shares: flat records, the wire and the collector all speak in
// terms of it. It imports nothing of this project.
package event

import (
	"errors"
	"math"
)

// ErrUnencodable says that a value cannot be sent to a peer, whatever that speaks.
var ErrUnencodable = errors.New("value cannot be encoded")

// Type is a Bro type tag. The numbers are those of broccoli.h (BRO_TYPE_*)
// and, up to Error, those of the wire.
type Type uint8

// The type tags.
const (
	Unknown  Type = 0
	Bool     Type = 1
	Int      Type = 2
	Count    Type = 3
	Counter  Type = 4
	Double   Type = 5
	Time     Type = 6
	Interval Type = 7
	String   Type = 8
	Pattern  Type = 9
	Enum     Type = 10
	Timer    Type = 11
	Port     Type = 12
	Addr     Type = 13
	Subnet   Type = 14
	Any      Type = 15
	Table    Type = 16
	Union    Type = 17
	Record   Type = 18
	List     Type = 19
	Func     Type = 20
	File     Type = 21
	Vector   Type = 22
	Error    Type = 23
	Packet   Type = 24
	Set      Type = 25
)

var typeNames = [...]string{
	Unknown: "unset", Bool: "bool", Int: "int", Count: "count", Counter: "counter",
	Double: "double", Time: "time", Interval: "interval", String: "string",
	Pattern: "pattern", Enum: "enum", Timer: "timer", Port: "port", Addr: "addr",
	Subnet: "subnet", Any: "any", Table: "table", Union: "union", Record: "record",
	List: "list", Func: "func", File: "file", Vector: "vector", Error: "error",
	Packet: "packet", Set: "set",
}

// String returns Bro's name of the type, as a policy script spells it.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "invalid"
}

// Transport protocols of a Port, as in IPPROTO_*.
const (
	ProtoUnknown = 0
	ProtoICMP    = 1
	ProtoTCP     = 6
	ProtoUDP     = 17
)

// Value is one argument, or one part of a compound argument. Type says which
// of the other fields hold something:
//
//	Bool, Int, Count, Counter, Enum  Bits
//	Double, Time, Interval           Bits, as IEEE 754 (see Float); times in
//	                                 seconds since the epoch, intervals in seconds
//	Enum of which only the name      Bytes, the name of the value; TypeName and
//	is known, as Zeek sends it       Bits are not set
//	String                           Bytes
//	Pattern                          Bytes, the expression between the slashes
//	Port                             Bits (the number) and Proto
//	Addr                             Addr
//	Subnet                           Addr and Width
//	Record                           Elems, one for each field, named by Field
//	Vector, List                     Elems
//	Set                              Elems, one for each member; a member of a
//	                                 set with several indices is a List
//	Table                            Elems, key and value in turn; a key of
//	                                 several indices is a List
//	Func, File                       Bytes, the name
//	Unknown                          nothing: an optional that is not set
//
// Bytes, Field, TypeName and Elems of a decoded Value may alias the decoder's
// input: they hold until the decoder is used again.
type Value struct {
	Type  Type
	Proto uint8
	// Width is the prefix length of a Subnet in bits of the address as Bro
	// counts them: 0 to 32 for IPv4, 0 to 128 for IPv6.
	Width uint8
	Bits  uint64
	// Addr is the address in network byte order, IPv4 in its v4-mapped form.
	Addr [16]byte
	// TypeName is the name of the type where it goes by one, as an enum does.
	TypeName string
	// Field is the name of the field that this value has in its record.
	Field string
	Bytes []byte
	Elems []Value
}

// Float returns the value of a Double, Time or Interval.
func (v *Value) Float() float64 { return math.Float64frombits(v.Bits) }

// Int64 returns the value of an Int, or of an Enum.
func (v *Value) Int64() int64 { return int64(v.Bits) }

// Event is a named list of arguments at a time.
type Event struct {
	Name string
	// Time is when the event was raised, in seconds since the epoch.
	Time float64
	Args []Value
	// Raw is the event as the wire had it (name, time, arguments), when it
	// came from there. It aliases the decoder's input, as the values do.
	Raw []byte
}
