package zeek

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Encoder makes data messages of events. It is one connection's, and one
// goroutine's at a time.
type Encoder struct {
	// Dialect is the peer's.
	Dialect Dialect
	// ExactTime puts behind each time that is an argument of an event, or a
	// field of a record, the same time once more, as an interval since the
	// epoch: a time has milliseconds only, an interval nanoseconds.
	ExactTime bool
	// Types, if set, has the names of enum values.
	Types *Types

	head  []byte // of every message, up to the name of the event
	clock clock
}

// In sets the time zone that times are written in; without, it is UTC.
func (e *Encoder) In(zone *time.Location) { e.clock = clock{zone: zone} }

// NewEncoder returns an Encoder of events on a topic.
func NewEncoder(topic string, d Dialect) *Encoder {
	e := &Encoder{Dialect: d}
	e.head = appendText([]byte(`{"type":"data-message","topic":`), topic, d)
	e.head = append(e.head, `,"@data-type":"vector","data":[`+
		`{"@data-type":"count","data":1},{"@data-type":"count","data":1},{"@data-type":"vector","data":[`+
		`{"@data-type":"string","data":`...)
	return e
}

// What is read of reals. Zeek makes the very largest infinite, which it rounds up
// digit by digit; and of what is smaller than a double can say in full it makes any
// number, as 5e-324 becomes -1.6e293. So do all versions: Broker 2.7.0 and Zeek 8.2.2
// were asked, and those between have the same reader.
const (
	maxReal = 1.797e308
	minReal = 1e-307
)

// maxDepth is how deep the JSON of nested values may be, so that Broker can read it:
// it stops at 128 levels, of which the message takes six, and the innermost value two
// if it is none. A table takes three, for its pairs, and other compounds two.
const (
	maxDepth   = 128 - 6 - 2
	tableDepth = 3
	listDepth  = 2
)

// AppendEvent appends ev as a data message. An error wraps
// event.ErrUnencodable, and dst is returned as it was.
func (e *Encoder) AppendEvent(dst []byte, ev *event.Event) ([]byte, error) {
	if ev.Name == "" {
		return dst, fmt.Errorf("%w: event without a name", event.ErrUnencodable)
	}
	b := append(dst, e.head...)
	b = appendText(b, ev.Name, e.Dialect)
	b = append(b, `},{"@data-type":"vector","data":[`...)
	b, err := e.list(b, ev.Args, e.ExactTime, 0)
	if err != nil {
		return dst, fmt.Errorf("event %s: %w", ev.Name, err)
	}
	b = append(b, `]}`...)
	if e.Dialect.Metadata {
		b = e.metadata(b, ev.Time)
	}
	return append(b, `]}]}`...), nil
}

// metadata appends the time of the event, if there is one.
func (e *Encoder) metadata(b []byte, t float64) []byte {
	if t <= 0 {
		return b
	}
	start := len(b)
	b, ok := e.clock.append(append(b, `,{"@data-type":"vector","data":[{"@data-type":"vector","data":[`+
		`{"@data-type":"count","data":1},{"@data-type":"timestamp","data":"`...), t, e.Dialect.FullTime)
	if !ok {
		return b[:start]
	}
	return append(b, `"}]}]}`...)
}

// list appends values, with exact times where they belong.
func (e *Encoder) list(b []byte, vs []event.Value, exact bool, depth int) ([]byte, error) {
	var err error
	for i := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = e.value(b, &vs[i], depth); err != nil {
			return b, fmt.Errorf("value %d: %w", i, err)
		}
		if exact && vs[i].Type == event.Time {
			if b, err = e.value(append(b, ','), &event.Value{Type: event.Interval, Bits: vs[i].Bits}, depth); err != nil {
				return b, fmt.Errorf("value %d: %w", i, err)
			}
		}
	}
	return b, nil
}

func (e *Encoder) value(b []byte, v *event.Value, depth int) ([]byte, error) {
	ok := true
	switch v.Type {
	case event.Unknown:
		return append(b, `{"@data-type":"none","data":{}}`...), nil
	case event.Bool:
		b = strconv.AppendBool(append(b, `{"@data-type":"boolean","data":`...), v.Bits != 0)
	case event.Int:
		b = strconv.AppendInt(append(b, `{"@data-type":"integer","data":`...), v.Int64(), 10)
	case event.Count, event.Counter:
		b = strconv.AppendUint(append(b, `{"@data-type":"count","data":`...), v.Bits, 10)
	case event.Double:
		b, ok = appendReal(append(b, `{"@data-type":"real","data":`...), v.Float())
	case event.Time:
		b, ok = e.clock.append(append(b, `{"@data-type":"timestamp","data":"`...), v.Float(), e.Dialect.FullTime)
		b = append(b, '"')
	case event.Interval:
		b, ok = appendSpan(append(b, `{"@data-type":"timespan","data":"`...), v.Float())
		b = append(b, '"')
	case event.String, event.File:
		b = appendText(append(b, `{"@data-type":"string","data":`...), v.Bytes, e.Dialect)
	case event.Port:
		b, ok = appendPort(append(b, `{"@data-type":"port","data":"`...), v)
		b = append(b, '"')
	case event.Addr:
		b = address(v).AppendTo(append(b, `{"@data-type":"address","data":"`...))
		b = append(b, '"')
	case event.Subnet:
		b, ok = appendSubnet(append(b, `{"@data-type":"subnet","data":"`...), v)
		b = append(b, '"')
	case event.Enum:
		return e.enum(b, v)
	default:
		return e.compound(b, v, depth)
	}
	if !ok {
		return b, fmt.Errorf("%w: Zeek reads no %v of %v", event.ErrUnencodable, v.Type, describe(v))
	}
	return append(b, '}'), nil
}

// describe says what a value is that cannot be sent.
func describe(v *event.Value) any {
	switch v.Type {
	case event.Double, event.Time, event.Interval:
		return v.Float()
	case event.Subnet:
		return fmt.Sprintf("%v, width %d", address(v), v.Width)
	}
	return fmt.Sprintf("%d, protocol %d", v.Bits, v.Proto)
}

// appendReal writes a point or an exponent: without, Zeek since 6.2 takes it
// for an integer.
func appendReal(b []byte, f float64) ([]byte, bool) {
	if size := math.Abs(f); !(size <= maxReal) || size != 0 && size < minReal {
		return b, false
	}
	at := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	for _, c := range b[at:] {
		if c == '.' || c == 'e' {
			return b, true
		}
	}
	return append(b, ".0"...), true
}

func appendPort(b []byte, v *event.Value) ([]byte, bool) {
	if v.Bits > math.MaxUint16 {
		return b, false
	}
	b = append(strconv.AppendUint(b, v.Bits, 10), '/')
	for _, p := range protocols {
		if p.number == v.Proto {
			return append(b, p.name...), true
		}
	}
	return b, false
}

var protocols = []struct {
	number uint8
	name   string
}{
	{event.ProtoTCP, "tcp"}, {event.ProtoUDP, "udp"}, {event.ProtoICMP, "icmp"}, {event.ProtoUnknown, "?"},
}

func address(v *event.Value) netip.Addr { return netip.AddrFrom16(v.Addr).Unmap() }

func appendSubnet(b []byte, v *event.Value) ([]byte, bool) {
	p := netip.PrefixFrom(address(v), int(v.Width))
	if !p.IsValid() {
		return b, false
	}
	return p.AppendTo(b), true
}

// enum writes the name of an enum value, which is all that Zeek knows one by.
func (e *Encoder) enum(b []byte, v *event.Value) ([]byte, error) {
	name, known := string(v.Bytes), len(v.Bytes) > 0
	if !known {
		name, known = e.Types.EnumName(v.TypeName, v.Int64())
	}
	if !known {
		return b, fmt.Errorf("%w: no name is known for %d of enum %q; declare it in the file of zeek_types",
			event.ErrUnencodable, v.Int64(), v.TypeName)
	}
	b = appendText(append(b, `{"@data-type":"enum-value","data":`...), name, e.Dialect)
	return append(b, '}'), nil
}

func (e *Encoder) compound(b []byte, v *event.Value, depth int) ([]byte, error) {
	if v.Type == event.Table {
		depth += tableDepth
	} else {
		depth += listDepth
	}
	if depth > maxDepth {
		return b, fmt.Errorf("%w: nested deeper than %d levels of JSON", event.ErrUnencodable, maxDepth)
	}
	var err error
	switch v.Type {
	case event.Record:
		b, err = e.list(append(b, `{"@data-type":"vector","data":[`...), v.Elems, e.ExactTime, depth)
	case event.Vector, event.List:
		b, err = e.list(append(b, `{"@data-type":"vector","data":[`...), v.Elems, false, depth)
	case event.Set:
		b, err = e.list(append(b, `{"@data-type":"set","data":[`...), v.Elems, false, depth)
	case event.Table:
		b, err = e.table(append(b, `{"@data-type":"table","data":[`...), v.Elems, depth)
	case event.Func: // its name, in a vector
		b, err = e.list(append(b, `{"@data-type":"vector","data":[`...),
			[]event.Value{{Type: event.String, Bytes: v.Bytes}}, false, depth)
	case event.Pattern:
		b = e.pattern(append(b, `{"@data-type":"vector","data":[`...), v.Bytes)
	default:
		return b, fmt.Errorf("%w: Zeek has no counterpart of a %v", event.ErrUnencodable, v.Type)
	}
	return append(b, `]}`...), err
}

func (e *Encoder) table(b []byte, elems []event.Value, depth int) ([]byte, error) {
	if len(elems)%2 != 0 {
		return b, fmt.Errorf("%w: table with a key but no value", event.ErrUnencodable)
	}
	var err error
	for i := range elems {
		switch {
		case i%2 == 1:
			b = append(b, `,"value":`...)
		case i > 0:
			b = append(b, `,{"key":`...)
		default:
			b = append(b, `{"key":`...)
		}
		if b, err = e.value(b, &elems[i], depth); err != nil {
			return b, err
		}
		if i%2 == 1 {
			b = append(b, '}')
		}
	}
	return b, nil
}
