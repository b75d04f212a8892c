package zeek

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"strconv"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// data reads the data of a value of the type that its "@data-type" names.
func (d *Decoder) data(kind []byte, v *event.Value) {
	switch string(kind) {
	case "none":
		d.skip()
	case "boolean":
		v.Type = event.Bool
		switch word := d.word(); string(word) {
		case "true":
			v.Bits = 1
		case "false":
		default:
			d.fail(fmt.Sprintf("boolean %.20q", word))
		}
	case "count":
		v.Type = event.Count
		d.number(v, func(s string) (n uint64, err error) { return strconv.ParseUint(s, 10, 64) })
	case "integer":
		v.Type = event.Int
		d.number(v, func(s string) (uint64, error) {
			n, err := strconv.ParseInt(s, 10, 64)
			return uint64(n), err
		})
	case "real":
		v.Type = event.Double
		d.number(v, func(s string) (uint64, error) {
			f, err := strconv.ParseFloat(s, 64)
			return math.Float64bits(f), err
		})
	case "string":
		v.Type, v.Bytes = event.String, d.text()
	case "enum-value":
		v.Type, v.Bytes = event.Enum, d.text()
	case "timestamp":
		v.Type = event.Time
		d.seconds(v, d.clock.parse)
	case "timespan":
		v.Type = event.Interval
		d.seconds(v, parseSpan)
	case "address":
		v.Type = event.Addr
		d.address(v)
	case "subnet":
		v.Type = event.Subnet
		d.subnet(v)
	case "port":
		v.Type = event.Port
		d.port(v)
	case "vector":
		v.Type, v.Elems = event.Vector, d.elems()
		if d.ExactTime {
			v.Elems = d.joinTimes(v.Elems)
		}
		asPattern(v)
	case "set":
		v.Type, v.Elems = event.Set, d.elems()
		for i := range v.Elems {
			asIndex(&v.Elems[i])
		}
	case "table":
		v.Type, v.Elems = event.Table, d.table()
	default:
		d.fail(fmt.Sprintf("unknown type %.40q", kind))
	}
}

func (d *Decoder) number(v *event.Value, parse func(string) (uint64, error)) {
	word := d.word()
	if d.err != nil {
		return
	}
	var err error
	if v.Bits, err = parse(string(word)); err != nil {
		d.fail(fmt.Sprintf("%v %.40q", v.Type, word))
	}
}

func (d *Decoder) seconds(v *event.Value, parse func([]byte) (float64, error)) {
	text := d.text()
	if d.err != nil {
		return
	}
	f, err := parse(text)
	if err != nil {
		d.failWith(err)
	}
	v.Bits = math.Float64bits(f)
}

func (d *Decoder) address(v *event.Value) {
	text := d.text()
	a, err := netip.ParseAddr(string(text))
	if d.err == nil && (err != nil || a.Zone() != "") {
		d.fail(fmt.Sprintf("address %.60q", text))
	}
	if d.err == nil {
		v.Addr = a.As16()
	}
}

func (d *Decoder) subnet(v *event.Value) {
	text := d.text()
	p, err := netip.ParsePrefix(string(text))
	if d.err == nil && err != nil {
		d.fail(fmt.Sprintf("subnet %.60q", text))
	}
	if d.err != nil {
		return
	}
	width := p.Bits()
	if p.Addr().Is4In6() { // the width is that of the 128 bits
		if width -= 96; width < 0 {
			d.fail(fmt.Sprintf("subnet %.60q", text))
			return
		}
	}
	v.Addr, v.Width = p.Addr().As16(), uint8(width)
}

func (d *Decoder) port(v *event.Value) {
	text := d.text()
	number, name, _ := bytes.Cut(text, []byte("/"))
	n, err := strconv.ParseUint(string(number), 10, 16)
	v.Bits = n
	for _, p := range protocols {
		if err == nil && p.name == string(name) {
			v.Proto = p.number
			return
		}
	}
	d.fail(fmt.Sprintf("port %.40q", text))
}

// joinTimes takes a time that is followed by the same one as an interval for
// one value. An interval of decades is nothing else.
func (d *Decoder) joinTimes(vs []event.Value) []event.Value {
	kept := vs[:0]
	for i := range vs {
		if n := len(kept); n > 0 && vs[i].Type == event.Interval && kept[n-1].Type == event.Time &&
			isSameTime(kept[n-1].Float(), vs[i].Float(), d.AnyZone) {
			kept[n-1].Bits = vs[i].Bits
			continue
		}
		kept = append(kept, vs[i])
	}
	return kept
}
