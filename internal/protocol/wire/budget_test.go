package wire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

func TestReadersShareABudget(t *testing.T) {
	stream := AppendMessage(nil, MsgVersion, make([]byte, 3<<20))
	budget := NewBudget(10 << 20)
	lim := Limits{Budget: budget}
	first := NewReader(bytes.NewReader(stream), lim)
	_, _, err := first.Next()
	require.NoError(t, err)
	require.Greater(t, budget.Used(), int64(2<<20))

	big := AppendMessage(nil, MsgVersion, make([]byte, 8<<20))
	second := NewReader(bytes.NewReader(big), lim)
	_, _, err = second.Next()
	require.ErrorIs(t, err, ErrLimit)
	require.ErrorContains(t, err, "no memory is left")

	first.Release()
	require.Zero(t, budget.Used())
	third := NewReader(bytes.NewReader(stream), lim)
	_, _, err = third.Next()
	require.NoError(t, err)
}

func TestDecoderHoldsWhatItsEventTakes(t *testing.T) {
	many := event.Event{Name: "e", Args: []event.Value{{Type: event.Vector}}}
	for range 50_000 {
		many.Args[0].Elems = append(many.Args[0].Elems, event.Value{Type: event.Count})
	}
	payload := encoded(t, &many)
	budget := NewBudget(20 << 20)
	d := NewDecoder(Limits{Budget: budget})
	var ev event.Event
	require.NoError(t, d.Event(payload, &ev))
	require.Greater(t, budget.Used(), int64(50_000*valueSize/2))
	require.NoError(t, d.Event(encoded(t, &event.Event{Name: "e"}), &ev))
	require.Zero(t, budget.Used(), "a small event lets go of it")
	require.NoError(t, d.Event(payload, &ev))
	d.Release()
	require.Zero(t, budget.Used())

	d = NewDecoder(Limits{Budget: NewBudget(1 << 20)})
	require.ErrorIs(t, d.Event(payload, &ev), ErrLimit)
	require.NoError(t, d.Event(encoded(t, &event.Event{Name: "e"}), &ev), "the connection goes on")
}

// encoded returns the payload of an event, behind the kind byte.
func encoded(t *testing.T, ev *event.Event) []byte {
	t.Helper()
	b, err := new(Encoder).AppendEvent(nil, ev)
	require.NoError(t, err)
	_, payload, err := NewReader(bytes.NewReader(append((&Version{}).AppendTo(nil), b...)), Limits{}).nextOf(MsgSerial)
	require.NoError(t, err)
	return payload[1:]
}

// nextOf returns the next message of a type.
func (r *Reader) nextOf(want MsgType) (MsgType, []byte, error) {
	for {
		typ, payload, err := r.Next()
		if err != nil || typ == want {
			return typ, payload, err
		}
	}
}
