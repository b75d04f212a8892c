package zeek

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"romanesco/internal/event"
)

// FuzzDecode: whatever comes is an error or a message, and an event that was
// read is written and read as the same again.
func FuzzDecode(f *testing.F) {
	for _, r := range recordings(f) {
		f.Add(bytesOf(r.Sent), false)
		f.Add(bytesOf(r.Received), true)
		f.Add(bytesOf(r.Error), false)
	}
	f.Add([]byte(`["a","b\\"]`), false)
	f.Fuzz(func(t *testing.T, b []byte, exact bool) {
		d := NewDecoder(Limits{MaxMessage: 1 << 16, MaxValues: 1 << 10})
		d.ExactTime = exact
		var s Subscription
		_ = s.Decode(d, b)
		var ev event.Event
		m, err := d.Decode(b, &ev)
		if err != nil || m.Event == nil {
			return
		}
		e := encoder()
		e.ExactTime = exact
		once, err := e.AppendEvent(nil, &ev)
		if err != nil {
			require.ErrorIs(t, err, event.ErrUnencodable)
			return
		}
		var again event.Event
		d = NewDecoder(Limits{})
		d.ExactTime = exact
		if _, err = d.Decode(once, &again); err != nil { // it may have become larger
			require.ErrorIs(t, err, ErrLimit)
			return
		}
		twice, err := e.AppendEvent(nil, &again)
		require.NoError(t, err)
		if !exact { // a time that stands alone gets an interval each time
			require.Equal(t, string(once), string(twice))
		}
	})
}

// FuzzTypes: whatever the file says, it is an error or declarations, with which
// events are shaped without harm.
func FuzzTypes(f *testing.F) {
	f.Add(script)
	f.Add("type A: A; type B: C; type C: B; global e: event(a: A, b: B);")
	f.Add(`module M; export { redef enum E += { X = 3, Y }; redef record R += { a: count &default="}"; }; }`)
	f.Fuzz(func(t *testing.T, s string) {
		types, err := ParseTypes(strings.NewReader(s), "fuzz")
		if err != nil {
			return
		}
		for name, params := range types.events {
			ev := &event.Event{Name: name}
			for range params {
				ev.Args = append(ev.Args, many(event.Vector, text("x"), count(1), many(event.Vector)))
			}
			_ = types.shape(ev)
		}
	})
}
