package wire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// sevenArgs is an event of the size that a sensor sends.
func sevenArgs() event.Event {
	return event.Event{
		Name: "sensor_sshd_conn_new",
		Time: 1126645547.75,
		Args: []event.Value{
			vFloat(event.Time, 1126645547.75), vString("login1_22"), vCount(1),
			vAddr("10.100.101.102"), vPort(4241, event.ProtoTCP),
			vAddr("2001:db8::1"), vPort(22, event.ProtoTCP),
		},
	}
}

func BenchmarkEncode(b *testing.B) {
	var enc Encoder
	var buf []byte
	ev := sevenArgs()
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = enc.AppendEvent(buf[:0], &ev)
	}
}

func BenchmarkDecode(b *testing.B) {
	ev := sevenArgs()
	msg, err := new(Encoder).AppendEvent(nil, &ev)
	require.NoError(b, err)
	payload := messages(b, msg)[0].payload[1:]
	dec := NewDecoder(DefaultLimits())
	b.ReportAllocs()
	for b.Loop() {
		if err := dec.Event(payload, &ev); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	ev := event.Event{Name: "e", Args: wantCompound(false)["b2c_record"]}
	ev.Args[0].TypeName = ""
	msg, err := new(Encoder).AppendEvent(nil, &ev)
	require.NoError(b, err)
	payload := messages(b, msg)[0].payload[1:]
	dec := NewDecoder(DefaultLimits())
	b.ReportAllocs()
	for b.Loop() {
		if err := dec.Event(payload, &ev); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	ev := sevenArgs()
	msg, err := new(Encoder).AppendEvent(nil, &ev)
	require.NoError(b, err)
	stream := bytes.NewReader(bytes.Repeat(msg, 1000))
	r := NewReader(stream, DefaultLimits())
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := r.Next(); err != nil {
			stream.Reset(bytes.Repeat(msg, 1000))
		}
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	ev := sevenArgs()
	var enc Encoder
	buf, err := enc.AppendEvent(nil, &ev)
	require.NoError(t, err)
	payload := messages(t, buf)[0].payload[1:]
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf, _ = enc.AppendEvent(buf[:0], &ev) }))

	var out event.Event
	dec := NewDecoder(DefaultLimits())
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = dec.Event(payload, &out) }))
	assert.Equal(t, ev.Args, out.Args)

	for name, args := range wantCompound(false) {
		msg, err := enc.AppendEvent(nil, &event.Event{Name: name, Args: args})
		require.NoError(t, err)
		payload := messages(t, msg)[0].payload[1:]
		assert.Zero(t, testing.AllocsPerRun(100, func() { _ = dec.Event(payload, &out) }), name)
	}
}
