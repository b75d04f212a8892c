package websocket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReceiptsAreKept: however often a peer asks for signs of life behind them.
func TestReceiptsAreKept(t *testing.T) {
	var p pongs
	require.True(t, p.put([]byte("receipt")))
	for range 2 * mostPongs {
		require.False(t, p.put(nil))
	}
	require.Equal(t, [][]byte{[]byte("receipt"), nil}, p.take())
	for range 2 * mostPongs {
		p.put([]byte{byte(len(p.waiting))})
	}
	require.Len(t, p.take(), mostPongs)
}
