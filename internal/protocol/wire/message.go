package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
)

const (
	// ProtocolVersion and DataFormatVersion are those of Bro 2.5. A peer with
	// another protocol is of no use; one whose data format is 0 says that it
	// does not care.
	ProtocolVersion   = 7
	DataFormatVersion = 26
	// CacheSize is what libbroccoli announces: the number of objects that it
	// would refer back to if it ever did.
	CacheSize = 1000
)

// Version opens a connection, from both sides.
type Version struct {
	Protocol   uint32
	CacheSize  uint32 // what the sender will remember of what it sends
	DataFormat uint32
	Runtime    uint32 // seconds that the sender has been up
	// Class groups connections: a Bro requests events only from a peer whose
	// class is the one that it has configured.
	Class string
}

// AppendTo appends the whole message. Without a class it ends where
// libbroccoli ends it; Bro sends an empty class.
func (v *Version) AppendTo(dst []byte) []byte {
	dst, at := beginPayload(appendHeader(dst, MsgVersion))
	for _, n := range [...]uint32{v.Protocol, v.CacheSize, v.DataFormat, v.Runtime} {
		dst = binary.BigEndian.AppendUint32(dst, n)
	}
	if class := cutNUL(v.Class); class != "" {
		dst = append(append(dst, class...), 0)
	}
	return endPayload(dst, at, true)
}

// Decode reads the payload of a VERSION.
func (v *Version) Decode(payload []byte) error {
	const fixed = 16
	if len(payload) < fixed {
		return short(MsgVersion, payload, fixed)
	}
	*v = Version{
		Protocol:   binary.BigEndian.Uint32(payload),
		CacheSize:  binary.BigEndian.Uint32(payload[4:]),
		DataFormat: binary.BigEndian.Uint32(payload[8:]),
		Runtime:    binary.BigEndian.Uint32(payload[12:]),
		Class:      cutNUL(string(payload[fixed:])),
	}
	return nil
}

// Request names the events that its sender wants.
type Request struct{ Events []string }

// AppendTo appends the whole message, or nothing when there are no events.
func (r *Request) AppendTo(dst []byte) []byte { return r.appendTo(dst, false) }

func (r *Request) appendTo(dst []byte, whole bool) []byte {
	if len(r.Events) == 0 {
		return dst
	}
	dst, at := beginPayload(appendHeader(dst, MsgRequest))
	for _, name := range r.Events {
		dst = append(append(dst, cutNUL(name)...), 0)
	}
	return endPayload(dst, at, whole)
}

// Decode reads the payload of a REQUEST. Events is reused.
func (r *Request) Decode(payload []byte) error {
	r.Events = r.Events[:0]
	for name, err := range RequestNames(payload) {
		if err != nil {
			return err
		}
		r.Events = append(r.Events, string(name))
	}
	return nil
}

// RequestNames yields the names in the payload of a REQUEST, which they alias:
// there may be millions, and who reads them need not keep them.
func RequestNames(payload []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(payload) > 0 {
			name, rest, found := bytes.Cut(payload, []byte{0})
			if !found {
				yield(nil, fmt.Errorf("%w: REQUEST: the last name is not terminated", ErrMalformed))
				return
			}
			if len(name) > 0 && !yield(name, nil) {
				return
			}
			payload = rest
		}
	}
}

// Capabilities, the Flags of Caps.
const (
	CapCompress         = 1
	CapDontCache        = 2 // do not refer back to objects sent earlier
	Cap64BitIDs         = 4
	CapNewCacheStrategy = 8
	CapBroccoli         = 16 // the sender is not a whole Bro
)

// Caps says what its sender can do. This package reads 32-bit object ids, so
// we must never announce Cap64BitIDs; with CapBroccoli a Bro also leaves out
// the expressions of attributes.
type Caps struct{ Flags uint32 }

// AppendTo appends the whole message.
func (c *Caps) AppendTo(dst []byte) []byte {
	dst, at := beginPayload(appendHeader(dst, MsgCaps))
	dst = binary.BigEndian.AppendUint32(dst, c.Flags)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0) // two words are reserved
	return endPayload(dst, at, true)
}

// Decode reads the payload of a CAPS.
func (c *Caps) Decode(payload []byte) error {
	const size = 12
	if len(payload) < size {
		return short(MsgCaps, payload, size)
	}
	c.Flags = binary.BigEndian.Uint32(payload)
	return nil
}

// RequestSync asks the peer to synchronize state.
type RequestSync struct {
	// Authoritative says that the sender's state is the one that counts.
	Authoritative bool
}

// AppendTo appends the whole message.
func (r *RequestSync) AppendTo(dst []byte) []byte {
	dst, at := beginPayload(appendHeader(dst, MsgRequestSync))
	return endPayload(appendBool(append(dst, 0, 0, 0), r.Authoritative), at, true)
}

// Decode reads the payload of a REQUEST_SYNC.
func (r *RequestSync) Decode(payload []byte) error {
	const size = 4
	if len(payload) < size {
		return short(MsgRequestSync, payload, size)
	}
	r.Authoritative = binary.BigEndian.Uint32(payload) != 0
	return nil
}

// CaptureFilter asks the peer to capture the packets that a filter matches.
type CaptureFilter struct{ Filter string }

// AppendTo appends the whole message.
func (f *CaptureFilter) AppendTo(dst []byte) []byte {
	dst, at := beginPayload(appendHeader(dst, MsgCaptureFilter))
	return endPayload(append(append(dst, cutNUL(f.Filter)...), 0), at, true)
}

// Decode reads the payload of a CAPTURE_FILTER.
func (f *CaptureFilter) Decode(payload []byte) error {
	f.Filter = cutNUL(string(payload))
	return nil
}

// PhaseDone ends a phase of the handshake. It has no payload.
type PhaseDone struct{}

// AppendTo appends the whole message.
func (PhaseDone) AppendTo(dst []byte) []byte { return appendHeader(dst, MsgPhaseDone) }

// Ping asks for a Pong. The times are those that Bro takes of its own round
// trips; a Pong brings back what the Ping had.
type Ping struct {
	Seq   uint32
	Times [3]float64
}

// Pong answers a Ping, in the order of what came before it.
type Pong Ping

// AppendTo appends the whole message.
func (p *Ping) AppendTo(dst []byte) []byte { return p.appendTo(dst, MsgPing) }

// AppendTo appends the whole message.
func (p *Pong) AppendTo(dst []byte) []byte { return (*Ping)(p).appendTo(dst, MsgPong) }

func (p *Ping) appendTo(dst []byte, t MsgType) []byte {
	dst, at := beginPayload(appendHeader(dst, t))
	dst = binary.BigEndian.AppendUint32(dst, p.Seq)
	dst = append(dst, 0, 0, 0, 0) // Bro sends a C struct, padding and all
	for _, f := range p.Times {
		dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
	}
	return endPayload(dst, at, true)
}

// Decode reads the payload of a PING.
func (p *Ping) Decode(payload []byte) error { return p.decode(MsgPing, payload) }

// Decode reads the payload of a PONG.
func (p *Pong) Decode(payload []byte) error { return (*Ping)(p).decode(MsgPong, payload) }

func (p *Ping) decode(t MsgType, payload []byte) error {
	const size = 32
	if len(payload) < size {
		return short(t, payload, size)
	}
	p.Seq = binary.BigEndian.Uint32(payload)
	for i := range p.Times {
		p.Times[i] = math.Float64frombits(binary.BigEndian.Uint64(payload[8+8*i:]))
	}
	return nil
}

func short(t MsgType, payload []byte, want int) error {
	return fmt.Errorf("%w: %v of %d bytes, at least %d", ErrMalformed, t, len(payload), want)
}

// cutNUL ends s where C would.
func cutNUL(s string) string {
	for i := range len(s) {
		if s[i] == 0 {
			return s[:i]
		}
	}
	return s
}
