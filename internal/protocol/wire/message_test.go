package wire

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersionWithClass(t *testing.T) {
	v := Version{Protocol: ProtocolVersion, CacheSize: 5, DataFormat: DataFormatVersion, Runtime: 9, Class: "sensor"}
	m := messages(t, v.AppendTo(nil))[0]
	assert.Equal(t, MsgVersion, m.typ)
	assert.Equal(t, "sensor\x00", string(m.payload[16:]))
	var got Version
	require.NoError(t, got.Decode(m.payload))
	assert.Equal(t, v, got)
	require.NoError(t, got.Decode(append(m.payload, "more"...)))
	assert.Equal(t, v, got)
}

func TestPingPong(t *testing.T) {
	p := Ping{Seq: 7, Times: [3]float64{1.5, -2, 1e9}}
	q := Pong(p)
	ping, pong := messages(t, p.AppendTo(nil))[0], messages(t, q.AppendTo(nil))[0]
	assert.Equal(t, MsgPing, ping.typ)
	assert.Equal(t, MsgPong, pong.typ)
	assert.Len(t, ping.payload, 32)
	assert.Equal(t, ping.payload, pong.payload)
	var gotPing Ping
	var gotPong Pong
	require.NoError(t, gotPing.Decode(ping.payload))
	require.NoError(t, gotPong.Decode(pong.payload))
	assert.Equal(t, p, gotPing)
	assert.Equal(t, q, gotPong)
}

func TestRequestDecode(t *testing.T) {
	r := Request{Events: []string{"left", "over"}}
	require.NoError(t, r.Decode([]byte("a\x00\x00bc\x00")))
	assert.Equal(t, []string{"a", "bc"}, r.Events)
	assert.ErrorIs(t, r.Decode([]byte("a\x00bc")), ErrMalformed)
}

func TestShortPayloads(t *testing.T) {
	for _, d := range []interface{ Decode([]byte) error }{&Version{}, &Caps{}, &Ping{}, &Pong{}, &RequestSync{}} {
		assert.ErrorIs(t, d.Decode(nil), ErrMalformed)
	}
	for _, d := range []interface{ Decode([]byte) error }{&Version{}, &Caps{}, &Ping{}, &Pong{}} {
		assert.ErrorIs(t, d.Decode(make([]byte, 11)), ErrMalformed)
	}
}

func TestMessagesOfOneBro(t *testing.T) {
	assert.Equal(t, []byte{0, 0, 0, 8, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1},
		(&RequestSync{Authoritative: true}).AppendTo(nil))
	assert.Equal(t, []byte{0, 0, 0, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 't', 'c', 'p', 0},
		(&CaptureFilter{Filter: "tcp"}).AppendTo(nil))
	var sync RequestSync
	require.NoError(t, sync.Decode([]byte{0, 0, 0, 1}))
	assert.True(t, sync.Authoritative)
	var filter CaptureFilter
	require.NoError(t, filter.Decode([]byte("tcp\x00more")))
	assert.Equal(t, "tcp", filter.Filter)
}

func TestMsgTypeNames(t *testing.T) {
	assert.Equal(t, "VERSION", MsgVersion.String())
	assert.Equal(t, "REQUEST_LOGS", MsgRequestLogs.String())
	assert.Equal(t, "type 26", MsgType(26).String())
	without := 0
	for n := range 256 {
		if typ := MsgType(n); typ.Known() && !typ.HasPayload() {
			without++
		}
	}
	assert.Equal(t, 8, without)
	assert.False(t, MsgType(0).Known())
}
