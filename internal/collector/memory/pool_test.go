package memory

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTurn is of one at a time; those who wait give signs of life, until they need not
// wait any more.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1 << 20)
		first := p.Turn(t.Context(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		alive := 0
		gone := make(chan func())
		go func() { gone <- p.Turn(ctx, func() { alive++ }) }()
		time.Sleep(10*aliveEvery + aliveEvery/2)
		synctest.Wait()
		require.Equal(t, 10, alive)
		second := make(chan func())
		go func() { second <- p.Turn(t.Context(), func() {}) }()
		cancel()
		(<-gone)()
		synctest.Wait()
		select {
		case <-second:
			t.Fatal("two have the turn")
		default:
		}
		first()
		(<-second)()
		p.Turn(t.Context(), nil)()
	})
}
