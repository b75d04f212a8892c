package eventlog

import (
	"math"
	"net/netip"
	"strconv"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// truncated is the member, or the column, that says that something is missing.
const truncated = "_truncated"

// JSON is the Line of one JSON object.
//
// A value of one type is written in one way, whatever it is: numbers are numbers,
// of 64 bits in full, and null if JSON has none for them; times and intervals are
// seconds with microseconds; strings and enums are text as Zeek's JSON logs have
// it, ports "22/tcp", addresses and subnets text, patterns "/re/"; sets and
// vectors are lists, tables lists of objects with key and value, records objects,
// and so is a key of several values. What is not set is null.
func JSON(b []byte, ev *event.Event, peer Peer, names []string, max int) (_ []byte, cut bool) {
	from := len(b)
	end := from + limit(max)
	w := writer{b: b}
	if w.object(ev, peer, names, end-1) {
		return append(w.b, '}'), false
	}
	const mark = `,"` + truncated + `":true}`
	w = writer{b: w.b[:from], fair: true}
	w.object(ev, peer, names, end-len(mark))
	return append(w.b, mark...), true
}

// object appends the object of an event but for its last brace. If w is fair
// there is room for that much.
func (w *writer) object(ev *event.Event, peer Peer, names []string, end int) bool {
	w.b = append(w.b, `{"ts":`...)
	w.b = appendSeconds(w.b, ev.Time)
	w.b = append(w.b, `,"peer":`...)
	if !w.text(peer.Addr, w.share(end)) {
		return false
	}
	if peer.Host != "" {
		w.b = append(w.b, `,"host":`...)
		if !w.text(peer.Host, w.share(end)) {
			return false
		}
	}
	w.b = append(w.b, `,"event":`...)
	if !w.text(ev.Name, w.share(end)) {
		return false
	}
	w.b = append(w.b, `,"args":`...)
	return w.args(ev.Args, names, end)
}

// args appends the arguments, under their names if these are known, which differ.
func (w *writer) args(args []event.Value, names []string, end int) bool {
	if names == nil || len(names) != len(args) {
		return w.members(args, argNumber, true, end)
	}
	return w.members(args, func(i int) string { return names[i] }, true, end)
}

func argNumber(i int) string { return "arg" + strconv.Itoa(i+1) }

// value appends any value.
func (w *writer) value(v *event.Value, end int) bool {
	switch v.Type {
	case event.String, event.File, event.Func:
		return text(w, v.Bytes, end)
	case event.Record:
		return w.members(v.Elems, func(i int) string { return v.Elems[i].Field }, false, end)
	case event.List: // a key, of several values
		return w.members(v.Elems, strconv.Itoa, true, end)
	case event.Vector, event.Set:
		return w.list(len(v.Elems), func(i, end int) bool { return w.value(&v.Elems[i], end) }, end)
	case event.Table:
		return w.list(len(v.Elems)/2, func(i, end int) bool { return w.pair(v.Elems[2*i:2*i+2], end) }, end)
	case event.Pattern:
		return text(w, slashed(v.Bytes, end-len(w.b)), end)
	case event.Enum:
		return text(w, enumText(v), end)
	}
	from := len(w.b)
	w.b = appendScalar(w.b, v)
	return w.within(from, end)
}

// appendScalar appends a value whose length has a bound.
func appendScalar(b []byte, v *event.Value) []byte {
	switch v.Type {
	case event.Bool:
		return strconv.AppendBool(b, v.Bits != 0)
	case event.Int:
		return appendInt(b, v.Int64())
	case event.Count, event.Counter:
		return strconv.AppendUint(b, v.Bits, 10)
	case event.Double:
		return appendDouble(b, v.Float())
	case event.Time, event.Interval:
		return appendSeconds(b, v.Float())
	case event.Port:
		b = strconv.AppendUint(append(b, '"'), v.Bits, 10)
		return append(append(b, protoSuffix(v.Proto)...), '"')
	case event.Addr:
		return append(addr(v).AppendTo(append(b, '"')), '"')
	case event.Subnet:
		return append(netip.PrefixFrom(addr(v), int(v.Width)).AppendTo(append(b, '"')), '"')
	}
	return append(b, "null"...)
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// slashed returns a pattern, or the beginning of one that has no room anyway.
func slashed(re []byte, room int) []byte {
	re = re[:min(len(re), max(room, 0))]
	return append(append([]byte{'/'}, re...), '/')
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

// list appends n elements, and none behind one that was cut.
func (w *writer) list(n int, element func(i, end int) bool, end int) bool {
	if end-len(w.b) < len("[]") {
		return false
	}
	w.b = append(w.b, '[')
	end--
	before := w.cut
	w.cut = false
	for i := 0; i < n && !w.cut; i++ {
		from := len(w.b)
		if i > 0 {
			w.b = append(w.b, ',')
		}
		if !element(i, w.share(end)) {
			w.b = w.b[:from]
			if !w.fair {
				return false
			}
			w.cut = true
		}
	}
	w.cut = w.cut || before
	w.b = append(w.b, ']')
	return true
}

// pair appends a key and a value of a table.
func (w *writer) pair(kv []event.Value, end int) bool {
	w.b = append(w.b, `{"key":`...)
	if !w.value(&kv[0], w.share(end)) {
		return false
	}
	w.b = append(w.b, `,"value":`...)
	if !w.value(&kv[1], end-1) {
		return false
	}
	w.b = append(w.b, '}')
	return true
}

// members appends an object. What has no name goes by its number. No two members
// have the same name, since readers would take one of them, or none; sure says
// that their names differ.
func (w *writer) members(vs []event.Value, name func(int) string, sure bool, end int) bool {
	if end-len(w.b) < len("{}") {
		return false
	}
	w.b = append(w.b, '{')
	end--
	var taken map[string]int
	if !sure && !distinct(len(vs), name) {
		taken = make(map[string]int, len(vs))
	}
	first := true
	for i := range vs {
		from := len(w.b)
		if !first {
			w.b = append(w.b, ',')
		}
		if w.key(i, name, taken, w.share(end)) && w.value(&vs[i], w.share(end)) {
			first = false
			continue
		}
		w.b = w.b[:from]
		if !w.fair {
			return false
		}
		w.cut = true
		if end-len(w.b) < len(`,"x":0`) {
			break
		}
	}
	w.b = append(w.b, '}')
	return true
}

// key appends the name of a member and a colon: the whole name, or none. taken has
// the names that there are, and the number behind which none of each is free.
func (w *writer) key(i int, name func(int) string, taken map[string]int, end int) bool {
	from := len(w.b)
	s := name(i)
	if s == "" {
		s = strconv.Itoa(i)
	}
	fair := w.fair
	w.fair = false
	fits := w.text(s, end-1)
	w.fair = fair
	if !fits {
		return false
	}
	if taken != nil {
		w.free(from, taken)
	}
	w.b = append(w.b, ':')
	return w.within(from, end)
}

// free puts a number behind the name that stands from from on, if it is taken, and
// takes it.
func (w *writer) free(from int, taken map[string]int) {
	stem := string(w.b[from : len(w.b)-1])
	n, there := taken[stem]
	for there {
		n++
		w.b = append(append(w.b[:from], stem...), '_')
		w.b = append(strconv.AppendInt(w.b, int64(n), 10), '"')
		taken[stem] = n
		_, there = taken[string(w.b[from:len(w.b)-1])]
	}
	taken[string(w.b[from:len(w.b)-1])] = 1
}

// fewNames are compared with each other.
const fewNames = 32

// distinct reports whether names are as different on the line as they are here,
// as far as that can be told at once.
func distinct(n int, name func(int) string) bool {
	if n > fewNames {
		return false
	}
	for i := range n {
		a := name(i)
		if !isPlain(a) {
			return false
		}
		for j := range i {
			if name(j) == a {
				return false
			}
		}
	}
	return true
}

// isPlain reports whether a name is one as scripts have them: those are not
// changed when they are written, and are no numbers.
func isPlain(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && c != ':' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
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

// appendDouble appends a double so that it reads back the same, and so that it is
// none of a whole number to readers that guess; JSON has no infinities, they are
// null.
func appendDouble(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	from := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	for _, c := range b[from:] {
		if c == '.' || c == 'e' {
			return b
		}
	}
	return append(b, ".0"...)
}
