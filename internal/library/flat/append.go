package flat

import (
	"fmt"
	"math"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// AppendEvent appends ev as a record of KindEvent, with its record header.
// On error dst is returned as it was.
func AppendEvent(dst []byte, ev *event.Event) ([]byte, error) {
	start := len(dst)
	b := append(dst, make([]byte, eventHeader)...)
	b = appendPadded(append(b, ev.Name...), start)
	var err error
	for i := range ev.Args {
		if b, err = appendValue(b, &ev.Args[i], 0); err != nil {
			return dst, fmt.Errorf("argument %d of %s: %w", i, ev.Name, err)
		}
	}
	b = append(b, ev.Raw...)
	for (len(b)-start)%8 != 0 {
		b = append(b, 0)
	}
	rec := b[start:]
	if len(rec) > math.MaxInt32 {
		return dst, fmt.Errorf("flat: event %s of %d bytes", ev.Name, len(rec))
	}
	native.PutUint32(rec, uint32(len(rec)))
	native.PutUint32(rec[4:], KindEvent)
	native.PutUint64(rec[8:], math.Float64bits(ev.Time))
	native.PutUint32(rec[16:], uint32(len(ev.Args)))
	native.PutUint32(rec[20:], uint32(len(ev.Name)))
	native.PutUint32(rec[24:], uint32(len(ev.Raw)))
	return b, nil
}

// appendPadded ends a text with NUL, up to a multiple of 8 from start.
func appendPadded(b []byte, start int) []byte {
	b = append(b, 0)
	for (len(b)-start)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

func appendValue(dst []byte, v *event.Value, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, fmt.Errorf("flat: value deeper than %d", maxDepth)
	}
	if len(v.TypeName) > math.MaxUint16 {
		return dst, fmt.Errorf("flat: type name of %d bytes", len(v.TypeName))
	}
	if v.Type == event.Enum && len(v.Bytes) > 0 { // C knows enums by their numbers only
		v = &event.Value{Type: event.String, Bytes: v.Bytes}
	}
	start := len(dst)
	b := append(dst, 0, 0, 0, 0, byte(v.Type), 0, 0, 0)
	native.PutUint16(b[start+6:], uint16(len(v.TypeName)))
	if v.TypeName != "" {
		b = appendPadded(append(b, v.TypeName...), start)
	}
	b, err := appendPayload(b, v, start, depth)
	if err != nil {
		return dst, err
	}
	native.PutUint32(b[start:], uint32(len(b)-start))
	return b, nil
}

func appendPayload(b []byte, v *event.Value, start, depth int) ([]byte, error) {
	switch v.Type {
	case event.Unknown:
	case event.Bool, event.Int, event.Count, event.Counter, event.Enum,
		event.Double, event.Time, event.Interval:
		b = native.AppendUint64(b, v.Bits)
	case event.Port:
		b = native.AppendUint64(b, v.Bits)
		b = native.AppendUint32(b, uint32(v.Proto))
		b = native.AppendUint32(b, 0)
	case event.Addr:
		b = append(b, v.Addr[:]...)
	case event.Subnet:
		b = append(b, v.Addr[:]...)
		b = native.AppendUint32(b, uint32(v.Width))
		b = native.AppendUint32(b, 0)
	case event.String, event.Pattern, event.File, event.Func:
		b = native.AppendUint32(b, uint32(len(v.Bytes)))
		b = appendPadded(append(b, v.Bytes...), start)
	case event.Vector, event.List, event.Set, event.Record, event.Table:
		return appendElems(b, v, depth)
	default:
		return b, fmt.Errorf("flat: a value of type %s cannot be handed over", v.Type)
	}
	return b, nil
}

func appendElems(b []byte, v *event.Value, depth int) ([]byte, error) {
	count := len(v.Elems)
	if v.Type == event.Table {
		count /= 2
	}
	b = native.AppendUint32(b, uint32(count))
	b = native.AppendUint32(b, 0)
	var err error
	for i := range v.Elems {
		if v.Type == event.Record {
			name := event.Value{Type: event.String, Bytes: []byte(v.Elems[i].Field)}
			if b, err = appendValue(b, &name, depth+1); err != nil {
				return b, err
			}
		}
		if b, err = appendValue(b, &v.Elems[i], depth+1); err != nil {
			return b, err
		}
	}
	return b, nil
}

// Request makes a record of KindRequest: names that each end in NUL.
func Request(names []byte) []byte {
	rec := make([]byte, recordHeader+8, recordHeader+8+pad(len(names)))
	native.PutUint32(rec[4:], KindRequest)
	native.PutUint64(rec[recordHeader:], uint64(len(names)))
	rec = append(rec, names...)
	rec = append(rec, make([]byte, pad(len(rec))-len(rec))...)
	native.PutUint32(rec, uint32(len(rec)))
	return rec
}
