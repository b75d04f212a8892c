package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Encoder encodes events. It holds no state but its settings: the zero value
// is ready, and it may be used for several connections.
type Encoder struct {
	// Whole keeps long payloads in one chunk. A Bro splits and joins chunks
	// on cleartext connections only; over TLS a part would be a chunk of two
	// gigabytes to it.
	Whole bool
	// Named sends types that have a name in full, with the name. Otherwise they
	// go by it alone, as libbroccoli does it; a Bro that does not know it then
	// ends the connection.
	Named bool
}

// AppendEvent appends the message that carries ev, as libbroccoli would have
// encoded it: every object in full, none for the peer's cache. ev.Raw is
// ignored. On an error dst comes back as it was.
func (e *Encoder) AppendEvent(dst []byte, ev *event.Event) ([]byte, error) {
	out, at := beginPayload(appendHeader(dst, MsgSerial))
	out, err := e.AppendSerialEvent(out, ev)
	if err != nil {
		return dst, err
	}
	return endPayload(out, at, e.Whole), nil
}

// AppendSerialEvent appends the payload of that message, which is the same for
// every connection. On an error dst comes back as it was.
func (e *Encoder) AppendSerialEvent(dst []byte, ev *event.Event) ([]byte, error) {
	out, err := e.AppendRaw(append(dst, SerialEvent), ev)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// AppendRaw appends the bytes of ev alone, as event.Event.Raw has them. On an
// error dst comes back as it was.
func (e *Encoder) AppendRaw(dst []byte, ev *event.Event) ([]byte, error) {
	if ev.Name == "" || strings.IndexByte(ev.Name, 0) >= 0 {
		return dst, fmt.Errorf("%w: event named %q", ErrUnencodable, ev.Name)
	}
	out := appendString(dst, ev.Name)
	out = appendFloat(out, ev.Time)
	out = binary.BigEndian.AppendUint32(out, uint32(len(ev.Args)))
	var err error
	for i := range ev.Args {
		if out, err = e.appendValue(out, &ev.Args[i], 1); err != nil {
			return dst, fmt.Errorf("argument %d of %s: %w", i, ev.Name, err)
		}
	}
	if size := len(out) - len(dst); uint64(size) >= partial {
		return dst, fmt.Errorf("%w: %s is of %d bytes", ErrUnencodable, ev.Name, size)
	}
	return out, nil
}

// SerialEventName returns the name in what AppendSerialEvent has made; false
// when it is of something else.
func SerialEventName(payload []byte) (string, bool) {
	const at = 1 + lengthSize
	if len(payload) < at || payload[0] != SerialEvent {
		return "", false
	}
	n := binary.BigEndian.Uint32(payload[1:])
	if uint64(n) > uint64(len(payload)-at) {
		return "", false
	}
	return string(payload[at : at+int(n)]), true
}

// AppendRawEvent appends the message that carries raw, the bytes of an event
// as event.Event.Raw has them.
func (e *Encoder) AppendRawEvent(dst, raw []byte) []byte {
	dst, at := beginPayload(appendHeader(dst, MsgSerial))
	dst = append(append(dst, SerialEvent), raw...)
	return endPayload(dst, at, e.Whole)
}

// AppendMessage is the function AppendMessage, with the settings of e.
func (e *Encoder) AppendMessage(dst []byte, t MsgType, payload []byte) []byte {
	return appendMessage(dst, t, payload, e.Whole)
}

// AppendRequest appends a REQUEST, which may be long, with the settings of e.
func (e *Encoder) AppendRequest(dst []byte, r *Request) []byte {
	return r.appendTo(dst, e.Whole)
}

// AppendRawEvent is the method of Encoder, for a cleartext connection.
func AppendRawEvent(dst, raw []byte) []byte {
	return (&Encoder{}).AppendRawEvent(dst, raw)
}

// appendValue appends a value with its type. All that nests goes through here
// and counts its depth.
func (e *Encoder) appendValue(dst []byte, v *event.Value, depth int) ([]byte, error) {
	return e.appendValueLike(dst, v, v, depth)
}

// appendValueLike appends a value with the type of another.
func (e *Encoder) appendValueLike(dst []byte, v, like *event.Value, depth int) ([]byte, error) {
	if start := plain[v.Type]; v.TypeName == "" && start != "" {
		dst = append(dst, start...)
	} else {
		c, err := valueClass(v)
		if err != nil {
			return dst, err
		}
		dst = appendObject(dst, c)
		if dst, err = e.appendType(dst, like, depth); err != nil {
			return dst, err
		}
	}
	switch storageOf(v.Type) {
	case storeInt, storeUnsigned:
		bits, err := integer(v)
		return binary.BigEndian.AppendUint64(dst, bits), err
	case storeDouble:
		return binary.BigEndian.AppendUint64(dst, v.Bits), nil
	case storeString:
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.Bytes)))
		return append(dst, v.Bytes...), nil
	case storeAddr:
		return appendAddr(dst, &v.Addr), nil
	case storeSubnet:
		return appendSubnet(dst, v)
	}
	return e.appendCompound(dst, v, depth)
}

// plain is what a scalar begins with, but for enums: the object and its type.
// Nearly all values are such, and most of their bytes are these.
var plain = func() (starts [256]string) {
	for t := event.Bool; t <= event.Subnet; t++ {
		scalar := storageOf(t) >= storeInt && storageOf(t) <= storeSubnet
		if c, err := valueClass(&event.Value{Type: t}); err == nil && scalar && t != event.Enum {
			starts[t] = string(appendTypeHead(appendObject(nil, c), typeBase, t, ""))
		}
	}
	return starts
}()

// valueClass is the class that libbroccoli gives a value; in some places Bro
// has another one, and takes both.
func valueClass(v *event.Value) (class, error) {
	switch v.Type {
	case event.Bool, event.Int, event.Count, event.Counter,
		event.Double, event.Time, event.String:
		return valScalar, nil
	case event.Interval:
		return valInterval, nil
	case event.Port:
		return valPort, nil
	case event.Addr:
		return valAddr, nil
	case event.Subnet:
		return valSubnet, nil
	case event.Enum:
		if len(v.Bytes) > 0 {
			return 0, fmt.Errorf("%w: the number of enum value %q is not known", ErrUnencodable, v.Bytes)
		}
		return valEnum, nil
	case event.Pattern:
		return valPattern, nil
	case event.List:
		return valList, nil
	case event.Table, event.Set:
		return valTable, nil
	case event.Record:
		return valRecord, nil
	case event.Vector:
		return valVector, nil
	}
	return 0, fmt.Errorf("%w: it is of type %v", ErrUnencodable, v.Type)
}

func integer(v *event.Value) (uint64, error) {
	switch v.Type {
	case event.Bool:
		if v.Bits != 0 {
			return 1, nil
		}
	case event.Port:
		proto, ok := protoCode(v.Proto)
		if v.Bits > math.MaxUint16 || !ok {
			return 0, fmt.Errorf("%w: port %d of protocol %d", ErrUnencodable, v.Bits, v.Proto)
		}
		return v.Bits | proto, nil
	}
	return v.Bits, nil
}

// Ports are numbers with the transport protocol above the lower sixteen bits.
const (
	portTCP  = 0x10000
	portUDP  = 0x20000
	portICMP = 0x30000
	portMask = 0x30000
)

func protoCode(proto uint8) (uint64, bool) {
	switch proto {
	case event.ProtoUnknown:
		return 0, true
	case event.ProtoTCP:
		return portTCP, true
	case event.ProtoUDP:
		return portUDP, true
	case event.ProtoICMP:
		return portICMP, true
	}
	return 0, false
}

// appendObject appends what every object begins with: that it is there in
// full, that it is not for the cache, its class, and that its place in a
// script is not known.
func appendObject(dst []byte, c class) []byte {
	c |= flagKept
	return append(dst, 1, 0, 0, 0, 0, byte(c>>8), byte(c), 0)
}

func appendSubnet(dst []byte, v *event.Value) ([]byte, error) {
	bits := uint8(128)
	if isIPv4(&v.Addr) {
		bits = 32
	}
	if v.Width > bits {
		return dst, fmt.Errorf("%w: subnet of width %d, at most %d", ErrUnencodable, v.Width, bits)
	}
	return binary.BigEndian.AppendUint32(appendAddr(dst, &v.Addr), uint32(v.Width)), nil
}

// appendAddr appends the number of 32-bit words in an address, and these.
func appendAddr(dst []byte, a *[16]byte) []byte {
	if isIPv4(a) {
		return append(append(dst, 0, 0, 0, 1), a[12:]...)
	}
	return append(append(dst, 0, 0, 0, 4), a[:]...)
}

var v4Mapped = [12]byte{10: 0xff, 11: 0xff}

func isIPv4(a *[16]byte) bool { return [12]byte(a[:12]) == v4Mapped }

func appendString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}

func appendFloat(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
}
