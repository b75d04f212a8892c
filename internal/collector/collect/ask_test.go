package collect

import (
	"fmt"
	"maps"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// TestReloadsAndWhoReadsNothing: however often there is more to ask for, one goroutine asks,
// and no name is asked for twice.
func TestReloadsAndWhoReadsNothing(t *testing.T) {
	const sets, each = 3, 5000
	var known [sets]catalog.Catalog
	name := func(set, i int) string { return fmt.Sprintf("made_up_%d_%d_%s", set, i, strings.Repeat("n", 60)) }
	for set := range known {
		known[set] = catalog.Catalog{"one": nil}
		for i := range each {
			known[set].Add(name(set, i))
		}
	}
	for _, forward := range []bool{false, true} {
		c := start(t, Config{Destinations: anyone(t, "one"), Catalog: catalog.Catalog{"one": nil}, Forward: forward})
		nc, theirs := net.Pipe() // which has no buffers
		ended := make(chan error, 1)
		go func() { ended <- c.handle(t.Context(), theirs, nil) }()
		require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
		hello := (&wire.Version{Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion}).AppendTo(nil)
		r := wire.NewReader(nc, wire.Limits{})
		go func() { _, _ = nc.Write(wire.PhaseDone{}.AppendTo((&wire.Caps{}).AppendTo(hello))) }()
		require.Equal(t, []string{"one"}, requestOf(t, r))
		for kind := wire.MsgRequest; kind != wire.MsgPhaseDone; {
			var err error
			kind, _, err = r.Next()
			require.NoError(t, err)
		}
		require.Eventually(t, func() bool { return c.peers.Load() == 1 }, patience, time.Millisecond)
		before := runtime.NumGoroutine()
		const reloads = 20 * sets
		for n := range reloads {
			c.Change(known[n%sets], anyone(t, "one|made_up_.*"))
		}
		require.Less(t, runtime.NumGoroutine(), before+reloads/2)

		wanted := maps.Clone(known[(reloads-1)%sets]) // those of the last, at the least
		delete(wanted, "one")
		asked := map[string]bool{}
		ask := func() {
			for _, name := range requestOf(t, r) {
				require.False(t, asked[name], name)
				asked[name] = true
				delete(wanted, name)
			}
		}
		for len(wanted) > 0 {
			ask()
		}
		c.Change(catalog.Catalog{"two": nil}, anyone(t, "two"))
		for !asked["two"] {
			ask()
		}
		c.Change(known[(reloads-1)%sets], anyone(t, "one|made_up_.*")) // the peer knows that
		c.Change(catalog.Catalog{"three": nil}, anyone(t, "three"))
		for !asked["three"] {
			ask()
		}
		require.NoError(t, nc.Close())
		require.NoError(t, <-ended)
		c.stop()
	}
}
