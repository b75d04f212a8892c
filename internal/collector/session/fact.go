package session

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// prefix is what the names of all events begin with that are looked at.
const prefix = "sensor_sshd_"

// kind is what a fact says.
type kind uint8

// The kinds. They stand in journals: a new one goes to the end.
const (
	unknown kind = iota
	listening
	restarted
	exited
	connNew
	connEnd
	authOK
	authFailed
	authTimeout
	channelNew
	forwarded
	dataOut
	dataIn
	executed
	channelExit
	authDetail
	client
	forwardAsked
	sftp
	process
	dataCut
	heartbeat
	sensorRestarted
	eventsLost
	channelGone

	// What is not told by a sensor but decided here.

	from      // who has told what follows, and when that came
	ended     // the record of a connection is closed
	told      // a line was written of a connection that goes on
	forgotten // a sensor is
)

// shape is what an event has behind ts and sid, by a letter for each: c the connection,
// n a number, i one with a sign, s a text, l a text of which only the length counts, x one that is left
// out, a an address, p a port, b yes or no, t a time or an interval.
type shape struct {
	kind kind
	args string
}

// shapes returns those of the events that say something of a connection or a sensor.
func shapes() map[string]shape {
	return map[string]shape{
		"listen":              {listening, "ap"},
		"restart":             {restarted, ""},
		"exit":                {exited, ""},
		"conn_new":            {connNew, "capap"},
		"conn_end":            {connEnd, "c"},
		"auth_ok":             {authOK, "csii"},
		"auth_failed":         {authFailed, "cs"},
		"auth_timeout":        {authTimeout, "c"},
		"channel_new_session": {channelNew, "cns"},
		"channel_new_forward": {forwarded, "cnapapb"},
		"channel_cleanup":     {channelGone, "cn"},
		"data_rx":             {dataOut, "cnl"},
		"data_tx":             {dataIn, "cnl"},
		"exec":                {executed, "cns"},
		"channel_exit":        {channelExit, "cni"},
		"auth_detail":         {authDetail, "csssbsssns"},
		"client":              {client, "csxxxxxxx"},
		"forward_request":     {forwardAsked, "cssspb"},
		"sftp":                {sftp, "cnsxxnnn"},
		"process":             {process, "cnnnnb"},
		"data_cut":            {dataCut, "cnssnn"},
		"heartbeat":           {heartbeat, "tnnn"},
		"sensor_restart":      {sensorRestarted, "sn"},
		"lost":                {eventsLost, "nt"},
	}
}

// text is a string of a fact. It holds as long as the fact.
type text struct {
	bytes []byte
	cut   bool
}

// fact is an event in the form that is kept, or a decision.
type fact struct {
	kind  kind
	hash  uint64 // of all that the event said
	ts    float64
	sid   []byte
	cid   uint64
	nums  []uint64 // numbers, ports, and what is yes or no, as they come
	texts []text
	addrs []netip.Addr
}

const (
	// maxText is how much of a text is kept.
	maxText = 1024
	maxSid  = 256
	// maxTime is beyond all times that there are.
	maxTime = 1e11
)

// encoder makes facts of events.
type encoder struct {
	shapes map[string]shape
}

// event appends the fact that an event is: its size, and the rest of it. What is no
// event of a sensor, or has other types than that, appends nothing.
func (e *encoder) event(b []byte, ev *event.Event) []byte {
	name, ok := strings.CutPrefix(ev.Name, prefix)
	if !ok {
		return b
	}
	s, ok := e.shapes[name]
	if !ok || len(ev.Args) != len(s.args)+2 {
		return b
	}
	ts, sid := &ev.Args[0], &ev.Args[1]
	if ts.Type != event.Time || !(math.Abs(ts.Float()) < maxTime) || sid.Type != event.String {
		return b
	}
	f := fact{kind: s.kind, hash: hashOf(ev), ts: ts.Float(), sid: sid.Bytes[:min(len(sid.Bytes), maxSid)]}
	start := len(b)
	b = f.appendHead(append(b, 0, 0, 0, 0))
	for i, letter := range []byte(s.args) {
		if b, ok = appendArg(b, letter, &ev.Args[i+2]); !ok {
			return b[:start]
		}
	}
	return sized(b, start)
}

// hashOf tells events apart. It is the same in every run.
func hashOf(ev *event.Event) uint64 {
	h := mixBytes(0, ev.Name)
	for i := range ev.Args {
		v := &ev.Args[i]
		h = mix(h, v.Bits)
		if v.Type == event.Addr {
			h = mixBytes(h, v.Addr[:])
		}
		if v.Type == event.String {
			h = mixBytes(h, v.Bytes)
		}
	}
	return h
}

// mix is a step of FNV, of eight bytes at a time: it takes all of a long event.
func mix(h, n uint64) uint64 {
	const prime = 0x100000001b3
	h = (h ^ n) * prime
	return h ^ h>>29
}

func mixBytes[T string | []byte](h uint64, s T) uint64 {
	h = mix(h, uint64(len(s)))
	for ; len(s) >= 8; s = s[8:] {
		h = mix(h, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
	}
	for i := range len(s) {
		h = mix(h, uint64(s[i]))
	}
	return h
}

func (f *fact) appendHead(b []byte) []byte {
	b = append(b, byte(f.kind))
	b = binary.LittleEndian.AppendUint64(b, f.hash)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f.ts))
	return appendBytes(b, f.sid)
}

func appendArg(b []byte, letter byte, v *event.Value) (_ []byte, ok bool) {
	switch letter {
	case 'c', 'n':
		return appendTagged(b, 'n', v.Bits), v.Type == event.Count || v.Type == event.Counter
	case 'i':
		return appendTagged(b, 'n', v.Bits), v.Type == event.Int
	case 'b':
		return appendTagged(b, 'n', v.Bits), v.Type == event.Bool
	case 'p':
		return appendTagged(b, 'n', v.Bits), v.Type == event.Port
	case 't':
		return b, v.Type == event.Time || v.Type == event.Interval
	case 'x':
		return b, v.Type == event.String
	case 'l':
		return appendTagged(b, 'n', uint64(len(v.Bytes))), v.Type == event.String
	case 'a':
		return append(append(b, 'a'), v.Addr[:]...), v.Type == event.Addr
	}
	return appendText(b, v.Bytes), v.Type == event.String
}

func appendTagged(b []byte, tag byte, n uint64) []byte {
	return binary.AppendUvarint(append(b, tag), n)
}

func appendBytes(b, s []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendText appends the beginning of a text, and whether that is all of it.
func appendText(b, s []byte) []byte {
	tag := byte('s')
	if len(s) > maxText {
		s, tag = s[:wholeRunes(s[:maxText])], 'S'
	}
	return appendBytes(append(b, tag), s)
}

// wholeRunes returns how much of s ends with a whole character, if it is text.
func wholeRunes(s []byte) int {
	for back := 1; back < utf8.UTFMax && back < len(s); back++ {
		if c := s[len(s)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(s[len(s)-back:]) {
				return len(s) - back
			}
			break
		}
	}
	return len(s)
}

// sized puts the size of a fact into the room before it.
func sized(b []byte, start int) []byte {
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-sizeOfSize))
	return b
}

const sizeOfSize = 4

// encode appends a fact of our own.
func (f *fact) encode(b []byte) []byte {
	start := len(b)
	b = f.appendHead(append(b, 0, 0, 0, 0))
	for _, n := range f.nums {
		b = appendTagged(b, 'n', n)
	}
	for _, s := range f.texts {
		b = appendText(b, s.bytes)
	}
	return sized(b, start)
}

// next decodes the fact that b begins with, and returns it as it is and what is behind
// it. What makes no sense is of no kind.
func (f *fact) next(b []byte) (raw, rest []byte) {
	if len(b) < sizeOfSize || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-sizeOfSize) {
		f.kind = unknown
		return nil, nil
	}
	n := sizeOfSize + int(binary.LittleEndian.Uint32(b))
	raw, rest = b[:n], b[n:]
	if !f.decode(raw[sizeOfSize:]) {
		f.kind = unknown
	}
	return raw, rest
}

func (f *fact) decode(b []byte) bool {
	f.nums, f.texts, f.addrs = f.nums[:0], f.texts[:0], f.addrs[:0]
	if len(b) < 17 {
		return false
	}
	f.kind, f.hash = kind(b[0]), binary.LittleEndian.Uint64(b[1:])
	f.ts = math.Float64frombits(binary.LittleEndian.Uint64(b[9:]))
	var ok bool
	if f.sid, b, ok = takeBytes(b[17:]); !ok {
		return false
	}
	for len(b) > 0 && ok {
		b, ok = f.arg(b[0], b[1:])
	}
	if f.cid = 0; f.kind.ofConnection() && len(f.nums) > 0 {
		f.cid = f.nums[0]
	}
	return ok
}

func (f *fact) arg(tag byte, b []byte) (rest []byte, ok bool) {
	switch tag {
	case 'n':
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, false
		}
		f.nums = append(f.nums, n)
		return b[size:], true
	case 'a':
		if len(b) < 16 {
			return nil, false
		}
		f.addrs = append(f.addrs, netip.AddrFrom16([16]byte(b)).Unmap())
		return b[16:], true
	case 's', 'S':
		s, rest, ok := takeBytes(b)
		f.texts = append(f.texts, text{s, tag == 'S'})
		return rest, ok
	}
	return nil, false
}

func takeBytes(b []byte) (s, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}

// fits reports whether a fact has what its kind has.
func (e *encoder) fits(f *fact) bool {
	has := map[byte]int{'n': len(f.nums), 's': len(f.texts), 'a': len(f.addrs)}
	for _, letter := range []byte(e.argsOf(f.kind)) {
		switch letter {
		case 'c', 'n', 'i', 'p', 'b', 'l':
			has['n']--
		case 's', 'a':
			has[letter]--
		}
	}
	return has['n'] >= 0 && has['s'] >= 0 && has['a'] >= 0
}

func (e *encoder) argsOf(k kind) string {
	switch k {
	case from:
		return "sss"
	case ended:
		return "cn"
	case told:
		return "c"
	}
	for _, s := range e.shapes {
		if s.kind == k {
			return s.args
		}
	}
	return ""
}

// ofConnection reports whether a fact is about one connection.
func (k kind) ofConnection() bool {
	switch k {
	case listening, restarted, exited, heartbeat, sensorRestarted, eventsLost, from, forgotten, unknown:
		return false
	}
	return true
}
