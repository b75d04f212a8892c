package wire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// fuzzLimits are small, so that bounds are reached.
var fuzzLimits = Limits{MaxChunk: 1 << 16, MaxElems: 1 << 10, MaxBytes: 1 << 16, MaxCache: 64, MaxCacheBytes: 1 << 16}

// seed adds the payloads of one type of message from all recordings.
func seed(f *testing.F, typ MsgType) {
	for _, folder := range recordings {
		for _, file := range []string{"client.bin", "server.bin"} {
			for _, m := range messages(f, recording(f, folder, file)) {
				if m.typ == typ {
					f.Add(m.payload)
				}
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, folder := range recordings {
		f.Add(recording(f, folder, "client.bin"))
		f.Add(recording(f, folder, "server.bin"))
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\n"))
	f.Add(join((&Version{}).AppendTo(nil), header(MsgSerial), []byte{0x80, 0, 0, 1, 'e', 0, 0, 0, 1, 'x'}))
	f.Fuzz(func(t *testing.T, stream []byte) {
		got, err := readAll(NewReader(bytes.NewReader(stream), fuzzLimits))
		require.Error(t, err)
		size := 0
		for _, m := range got {
			size += len(m.payload)
			require.LessOrEqual(t, len(m.payload), fuzzLimits.MaxChunk)
		}
		require.LessOrEqual(t, size+len(got)*(lengthSize+headerSize), len(stream))
	})
}

func FuzzVersion(f *testing.F) {
	seed(f, MsgVersion)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var v, again Version
		if v.Decode(payload) != nil {
			return
		}
		require.NoError(t, again.Decode(messages(t, v.AppendTo(nil))[0].payload))
		assert.Equal(t, v, again)
	})
}

func FuzzRequest(f *testing.F) {
	seed(f, MsgRequest)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var r, again Request
		if r.Decode(payload) != nil || len(r.Events) == 0 {
			return
		}
		require.NoError(t, again.Decode(messages(t, r.AppendTo(nil))[0].payload))
		assert.Equal(t, r, again)
	})
}

func FuzzCaps(f *testing.F) {
	seed(f, MsgCaps)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var c, again Caps
		if c.Decode(payload) != nil {
			return
		}
		require.NoError(t, again.Decode(messages(t, c.AppendTo(nil))[0].payload))
		assert.Equal(t, c, again)
	})
}

func FuzzEvent(f *testing.F) {
	seed(f, MsgSerial)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 {
			return
		}
		var ev event.Event
		d := NewDecoder(fuzzLimits)
		err := d.Event(payload[1:], &ev)
		require.LessOrEqual(t, len(d.cache.byID), fuzzLimits.MaxCache)
		if err != nil {
			return
		}
		ev.Args = cloneValues(ev.Args)
		// With a name alone, the fields of a record have none.
		clearNames(ev.Args)
		out, err := new(Encoder).AppendEvent(nil, &ev)
		if err != nil {
			require.ErrorIs(t, err, ErrUnencodable)
			require.Empty(t, out)
			return
		}
		var again event.Event
		// Written out in full, it may be much larger than it was.
		big := NewDecoder(Limits{MaxDepth: 80})
		require.NoError(t, big.Event(messages(t, out)[0].payload[1:], &again))
		assert.Equal(t, ev.Name, again.Name)
		assert.Equal(t, floatBits(ev.Time), floatBits(again.Time))
		require.Equal(t, len(ev.Args), len(again.Args))
		for i := range ev.Args {
			assert.True(t, sameValue(&ev.Args[i], &again.Args[i]), "%v\n%v", ev.Args[i], again.Args[i])
		}
	})
}

func clearNames(vs []event.Value) {
	for i := range vs {
		vs[i].TypeName = ""
		clearNames(vs[i].Elems)
	}
}

func sameValue(a, b *event.Value) bool {
	if a.Type != b.Type || a.Bits != b.Bits || a.Proto != b.Proto || a.Width != b.Width ||
		a.Addr != b.Addr || a.Field != b.Field || !bytes.Equal(a.Bytes, b.Bytes) || len(a.Elems) != len(b.Elems) {
		return false
	}
	for i := range a.Elems {
		if !sameValue(&a.Elems[i], &b.Elems[i]) {
			return false
		}
	}
	return true
}

func FuzzID(f *testing.F) {
	seed(f, MsgSerial)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 {
			return
		}
		d := NewDecoder(fuzzLimits)
		if _, err := d.ID(payload[1:]); err == nil {
			// Again, and then from the cache if it went there.
			_, err = d.ID(payload[1:])
			require.NoError(t, err)
		}
		require.LessOrEqual(t, len(d.cache.byID), fuzzLimits.MaxCache)
	})
}
