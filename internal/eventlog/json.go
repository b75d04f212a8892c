package eventlog

import (
	"encoding/base64"
	"math"
	"net/netip"
	"strconv"
	"unicode/utf8"

	"romanesco/internal/event"
)

// JSON is the Line of one JSON object.
//
// Types stay apart: ports are "22/tcp", addresses and subnets text, times and
// intervals seconds with microseconds, patterns "/re/", enums an object of
// their type and number, or of their name where a Zeek sent them, tables a list of pairs, what is not set null.
// Numbers of 64 bits are written in full. Strings that are no UTF-8 are an
// object {"base64": ...}.
func JSON(b []byte, ev *event.Event, peer string, names []string) []byte {
	b = append(b, `{"ts":`...)
	b = appendSeconds(b, ev.Time)
	b = append(b, `,"peer":`...)
	b = AppendText(b, peer)
	b = append(b, `,"event":`...)
	b = AppendText(b, ev.Name)
	b = appendArgs(append(b, `,"args":`...), ev.Args, names)
	return append(b, '}')
}

// appendArgs appends the arguments: an object if their names are known.
func appendArgs(b []byte, args []event.Value, names []string) []byte {
	if names == nil || len(names) != len(args) {
		return appendList(b, args)
	}
	b = append(b, '{')
	for i := range args {
		b = appendComma(b, i)
		b = AppendText(b, names[i])
		b = append(b, ':')
		b = appendValue(b, &args[i])
	}
	return append(b, '}')
}

func appendComma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

func appendList(b []byte, vs []event.Value) []byte {
	b = append(b, '[')
	for i := range vs {
		b = appendValue(appendComma(b, i), &vs[i])
	}
	return append(b, ']')
}

func appendValue(b []byte, v *event.Value) []byte {
	switch v.Type {
	case event.Bool:
		return strconv.AppendBool(b, v.Bits != 0)
	case event.Int:
		return strconv.AppendInt(b, v.Int64(), 10)
	case event.Count, event.Counter:
		return strconv.AppendUint(b, v.Bits, 10)
	case event.Double:
		return appendDouble(b, v.Float())
	case event.Time, event.Interval:
		return appendSeconds(b, v.Float())
	case event.String, event.File, event.Func:
		return appendBytes(b, v.Bytes)
	case event.Pattern:
		return AppendText(b, "/"+string(v.Bytes)+"/")
	case event.Enum:
		if len(v.Bytes) > 0 { // of a Zeek, which sends no numbers
			return append(appendBytes(append(b, `{"name":`...), v.Bytes), '}')
		}
		b = AppendText(append(b, `{"enum":`...), v.TypeName)
		b = strconv.AppendInt(append(b, `,"value":`...), v.Int64(), 10)
		return append(b, '}')
	case event.Port:
		b = strconv.AppendUint(append(b, '"'), v.Bits, 10)
		return append(append(b, protoSuffix(v.Proto)...), '"')
	case event.Addr:
		b = addr(v).AppendTo(append(b, '"'))
		return append(b, '"')
	case event.Subnet:
		b = netip.PrefixFrom(addr(v), int(v.Width)).AppendTo(append(b, '"'))
		return append(b, '"')
	case event.Record:
		return appendRecord(b, v.Elems)
	case event.Vector, event.List, event.Set:
		return appendList(b, v.Elems)
	case event.Table:
		return appendTable(b, v.Elems)
	}
	return append(b, "null"...)
}

func protoSuffix(proto uint8) string {
	switch proto {
	case event.ProtoTCP:
		return "/tcp"
	case event.ProtoUDP:
		return "/udp"
	case event.ProtoICMP:
		return "/icmp"
	}
	return "/unknown"
}

func addr(v *event.Value) netip.Addr { return netip.AddrFrom16(v.Addr).Unmap() }

func appendRecord(b []byte, fields []event.Value) []byte {
	b = append(b, '{')
	for i := range fields {
		b = appendComma(b, i)
		if name := fields[i].Field; name != "" {
			b = AppendText(b, name)
		} else {
			b = strconv.AppendInt(append(b, '"'), int64(i), 10)
			b = append(b, '"')
		}
		b = appendValue(append(b, ':'), &fields[i])
	}
	return append(b, '}')
}

func appendTable(b []byte, elems []event.Value) []byte {
	b = append(b, '[')
	for i := 0; i+1 < len(elems); i += 2 {
		b = appendList(appendComma(b, i), elems[i:i+2])
	}
	return append(b, ']')
}

// appendSeconds appends seconds with microseconds.
func appendSeconds(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	if us := math.Round(f * 1e6); math.Abs(us) < 1<<62 {
		if us < 0 {
			b, us = append(b, '-'), -us
		}
		n := uint64(us)
		b = strconv.AppendUint(b, n/1e6, 10)
		b = append(b, '.')
		for div := uint64(100_000); div > 0; div /= 10 {
			b = append(b, '0'+byte(n/div%10))
		}
		return b
	}
	return strconv.AppendFloat(b, f, 'f', 6, 64)
}

// appendDouble appends a double so that it reads back the same; JSON has no
// infinities, they are null.
func appendDouble(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

func appendBytes(b, s []byte) []byte {
	if utf8.Valid(s) {
		return AppendText(b, s)
	}
	b = base64.StdEncoding.AppendEncode(append(b, `{"base64":"`...), s)
	return append(b, `"}`...)
}

const hex = "0123456789abcdef"

// AppendText appends a JSON string; a terminal that shows the line sees no
// control characters. What is no UTF-8 in a name becomes U+FFFD.
func AppendText[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < 0x7f {
			continue
		}
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))])); r != utf8.RuneError || n > 1 {
				i += n - 1
				continue
			}
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			if c >= utf8.RuneSelf {
				b = append(b, `\ufffd`...)
				continue
			}
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}
