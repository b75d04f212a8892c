// Package flat translates events between their model (package event) and the
// flat records in which front and core hand them to each other (capi/shared.h,
// capi/flat.h). It imports only package event.
//
// Records come from, and go to, memory of the same process, built by the same
// release. They are checked all the same: a host that writes over our memory
// should lose its connection, not more.
package flat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Kinds of records: enum link_kind.
const (
	KindEvent   = 1
	KindRaw     = 2
	KindRequest = 3
	KindFar     = 4
)

const (
	recordHeader = 8
	eventHeader  = 32 // struct link_event
	valueHeader  = 8  // struct flat_header
	listHeader   = 8  // struct flat_list
	maxDepth     = 64 // FLAT_MAX_DEPTH
)

// ErrMalformed says that a record does not hold together.
var ErrMalformed = errors.New("flat: malformed record")

var native = binary.NativeEndian

func pad(n int) int { return (n + 7) &^ 7 }

// Decoder reads records. It is reused for one connection: what it returns
// aliases its memory and the record's, until it is called again.
type Decoder struct {
	arena []event.Value
	names map[string]string
}

// Event reads a record of KindEvent, with its record header, into ev.
func (d *Decoder) Event(rec []byte, ev *event.Event) error {
	if len(rec) < eventHeader {
		return fmt.Errorf("%w: event of %d bytes", ErrMalformed, len(rec))
	}
	ev.Time = math.Float64frombits(native.Uint64(rec[8:]))
	numArgs := int(native.Uint32(rec[16:]))
	nameLen := int(native.Uint32(rec[20:]))
	rawLen := int(native.Uint32(rec[24:]))
	rest := rec[eventHeader:]
	if nameLen >= len(rest) || pad(nameLen+1) > len(rest) || numArgs > len(rest)/valueHeader {
		return fmt.Errorf("%w: name of %d bytes, %d arguments", ErrMalformed, nameLen, numArgs)
	}
	ev.Name = d.intern(rest[:nameLen])
	rest = rest[pad(nameLen+1):]
	d.arena = d.arena[:0]
	ev.Args = d.alloc(numArgs)
	for i := range ev.Args {
		var err error
		if rest, err = d.value(rest, &ev.Args[i], 0); err != nil {
			return fmt.Errorf("argument %d of %s: %w", i, ev.Name, err)
		}
	}
	if rawLen > len(rest) {
		return fmt.Errorf("%w: %d raw bytes", ErrMalformed, rawLen)
	}
	ev.Raw = rest[:rawLen:rawLen]
	return nil
}

// EventName is the name in a record of KindEvent, nil in any other.
func EventName(rec []byte) []byte {
	if len(rec) < eventHeader || native.Uint32(rec[4:]) != KindEvent {
		return nil
	}
	n := int(native.Uint32(rec[20:]))
	if n > len(rec)-eventHeader {
		return nil
	}
	return rec[eventHeader : eventHeader+n]
}

// maxNames bounds the interned names: a host makes few, but may make them up.
const maxNames = 4096

func (d *Decoder) intern(b []byte) string {
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	if d.names == nil || len(d.names) >= maxNames {
		d.names = make(map[string]string)
	}
	s := string(b)
	d.names[s] = s
	return s
}

// value reads the value at the start of b and returns what follows it.
func (d *Decoder) value(b []byte, v *event.Value, depth int) ([]byte, error) {
	if len(b) < valueHeader || depth > maxDepth {
		return nil, fmt.Errorf("%w: value at depth %d in %d bytes", ErrMalformed, depth, len(b))
	}
	size := int(native.Uint32(b))
	if size < valueHeader || size%8 != 0 || size > len(b) {
		return nil, fmt.Errorf("%w: value of %d bytes in %d", ErrMalformed, size, len(b))
	}
	v.Type = event.Type(b[4])
	nameLen := int(native.Uint16(b[6:]))
	payload, rest := b[valueHeader:size], b[size:]
	if nameLen > 0 {
		if pad(nameLen+1) > len(payload) {
			return nil, fmt.Errorf("%w: type name of %d bytes", ErrMalformed, nameLen)
		}
		v.TypeName = d.intern(payload[:nameLen])
		payload = payload[pad(nameLen+1):]
	}
	return rest, d.payload(payload, v, depth)
}

func (d *Decoder) payload(p []byte, v *event.Value, depth int) error {
	need := payloadSize(v.Type)
	if len(p) < need {
		return fmt.Errorf("%w: %s of %d bytes", ErrMalformed, v.Type, len(p))
	}
	switch v.Type {
	case event.Unknown:
	case event.Bool, event.Int, event.Count, event.Counter, event.Enum,
		event.Double, event.Time, event.Interval:
		v.Bits = native.Uint64(p)
	case event.Port:
		v.Bits = native.Uint64(p)
		v.Proto = uint8(native.Uint32(p[8:]))
	case event.Addr:
		v.Addr = [16]byte(p)
	case event.Subnet:
		v.Addr = [16]byte(p)
		v.Width = uint8(native.Uint32(p[16:]))
	case event.String, event.Pattern, event.File, event.Func:
		n := int(native.Uint32(p))
		if n > len(p)-4 {
			return fmt.Errorf("%w: %s of %d bytes in %d", ErrMalformed, v.Type, n, len(p)-4)
		}
		v.Bytes = p[4 : 4+n : 4+n]
	case event.Vector, event.List, event.Set, event.Record, event.Table:
		return d.elems(p, v, depth)
	default:
		return fmt.Errorf("%w: a value of type %s", ErrMalformed, v.Type)
	}
	return nil
}

// payloadSize is the least that a value of type t has.
func payloadSize(t event.Type) int {
	switch t {
	case event.Unknown:
		return 0
	case event.Port, event.Addr:
		return 16
	case event.Subnet:
		return 24
	default:
		return 8
	}
}

func (d *Decoder) elems(p []byte, v *event.Value, depth int) error {
	count := int(native.Uint32(p))
	p = p[listHeader:]
	if v.Type == event.Table {
		count *= 2
	}
	if count > len(p)/valueHeader {
		return fmt.Errorf("%w: %s of %d in %d bytes", ErrMalformed, v.Type, count, len(p))
	}
	elems := d.alloc(count)
	for i := range elems {
		var err error
		if v.Type == event.Record {
			var name event.Value
			if p, err = d.value(p, &name, depth+1); err != nil {
				return err
			}
			elems[i].Field = d.intern(name.Bytes)
		}
		if p, err = d.value(p, &elems[i], depth+1); err != nil {
			return err
		}
	}
	v.Elems = elems
	return nil
}

// alloc takes n cleared values from the arena. What was handed out before
// stays where it is when the arena moves.
func (d *Decoder) alloc(n int) []event.Value {
	if cap(d.arena)-len(d.arena) < n {
		d.arena = make([]event.Value, 0, max(2*cap(d.arena), n, 64))
	}
	s := d.arena[len(d.arena) : len(d.arena)+n : len(d.arena)+n]
	d.arena = d.arena[:len(d.arena)+n]
	clear(s)
	return s
}

// Raw returns the bytes of a record of KindRaw or KindRequest.
func Raw(rec []byte) ([]byte, error) {
	const header = recordHeader + 8 // struct link_raw
	if len(rec) < header {
		return nil, fmt.Errorf("%w: raw record of %d bytes", ErrMalformed, len(rec))
	}
	n := native.Uint64(rec[recordHeader:])
	if n > uint64(len(rec)-header) {
		return nil, fmt.Errorf("%w: %d raw bytes in %d", ErrMalformed, n, len(rec)-header)
	}
	return rec[header : header+int(n)], nil
}

// FarSize is the size of a record of KindFar: struct link_far.
const FarSize = recordHeader + 16

// Far returns where the record is that a record of KindFar stands for, and its size.
func Far(rec []byte) (at, size uint64, err error) {
	if len(rec) < FarSize {
		return 0, 0, fmt.Errorf("%w: far record of %d bytes", ErrMalformed, len(rec))
	}
	return native.Uint64(rec[recordHeader:]), native.Uint64(rec[recordHeader+8:]), nil
}

// FarRecord makes such a record.
func FarRecord(at, size uint64) []byte {
	var far [FarSize]byte
	native.PutUint32(far[:], FarSize)
	native.PutUint32(far[4:], KindFar)
	native.PutUint64(far[recordHeader:], at)
	native.PutUint64(far[recordHeader+8:], size)
	return far[:]
}
