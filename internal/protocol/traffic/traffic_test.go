package traffic

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLedgerKeepsWhatClosedConnectionsCounted(t *testing.T) {
	var l Ledger
	a, b := l.Open(), l.Open()
	a.Read(100, 4)
	a.Read(0, 4) // the end of the stream is no read
	a.Received()
	a.Received()
	a.Skipped()
	b.Sent(3)
	b.Pending(4)
	b.Waiting(3)
	b.Waiting(-1)
	b.Wrote(50, 2)
	b.Wrote(0, 0)
	wantA := Totals{BytesIn: 100, ChunksIn: 4, Reads: 1, EventsIn: 2, Skipped: 1}
	wantB := Totals{BytesOut: 50, ChunksOut: 2, Writes: 1, EventsOut: 3, Pending: 6}
	both := Totals{BytesIn: 100, BytesOut: 50, ChunksIn: 4, ChunksOut: 2, Reads: 1, Writes: 1,
		EventsIn: 2, EventsOut: 3, Skipped: 1, Pending: 6}
	sum, each := l.Totals()
	require.Equal(t, both, sum)
	require.Equal(t, []Totals{wantA, wantB}, each)

	l.Close(b)
	l.Close(b) // once is enough
	both.Pending = 0
	sum, each = l.Totals()
	require.Equal(t, both, sum)
	require.Equal(t, []Totals{wantA}, each)
}

// BenchmarkReceived is what counting adds to an event.
func BenchmarkReceived(b *testing.B) {
	c := new(Ledger).Open()
	for b.Loop() {
		c.Received()
	}
}
