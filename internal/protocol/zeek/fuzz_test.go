package zeek

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// FuzzDecode: whatever comes is an error or a message, and an event that was
// read is written and read as the same again.
func FuzzDecode(f *testing.F) {
	for _, r := range recordings(f) {
		f.Add(bytesOf(r.Sent), false)
		f.Add(bytesOf(r.Received), true)
		f.Add(bytesOf(r.Error), false)
	}
	for _, r := range recordingOf(f, "zeek-8.2.2.jsonl") {
		f.Add(bytesOf(r.Received), false)
	}
	f.Add([]byte(`["a","b\\"]`), false)
	for _, s := range hostile() {
		b, err := NewEncoder("/sshd/events", Current).AppendEvent(nil, &event.Event{Name: "e", Time: 1.5, Args: []event.Value{text(s)}})
		require.NoError(f, err)
		f.Add(b, false)
	}
	f.Add(paired("1969-12-31T23:59:59.000", "-1500ms"), true)
	f.Add(paired("2005-09-13T21:05:47.123456789Z", "1126645547123456us"), true)
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
		for _, dialect := range []Dialect{{}, Current} {
			sameAgain(t, dialect, exact, &ev)
		}
	})
}

// sameAgain: an event is written, read and written as the same again.
func sameAgain(t *testing.T, dialect Dialect, exact bool, ev *event.Event) {
	e := NewEncoder("/sshd/events", dialect)
	e.ExactTime = exact
	once, err := e.AppendEvent(nil, ev)
	if err != nil {
		require.ErrorIs(t, err, event.ErrUnencodable)
		return
	}
	var again event.Event
	d := NewDecoder(Limits{})
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
