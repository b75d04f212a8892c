package peer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// said is what a peer of that runtime and those messages says in its handshake.
func said(runtime uint32, more ...func([]byte) []byte) []byte {
	b := (&wire.Version{Protocol: 7, DataFormat: 26, Runtime: runtime}).AppendTo(nil)
	for _, add := range more {
		b = add(b)
	}
	return wire.PhaseDone{}.AppendTo(b)
}

// TestWhoSendsState: by the rules of Bro, of which both sides must come to the
// same answer.
func TestWhoSendsState(t *testing.T) {
	asks := (&wire.RequestSync{}).AppendTo
	counts := (&wire.RequestSync{Authoritative: true}).AppendTo
	done := wire.PhaseDone{}.AppendTo
	for name, c := range map[string]struct {
		cfg  Config
		said []byte
		send bool // our state, then running; else theirs
	}{
		"nobody asks":            {Config{}, said(0), false},
		"it asks":                {Config{}, said(9, asks), true},
		"we ask":                 {Config{Sync: true, Runtime: 9}, said(0), false},
		"both, ours counts":      {Config{Sync: true, Authoritative: true}, said(9, asks), true},
		"both, theirs counts":    {Config{Sync: true, Runtime: 9, Originator: true}, said(0, counts), false},
		"both, we are older":     {Config{Sync: true, Runtime: 9}, said(8, asks), true},
		"both, it is older":      {Config{Sync: true, Runtime: 8, Originator: true}, said(9, asks), false},
		"same age, we connected": {Config{Sync: true, Runtime: 8, Originator: true}, said(8, asks), true},
		"same age, it connected": {Config{Sync: true, Runtime: 8}, said(8, asks), false},
	} {
		waits := c.cfg.Sync && !c.send
		stream := c.said
		if waits {
			_, err := Open(context.Background(), &replay{said: bytes.NewReader(stream)}, c.cfg)
			require.ErrorContains(t, err, "phase sync", name)
			stream = done(wire.AppendMessage(stream, wire.MsgSerial, []byte{'s', 1, 2, 3})) // a state that we skip
		}
		r := &replay{said: bytes.NewReader(stream)}
		_, err := Open(context.Background(), r, c.cfg)
		require.NoError(t, err, name)
		n := bytes.Count(r.told.Bytes(), done(nil))
		require.Equal(t, map[bool]int{false: 1, true: 2}[c.send], n, name)
	}
	_, err := Open(context.Background(), &replay{said: bytes.NewReader(said(0, counts))},
		Config{Sync: true, Authoritative: true})
	require.ErrorIs(t, err, ErrAuthority)
}

// TestTwoOfOursSynchronize: whoever asks, both come to run.
func TestTwoOfOursSynchronize(t *testing.T) {
	for i := range 16 {
		a := Config{Sync: i&1 > 0, Authoritative: i&2 > 0, Originator: true}
		b := Config{Sync: i&4 > 0, Requests: []string{"e"}, Runtime: uint32(i >> 3)}
		ca, cb := pair(t, a, b)
		require.NoError(t, ca.Send(&event.Event{Name: "e"}))
		require.NoError(t, ca.Flush())
		require.NoError(t, cb.Next(&event.Event{}))
	}
}

func TestMeetingDecidesWhatIsAsked(t *testing.T) {
	meet := func(class string, cfg *Config) {
		if class == "sensor" {
			cfg.Requests = []string{"e"}
			cfg.CaptureFilter = "tcp"
		}
	}
	for _, class := range []string{"sensor", "other"} {
		var told []string
		listening := Config{Meet: meet, Requests: []string{"x"}}
		connecting := Config{Class: class, Logf: func(f string, args ...any) { told = append(told, fmt.Sprintf(f, args...)) }}
		a, b := pair(t, connecting, listening)
		require.Equal(t, class, b.PeerClass())
		require.Equal(t, class == "sensor", a.Wants("e"))
		require.Equal(t, class != "sensor", a.Wants("x"))
		require.Equal(t, class == "sensor", strings.Contains(strings.Join(told, "\n"), `capture filter "tcp"`))
	}
}

func TestCompressionBothWays(t *testing.T) {
	for _, whole := range []bool{false, true} {
		budget := wire.NewBudget(100 << 20)
		cfg := func(name string) Config {
			return Config{
				Requests: []string{name}, Whole: whole, Compression: 6, Decompress: true,
				Limits: wire.Limits{Budget: budget},
			}
		}
		a, b := pair(t, cfg("to_a"), cfg("to_b"))
		text := bytes.Repeat([]byte("compressible "), 20_000)
		for i, size := range []int{0, 1, 1000, len(text), 10} {
			for _, dir := range []struct {
				from, to *Conn
				name     string
			}{{a, b, "to_b"}, {b, a, "to_a"}} {
				ev := &event.Event{Name: dir.name, Args: []event.Value{{Type: event.String, Bytes: text[:size]}, {Type: event.Count, Bits: uint64(i)}}}
				sent := make(chan error, 1)
				go func() {
					err := dir.from.Send(ev)
					if err == nil {
						err = dir.from.Flush()
					}
					sent <- err
				}()
				var got event.Event
				require.NoError(t, dir.to.Next(&got))
				require.NoError(t, <-sent)
				require.Equal(t, ev.Args, got.Args)
			}
		}
		require.NotZero(t, budget.Used())
		require.NoError(t, a.Close())
		require.ErrorIs(t, b.Next(&event.Event{}), io.EOF)
		out := a.cfg.Counters.Totals()
		require.Less(t, out.BytesOut, uint64(len(text)/10))
		require.Equal(t, out.BytesOut, b.cfg.Counters.Totals().BytesIn)
		require.Equal(t, out.ChunksOut, b.cfg.Counters.Totals().ChunksIn)
		for _, c := range []*Conn{a, b} {
			_ = c.Close()
			c.Release()
			c.Release()
		}
		require.Zero(t, budget.Used())
	}
}

// TestCompressionIsForThoseWhoOfferIt: and nobody else may send it.
func TestCompressionIsForThoseWhoOfferIt(t *testing.T) {
	a, b := pair(t, Config{Compression: 9}, Config{Requests: []string{"e"}})
	require.NoError(t, a.Send(&event.Event{Name: "e"}))
	require.NoError(t, a.Flush())
	require.NoError(t, b.Next(&event.Event{}))
	require.Nil(t, a.zip)

	r := &replay{said: bytes.NewReader(wire.AppendMessage(said(0), wire.MsgCompress, nil))}
	c, err := Open(context.Background(), r, Config{})
	require.NoError(t, err)
	require.ErrorIs(t, c.Next(&event.Event{}), wire.ErrMalformed)
}

func FuzzCompressedHandshake(f *testing.F) {
	zip, err := wire.NewDeflater(6, false)
	if err != nil {
		f.Fatal(err)
	}
	stream := wire.AppendMessage(said(0, (&wire.RequestSync{}).AppendTo), wire.MsgCompress, nil)
	ev, err := new(wire.Encoder).AppendEvent(nil, &event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 500)}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(zip.Append(stream, ev), true)
	f.Fuzz(func(t *testing.T, said []byte, sync bool) {
		budget := wire.NewBudget(8 << 20)
		c, err := Open(context.Background(), &replay{said: bytes.NewReader(said)}, Config{
			Sync: sync, Compression: 1, Decompress: true, Limits: wire.Limits{MaxChunk: 1 << 20, Budget: budget},
		})
		if err != nil {
			if budget.Used() != 0 {
				t.Fatalf("%d bytes are not given back", budget.Used())
			}
			return
		}
		for err == nil {
			err = c.Next(&event.Event{})
		}
		c.Release()
		if budget.Used() != 0 {
			t.Fatalf("%d bytes are not given back", budget.Used())
		}
	})
}

// TestStateOfARecordedBro: its events refer to what came with its state, before
// and behind.
func TestStateOfARecordedBro(t *testing.T) {
	r := &replay{said: bytes.NewReader(recorded(t, "sync", "server.bin"))}
	var told []string
	c, err := Open(context.Background(), r, Config{
		Sync: true, Cache: true, Requests: []string{"state_event"},
		Logf: func(f string, args ...any) { told = append(told, fmt.Sprintf(f, args...)) },
	})
	require.NoError(t, err)
	require.Equal(t, recorded(t, "sync", "client.bin"), r.told.Bytes())
	for n := range uint64(10) {
		var ev event.Event
		require.NoError(t, c.Next(&ev))
		require.Equal(t, "state_event", ev.Name)
		require.Len(t, ev.Args, 3)
		require.Equal(t, n, ev.Args[0].Bits)
		for _, record := range ev.Args[1:] {
			require.Equal(t, "Rec", record.TypeName)
			require.Equal(t, n, record.Elems[0].Bits)
			require.Equal(t, "a", record.Elems[0].Field)
			require.Equal(t, n%2 == 0, string(record.Elems[1].Bytes) == "text")
		}
	}
	require.NotContains(t, strings.Join(told, "\n"), "skipped")
}

// TestRecordedBroThatCompresses: what zlib itself makes of it.
func TestRecordedBroThatCompresses(t *testing.T) {
	r := &replay{said: bytes.NewReader(recorded(t, "compressed", "server.bin"))}
	c, err := Open(context.Background(), r, Config{Decompress: true, Cache: true, Requests: []string{"text_event"}})
	require.NoError(t, err)
	require.Equal(t, recorded(t, "compressed", "client.bin"), r.told.Bytes())
	for n := range uint64(10) {
		for _, long := range []bool{false, true} {
			var ev event.Event
			require.NoError(t, c.Next(&ev))
			want, text := n, fmt.Sprintf("text %d", n)
			if long {
				want, text = n+1000, strings.Repeat(fmt.Sprintf("%d ", n), 4096)
			}
			require.Equal(t, want, ev.Args[0].Bits)
			require.True(t, text == string(ev.Args[1].Bytes), "%d, long: %v", n, long)
		}
	}
}
