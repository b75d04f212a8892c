package hosttest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOneDeadline: beside a peer that reads nothing, exit() and bro_conn_delete() end
// at their deadline, and do not wait for the end of the connection besides. The best
// of some tries counts, on a machine that is busy.
func TestOneDeadline(t *testing.T) {
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	const tries, besides = 5, 800 * time.Millisecond // less than the core waits for the end
	for how, deadline := range map[string]time.Duration{"exit": time.Second, "delete": 5 * time.Second} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			g := guest{program: "exitstalled", limit: time.Minute}
			args := guestPeers["STALLED"](t) + strings.TrimSuffix(" 1 "+how, " exit")
			best := time.Hour
			for try := 0; try < tries && best >= deadline+besides; try++ {
				said, _ := g.call(t, args)
				var accepted int
				var took float64
				_, err := fmt.Sscanf(said, "%d events accepted\nexit took %f s", &accepted, &took)
				require.NoError(t, err, said)
				best = min(best, time.Duration(took*float64(time.Second)))
			}
			t.Logf("took %v", best)
			require.GreaterOrEqual(t, best, deadline/2, "the peer was not stalled")
			require.Less(t, best, deadline+besides)
		})
	}
}
