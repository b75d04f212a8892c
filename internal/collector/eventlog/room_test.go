package eventlog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var errFull = fmt.Errorf("writing: %w", unix.ENOSPC)

// TestRoom: whoever waits, it is said once, tried once a second, and all go on at once.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []error
		r := newRoom(func(why error) { said = append(said, why) })
		var full atomic.Bool
		full.Store(true)
		var tries, alive atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				require.NoError(t, r.await(t.Context(), errFull, func() error {
					tries.Add(1)
					if full.Load() {
						return errFull
					}
					return nil
				}, func() { alive.Add(1) }))
			})
		}
		time.Sleep(10*roomPause + roomPause/2)
		synctest.Wait()
		require.Equal(t, []error{errFull}, said)
		require.Equal(t, errFull, r.full())
		require.EqualValues(t, 11, tries.Load())
		require.EqualValues(t, 100*10*roomPause/aliveEvery, alive.Load())
		full.Store(false)
		begun := time.Now()
		wg.Wait()
		require.LessOrEqual(t, time.Since(begun), roomPause)
		require.Equal(t, []error{errFull, nil}, said)
		require.NoError(t, r.full())
	})
}

// TestGivingUp ends with the context, or with an error that does not pass.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(func(error) {})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				require.Equal(t, errFull, r.await(ctx, errFull, func() error { return errFull }, func() {}))
			})
		}
		time.Sleep(roomPause)
		cancel()
		wg.Wait()
		require.Equal(t, unix.EIO, r.await(t.Context(), errFull, func() error { return unix.EIO }, func() {}))
	})
}

// TestAllGiveUp: then nobody waits, and it is said that there is room by the next who
// finds some.
func TestAllGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []error
		r := newRoom(func(why error) { said = append(said, why) })
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.Equal(t, errFull, r.await(ctx, errFull, func() error { return errFull }, func() {}))
			require.NoError(t, r.full())
		}
		require.Equal(t, []error{errFull}, said, "once")
		r.found()
		r.found()
		require.Equal(t, []error{errFull, nil}, said)
	})
}
