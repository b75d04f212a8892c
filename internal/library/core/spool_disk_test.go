package core

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFewAreOnDisk: however many connections have a spool.
func TestFewAreOnDisk(t *testing.T) {
	var now, most atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			_ = onDisk(func() error {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				now.Add(-1)
				return nil
			})
		})
	}
	all.Wait()
	require.LessOrEqual(t, int(most.Load()), diskMax)
	require.Less(t, diskMax, spareThreads)
}
