package wire

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// FuzzSendOn: what can be decoded can be sent on, and decoded again.
func FuzzSendOn(f *testing.F) {
	seed(f, MsgSerial)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var ev, again event.Event
		if len(payload) == 0 || NewDecoder(fuzzLimits).Event(payload[1:], &ev) != nil {
			return
		}
		out, err := (&Encoder{Named: true}).AppendSerialEvent(nil, &ev)
		if err != nil {
			require.ErrorIs(t, err, ErrUnencodable)
			return
		}
		require.NoError(t, NewDecoder(Limits{MaxDepth: 80}).Event(out[1:], &again))
		require.Equal(t, len(ev.Args), len(again.Args))
		for i := range ev.Args {
			require.True(t, sameValue(&ev.Args[i], &again.Args[i]), "%v\n%v", ev.Args[i], again.Args[i])
		}
	})
}

func FuzzStateAccess(f *testing.F) {
	for _, m := range messages(f, recording(f, "sync", "server.bin")) {
		if m.typ == MsgSerial && m.payload[0] == SerialStateAccess {
			f.Add(m.payload)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 {
			return
		}
		d := NewDecoder(fuzzLimits)
		if d.StateAccess(payload[1:]) == nil {
			require.NoError(t, d.StateAccess(payload[1:]))
		}
		require.LessOrEqual(t, len(d.cache.byID), fuzzLimits.MaxCache)
	})
}
