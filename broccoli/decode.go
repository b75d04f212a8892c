package broccoli

import (
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// fromEvent returns what has come, which has nothing of the decoder's.
func fromEvent(ev *event.Event) *Event {
	return &Event{Name: strings.Clone(ev.Name), Time: timeOf(ev.Time), Args: fromValues(ev.Args)}
}

func fromValues(vs []event.Value) []any {
	out := make([]any, len(vs))
	for i := range vs {
		out[i] = fromValue(&vs[i])
	}
	return out
}

// fromValue returns what a value is in Go, nil if it is not set.
func fromValue(v *event.Value) any {
	switch v.Type {
	case event.Bool:
		return v.Bits != 0
	case event.Int:
		return v.Int64()
	case event.Count, event.Counter:
		return v.Bits
	case event.Double:
		return v.Float()
	case event.Time:
		return timeOf(v.Float())
	case event.Interval:
		return durationOf(v.Float())
	case event.String, event.Func, event.File:
		return string(v.Bytes)
	case event.Pattern:
		return Pattern(v.Bytes)
	case event.Enum:
		return Enum{Type: strings.Clone(v.TypeName), Number: v.Int64(), Name: string(v.Bytes)}
	case event.Port:
		return Port{Number: uint16(v.Bits), Proto: Proto(v.Proto)}
	case event.Addr:
		return addrOf(v)
	case event.Subnet:
		return netip.PrefixFrom(addrOf(v), int(v.Width))
	case event.Record:
		r := Record{Type: strings.Clone(v.TypeName), Fields: make([]Field, len(v.Elems))}
		for i := range v.Elems {
			r.Fields[i] = Field{strings.Clone(v.Elems[i].Field), fromValue(&v.Elems[i])}
		}
		return r
	case event.Vector:
		return fromValues(v.Elems)
	case event.List:
		return Index(fromValues(v.Elems))
	case event.Set:
		return Set(fromValues(v.Elems))
	case event.Table:
		t := make(Table, 0, len(v.Elems)/2)
		for i := 0; i+1 < len(v.Elems); i += 2 {
			t = append(t, Entry{fromValue(&v.Elems[i]), fromValue(&v.Elems[i+1])})
		}
		return t
	}
	return nil
}

func addrOf(v *event.Value) netip.Addr { return netip.AddrFrom16(v.Addr).Unmap() }

// timeOf returns a time that came in seconds, to the microsecond: a double has no more
// of times of today. What no time can be is the zero Time.
func timeOf(s float64) time.Time {
	if math.IsNaN(s) || math.Abs(s) > 1<<40 {
		return time.Time{}
	}
	whole, part := math.Modf(s)
	return time.Unix(int64(whole), int64(math.Round(part*1e6))*1000)
}

// durationOf returns an interval, cut to what a Duration can be.
func durationOf(s float64) time.Duration {
	switch ns := math.Round(s * 1e9); {
	case math.IsNaN(ns):
		return 0
	case ns >= math.MaxInt64:
		return math.MaxInt64
	case ns <= math.MinInt64:
		return math.MinInt64
	default:
		return time.Duration(ns)
	}
}
