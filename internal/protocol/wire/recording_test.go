package wire

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

const vectorDir = "../../../testdata/vectors"

var recordings = []string{
	"ping", "ping-record", "enum", "vectors", "v6addrs", "sensor-sshd",
	"compound", "compound-cache",
}

func recording(t testing.TB, folder, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, folder, file))
	require.NoError(t, err)
	return b
}

type message struct {
	typ     MsgType
	payload []byte
}

func messages(t testing.TB, stream []byte) []message {
	t.Helper()
	var out []message
	for r := NewReader(bytes.NewReader(stream), DefaultLimits()); ; {
		typ, payload, err := r.Next()
		if err == io.EOF {
			require.Zero(t, r.Buffered())
			return out
		}
		require.NoError(t, err)
		out = append(out, message{typ, bytes.Clone(payload)})
	}
}

// session is all that one side of a recording said.
type session struct {
	types   []MsgType
	version Version
	request []string
	caps    []uint32
	ids     []ID
	events  []event.Event
	again   []byte // encoded again from what was decoded
}

func decodeSession(t testing.TB, stream []byte) session {
	t.Helper()
	var s session
	var enc Encoder
	dec := NewDecoder(DefaultLimits())
	for _, m := range messages(t, stream) {
		s.types = append(s.types, m.typ)
		switch m.typ {
		case MsgVersion:
			require.NoError(t, s.version.Decode(m.payload))
			s.again = s.version.AppendTo(s.again)
		case MsgRequest:
			var r Request
			require.NoError(t, r.Decode(m.payload))
			s.request = r.Events
			s.again = r.AppendTo(s.again)
		case MsgCaps:
			var c Caps
			require.NoError(t, c.Decode(m.payload))
			s.caps = append(s.caps, c.Flags)
			s.again = c.AppendTo(s.again)
		case MsgPhaseDone:
			s.again = PhaseDone{}.AppendTo(s.again)
		case MsgSerial:
			s.serial(t, &enc, dec, m.payload)
		default:
			t.Fatalf("%v in a recording", m.typ)
		}
	}
	return s
}

func (s *session) serial(t testing.TB, enc *Encoder, dec *Decoder, payload []byte) {
	t.Helper()
	switch payload[0] {
	case SerialID:
		id, err := dec.ID(payload[1:])
		require.NoError(t, err)
		s.ids = append(s.ids, id)
	case SerialEvent:
		var ev event.Event
		require.NoError(t, dec.Event(payload[1:], &ev))
		require.Equal(t, payload[1:], ev.Raw)
		ev.Args = cloneValues(ev.Args)
		s.events = append(s.events, ev)
		raw := enc.AppendRawEvent(nil, ev.Raw)
		out, err := enc.AppendEvent(s.again, &ev)
		if !errors.Is(err, ErrUnencodable) {
			require.NoError(t, err)
			require.Equal(t, AppendRawEvent(nil, ev.Raw), raw)
		}
		s.again = out
	default:
		t.Fatalf("serialization of kind %q", payload[0])
	}
}

// cloneValues copies values that are overwritten with the next event.
func cloneValues(vs []event.Value) []event.Value {
	if vs == nil {
		return nil
	}
	out := make([]event.Value, len(vs))
	for i, v := range vs {
		v.Bytes, v.Elems = bytes.Clone(v.Bytes), cloneValues(v.Elems)
		out[i] = v
	}
	return out
}

// Values as tests write them down.

func vBool(b bool) event.Value {
	v := event.Value{Type: event.Bool}
	if b {
		v.Bits = 1
	}
	return v
}

func vInt(i int64) event.Value      { return event.Value{Type: event.Int, Bits: uint64(i)} }
func vCount(n uint64) event.Value   { return event.Value{Type: event.Count, Bits: n} }
func vString(s string) event.Value  { return event.Value{Type: event.String, Bytes: []byte(s)} }
func vPattern(s string) event.Value { return event.Value{Type: event.Pattern, Bytes: []byte(s)} }

func vFloat(typ event.Type, f float64) event.Value {
	return event.Value{Type: typ, Bits: floatBits(f)}
}

func vPort(n uint64, proto uint8) event.Value {
	return event.Value{Type: event.Port, Bits: n, Proto: proto}
}

func vAddr(s string) event.Value {
	return event.Value{Type: event.Addr, Addr: netip.MustParseAddr(s).As16()}
}

func vSubnet(s string) event.Value {
	p := netip.MustParsePrefix(s)
	return event.Value{Type: event.Subnet, Addr: p.Addr().As16(), Width: uint8(p.Bits())}
}

func vEnum(name string, n uint64) event.Value {
	return event.Value{Type: event.Enum, TypeName: name, Bits: n}
}

func vMany(typ event.Type, elems ...event.Value) event.Value {
	return event.Value{Type: typ, Elems: elems}
}

func named(field string, v event.Value) event.Value {
	v.Field = field
	return v
}

func TestChunksOfRecordings(t *testing.T) {
	for _, folder := range recordings {
		for _, file := range []string{"client.bin", "server.bin"} {
			b := recording(t, folder, file)
			r := NewReader(bytes.NewReader(b), DefaultLimits())
			var err error
			for err == nil {
				_, _, err = r.Next()
			}
			require.ErrorIs(t, err, io.EOF)
			require.EqualValues(t, Chunks(b), r.Chunks(), "%s/%s", folder, file)
			require.Greater(t, r.Chunks(), uint64(4))
		}
	}
	require.Equal(t, 2, Chunks([]byte{0, 0, 0, 1, 7, 0xff, 0xff, 0xff, 0xff, 7}), "cut off")
}
