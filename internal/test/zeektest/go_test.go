package zeektest

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
)

// sighting has a value of each kind that a Zeek passes on.
type sighting struct {
	Host  netip.Addr          `bro:"host"`
	Net   netip.Prefix        `bro:"net"`
	Port  broccoli.Port       `bro:"port"`
	At    time.Time           `bro:"at"`
	Took  time.Duration       `bro:"took"`
	Text  string              `bro:"text"`
	Count uint64              `bro:"count"`
	Int   int64               `bro:"int"`
	Ratio float64             `bro:"ratio"`
	Note  *string             `bro:"note"`
	List  []string            `bro:"items"`
	By    map[string]uint64   `bro:"by"`
	Set   map[string]struct{} `bro:"set"`
}

// sightings declares the event: since 8.0 a Zeek passes on only what it knows.
const sightings = `
module Site;
export {
	type Sighting: record {
		host: addr; net: subnet; p: port; at: time; took: interval; text: string; n: count; i: int; ratio: double;
		note: string &optional; items: vector of string; by: table[string] of count; members: set[string];
	};
	global sighting: event(number: int, s: Sighting);
	global ready: event();
}
event sighting(number: int, s: Sighting) { }
event ready() { }
`

// TestGoPackage: two programs that use the Go package exchange events by way of a real
// Zeek, and know what it has read.
func TestGoPackage(t *testing.T) {
	script := filepath.Join(t.TempDir(), "sightings.zeek")
	require.NoError(t, os.WriteFile(script, []byte(sightings), 0o600))
	EachBackend(t, func(t *testing.T, z *Zeek) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		dial := func(cfg broccoli.Config) *broccoli.Conn {
			c, err := broccoli.Dial(ctx, "ws://"+z.Addr, cfg)
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
			return c
		}
		to := dial(broccoli.Config{Events: []string{"Site::sighting", "Site::ready"}, Zeek: broccoli.Zeek{Subscribe: []string{"site/"}}})
		from := dial(broccoli.Config{Confirm: true, Zeek: broccoli.Zeek{Topic: "site/sightings"}})
		sent := sighting{
			Host: netip.MustParseAddr("192.0.2.1"), Net: netip.MustParsePrefix("2001:db8::/32"),
			Port: broccoli.Port{Number: 22, Proto: broccoli.TCP}, At: time.Unix(1700000000, 123000000), Took: 1500 * time.Millisecond,
			Text: "text", Count: 1<<64 - 1, Int: -1, Ratio: 0.25, List: []string{"a"}, By: map[string]uint64{"k": 1},
			Set: map[string]struct{}{"m": {}},
		}
		// A subscription takes a moment until all of Zeek knows of it.
		settled := make(chan struct{})
		go func() {
			defer close(settled)
			_, _ = to.Receive(ctx)
		}()
		for open := true; open; {
			require.NoError(t, from.Send(ctx, "Site::ready"))
			select {
			case <-settled:
				open = false
			case <-time.After(100 * time.Millisecond):
			}
		}
		require.NoError(t, from.Flush(ctx))
		const n = 2000
		go func() {
			for i := range n {
				if err := from.Send(ctx, "Site::sighting", i, sent); err != nil {
					t.Error(err)
					return
				}
			}
			if err := from.Flush(ctx); err != nil {
				t.Error(err)
			}
		}()
		for i := range n {
			ev, err := to.Receive(ctx)
			for err == nil && len(ev.Args) == 0 { // of those before
				ev, err = to.Receive(ctx)
			}
			require.NoError(t, err)
			var number int
			var got sighting
			require.NoError(t, ev.Scan(&number, &got))
			require.Equal(t, i, number)
			require.True(t, sent.At.Equal(got.At))
			got.At = sent.At
			require.Equal(t, sent, got)
		}
		require.NoError(t, from.Close())
		require.NoError(t, to.Close())
		require.Empty(t, z.complaints(t))
	}, script)
}
