package zeek

import (
	"errors"
	"fmt"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Decoder reads messages. It is one connection's, and one goroutine's at a time.
type Decoder struct {
	// ExactTime takes a time that is followed by the same as an interval for
	// one: see Encoder.
	ExactTime bool
	// AnyZone has ExactTime take a time for the same although it was written in
	// a time zone that is not known.
	AnyZone bool
	// Types, if set, says what events are to look like: Zeek's messages have
	// no names of fields, and names of enum values instead of numbers.
	Types *Types
	// Hold, if set, is asked beforehand whether the Decoder may have so many bytes of
	// memory beside its input. If not, the message is an error that wraps ErrLimit.
	Hold func(bytes int) bool

	limits Limits

	in      []byte
	pos     int
	depth   int
	values  int
	err     error
	scratch []byte        // texts that had escapes in them
	stack   []event.Value // of lists that are being read
	arena   []event.Value // of those that have been
	memory  int           // that the message has made us take
	names   map[string]string
	clock   clock
}

// NewDecoder returns a Decoder with these limits.
func NewDecoder(l Limits) *Decoder { return &Decoder{limits: l.WithDefaults()} }

// In sets the time zone that times without one are read in; without, it is UTC.
func (d *Decoder) In(zone *time.Location) { d.clock = clock{zone: zone} }

// Message is what a message was. Only the fields of its kind are set.
type Message struct {
	Topic   string       // of an event
	Event   *event.Event // nil in a data message that is none
	Ack     *Ack
	Failure *Failure
}

// Decode reads a message. An event is put into ev, whose slices are used again,
// and which aliases b and the Decoder until that is used again.
func (d *Decoder) Decode(b []byte, ev *event.Event) (Message, error) {
	d.begin(b)
	var top struct{ kind, topic, endpoint, version, code, context []byte }
	var data event.Value
	some := d.typed(&data, func(key []byte) bool {
		var into *[]byte
		switch string(key) {
		case "type":
			into = &top.kind
		case "topic":
			into = &top.topic
		case "endpoint":
			into = &top.endpoint
		case "version":
			into = &top.version
		case "code":
			into = &top.code
		case "context":
			into = &top.context
		default:
			return false
		}
		*into = d.text()
		return true
	})
	if err := d.finish(); err != nil {
		return Message{}, err
	}
	switch string(top.kind) {
	case "ack":
		return Message{Ack: &Ack{string(top.endpoint), string(top.version)}}, nil
	case "error":
		return Message{Failure: &Failure{string(top.code), string(top.context)}}, nil
	case "data-message":
		if !some {
			return Message{}, fmt.Errorf("%w: data message without data", ErrMalformed)
		}
		m := Message{Topic: d.intern(top.topic)}
		if !d.event(&data, ev) {
			return m, d.err
		}
		if err := d.Types.shape(ev); err != nil {
			return m, err
		}
		m.Event = ev
		return m, nil
	}
	return Message{}, fmt.Errorf("%w: of type %.40q", ErrMalformed, top.kind)
}

// event takes an event out of the data of a message, and reports whether it is
// one: 1, the kind 1, and a vector of name, arguments and, since Zeek 6.0,
// metadata.
func (d *Decoder) event(data *event.Value, ev *event.Event) bool {
	ev.Name, ev.Time, ev.Args, ev.Raw = "", 0, ev.Args[:0], nil
	is := func(v *event.Value, t event.Type, n int) bool { return v.Type == t && len(v.Elems) >= n }
	if !is(data, event.Vector, 3) || !isOne(&data.Elems[0]) || !isOne(&data.Elems[1]) || !is(&data.Elems[2], event.Vector, 2) {
		return false
	}
	parts := data.Elems[2].Elems
	if parts[0].Type != event.String || len(parts[0].Bytes) == 0 || parts[1].Type != event.Vector {
		return false
	}
	ev.Name = d.intern(parts[0].Bytes)
	if n := len(parts[1].Elems); n > cap(ev.Args) && !d.take(n*valueSize) {
		return false
	}
	ev.Args = append(ev.Args, parts[1].Elems...)
	if len(parts) > 2 {
		ev.Time = networkTime(parts[2].Elems)
	}
	return true
}

func isOne(v *event.Value) bool { return v.Type == event.Count && v.Bits == 1 }

// networkTime looks for the time of the event, which is number 1, in metadata.
func networkTime(pairs []event.Value) float64 {
	for _, p := range pairs {
		if len(p.Elems) == 2 && isOne(&p.Elems[0]) && p.Elems[1].Type == event.Time {
			return p.Elems[1].Float()
		}
	}
	return 0
}

// typed reads an object that has "@data-type" and "data", in whichever order;
// other, if set, is asked to read the values of other keys; then both may be
// missing, and the result tells.
func (d *Decoder) typed(v *event.Value, other func(key []byte) bool) bool {
	var kind []byte
	kindKnown, done, later := false, false, -1
	d.object(func(key []byte) {
		switch {
		case string(key) == "@data-type" && !kindKnown:
			kind, kindKnown = d.text(), true
		case string(key) == "data" && later < 0 && !done && !kindKnown:
			later = d.pos
			d.skip()
		case string(key) == "data" && later < 0 && !done:
			done = true
			d.data(kind, v)
		case string(key) == "data" || string(key) == "@data-type":
			d.fail("the same key twice")
		case other == nil || !other(key):
			d.skip()
		}
	})
	switch {
	case d.err != nil || done:
	case later >= 0 && kindKnown:
		end := d.pos
		d.pos = later
		d.data(kind, v)
		d.pos = end
	case kindKnown || later >= 0 || other == nil:
		d.fail("value without a type or without data")
	default:
		return false
	}
	return d.err == nil
}

// value reads one value.
func (d *Decoder) value(v *event.Value) {
	if d.charge(); d.err != nil {
		return
	}
	kind, ok := d.usual()
	if !ok {
		d.typed(v, nil)
		return
	}
	if d.deeper() {
		d.data(kind, v)
	}
	d.rest('}', func() { d.member(d.further) })
	d.depth--
}

// usual passes over the beginning of a value up to its data, if it is as Zeek
// writes it, and returns the type. It is why decoding takes half the time.
func (d *Decoder) usual() (kind []byte, ok bool) {
	const before, behind, longest = `{"@data-type":"`, `","data":`, 16
	in := d.in[d.pos:]
	if len(in) < len(before)+longest+len(behind) || string(in[:len(before)]) != before {
		return nil, false
	}
	in = in[len(before):]
	for i, c := range in[:longest] {
		if c == '"' {
			kind, in = in[:i], in[i:]
			break
		}
		if c == '\\' {
			return nil, false
		}
	}
	if kind == nil || string(in[:len(behind)]) != behind {
		return nil, false
	}
	d.pos += len(before) + len(kind) + len(behind)
	return kind, true
}

// further reads a member of a value behind its data.
func (d *Decoder) further(key []byte) {
	if string(key) == "data" || string(key) == "@data-type" {
		d.fail("the same key twice")
		return
	}
	d.skip()
}

// charge counts a value.
func (d *Decoder) charge() {
	if d.values++; d.values > d.limits.MaxValues {
		d.failWith(fmt.Errorf("%w: more than %d values", ErrLimit, d.limits.MaxValues))
	}
}

// elems reads an array of values.
func (d *Decoder) elems() []event.Value {
	at := len(d.stack)
	d.array(func() {
		var v event.Value
		if d.value(&v); d.err == nil {
			d.push(v)
		}
	})
	return d.popped(at)
}

// table reads an array of objects with key and value.
func (d *Decoder) table() []event.Value {
	at := len(d.stack)
	d.array(func() {
		var pair [2]event.Value
		var have [2]bool
		d.object(func(key []byte) {
			i := 0
			switch string(key) {
			case "key":
			case "value":
				i = 1
			default:
				d.skip()
				return
			}
			if have[i] {
				d.fail("the same key twice")
				return
			}
			have[i] = true
			d.value(&pair[i])
		})
		if d.err == nil && !(have[0] && have[1]) {
			d.fail("table with a key but no value")
		}
		asIndex(&pair[0])
		d.push(pair[0])
		d.push(pair[1])
	})
	return d.popped(at)
}

// asIndex makes the vector that stands for an index of several parts a list.
func asIndex(v *event.Value) {
	if v.Type == event.Vector {
		v.Type = event.List
	}
}

func (d *Decoder) push(v event.Value) {
	if len(d.stack) == cap(d.stack) {
		grown := max(2*cap(d.stack), 64)
		if !d.take(grown * valueSize) {
			return
		}
		d.stack = append(make([]event.Value, 0, grown), d.stack...)
	}
	d.stack = append(d.stack, v)
}

// popped moves what is on the stack from at on to the arena.
func (d *Decoder) popped(at int) []event.Value {
	if at > len(d.stack) || d.err != nil {
		return nil
	}
	read := d.stack[at:]
	if cap(d.arena)-len(d.arena) < len(read) {
		size := max(min(2*cap(d.arena), mostArena), len(read), 64)
		if !d.take(size * valueSize) {
			return nil
		}
		d.arena = make([]event.Value, 0, size)
	}
	start := len(d.arena)
	d.arena = append(d.arena, read...)
	d.stack = d.stack[:at]
	return d.arena[start:len(d.arena):len(d.arena)]
}

// maxNames bounds the names that are kept as strings, maxNameLen their length.
const (
	maxNames   = 4096
	maxNameLen = 256
)

func (d *Decoder) intern(b []byte) string {
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(s) > maxNameLen {
		return s
	}
	if d.names == nil || len(d.names) >= maxNames {
		d.names = make(map[string]string)
	}
	d.names[s] = s
	return s
}

const (
	// maxKept is how much memory of each kind is kept from one message to the next,
	// keptOfShared if it is accounted for, since others may need it.
	maxKept      = 1 << 20
	keptOfShared = 32 << 10
	// valueSize is the memory of a value, about.
	valueSize = 112
	// mostArena is how many values at a time there is room made for in advance.
	mostArena = 16 << 10
)

// LetGo lets go of what is large of the last message, which does not hold any more.
func (d *Decoder) LetGo() {
	kept := maxKept
	if d.Hold != nil {
		kept = keptOfShared
	}
	if cap(d.scratch) > kept {
		d.scratch = nil
	}
	if cap(d.arena)*valueSize > kept || cap(d.stack)*valueSize > kept {
		d.arena, d.stack = nil, nil
	}
	d.in, d.memory = nil, cap(d.scratch)+(cap(d.arena)+cap(d.stack))*valueSize
	if d.Hold != nil {
		d.Hold(d.memory)
	}
}

// take accounts for memory before it is made.
func (d *Decoder) take(bytes int) bool {
	d.memory += bytes
	if d.Hold == nil || d.Hold(d.memory) {
		return true
	}
	d.failWith(fmt.Errorf("%w: no memory is left for so large a message", ErrLimit))
	return false
}

func (d *Decoder) begin(b []byte) {
	d.LetGo()
	d.in, d.pos, d.depth, d.values, d.err = b, 0, 0, 0, nil
	d.scratch, d.stack, d.arena = d.scratch[:0], d.stack[:0], d.arena[:0]
	if len(b) > d.limits.MaxMessage {
		d.failWith(fmt.Errorf("%w: message of %d bytes", ErrLimit, len(b)))
	}
}

// finish returns what was wrong.
func (d *Decoder) finish() error {
	d.space()
	if d.err == nil && d.pos < len(d.in) {
		d.fail("something behind the end")
	}
	if d.err == nil {
		return nil
	}
	return fmt.Errorf("at byte %d: %w", d.pos, d.err)
}

func (d *Decoder) fail(what string) {
	if d.err == nil {
		d.failWith(fmt.Errorf("%w: %s", ErrMalformed, what))
	}
}

func (d *Decoder) failWith(err error) { d.err = errors.Join(d.err, err) }
