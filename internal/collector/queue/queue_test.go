package queue

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

type letter string

func (l letter) Size() int { return len(l) }
func (l letter) Cost() int { return CostOf(len(l)) }

var long = letter(make([]byte, 400))

func TestQueueIsBounded(t *testing.T) {
	memory, waiting := wire.NewBudget(1500), 0
	count := func(n int) { waiting += n }
	a, b := New[letter](1000, memory, count), New[letter](1000, memory, count)
	require.NoError(t, a.Put(long))
	require.NoError(t, a.Put(long))
	require.ErrorIs(t, a.Put(long), ErrSlow, "its own bound")
	require.NoError(t, b.Put(long))
	require.ErrorIs(t, b.Put(long), ErrMemory, "that of all")
	require.Equal(t, "0 KB", b.String())
	require.Equal(t, 3, waiting)
	items := a.Take()
	require.ErrorIs(t, a.Put(long), ErrSlow, "what has been taken is not gone yet")
	require.Equal(t, 800, a.Size())
	a.Sent(items)
	require.Zero(t, a.Pending())
	require.NoError(t, a.Put(long))
	require.NoError(t, b.Put(long[:100]))
	a.Close()
	a.Close()
	b.Close()
	require.NoError(t, b.Put(long))
	require.Zero(t, memory.Used())
	require.Zero(t, waiting)
	require.NoError(t, New[letter](100, memory, count).Put(long), "one goes, whatever its size")
	for a.Wait(nil) { // there may have been something before it was closed
	}
}

// TestWhatIsReturnedComesFirst, and waits as before.
func TestWhatIsReturnedComesFirst(t *testing.T) {
	q := New[letter](1000, nil, nil)
	for _, l := range []letter{"one", "two", "three"} {
		require.NoError(t, q.Put(l))
	}
	list := q.Take()
	require.NoError(t, q.Put("four"))
	q.Sent(list[:1])
	q.Return(list[1:])
	require.Equal(t, 3, q.Pending())
	require.True(t, q.Wait(nil))
	require.Equal(t, []letter{"two", "three", "four"}, q.Take())
	done := make(chan struct{})
	close(done)
	require.False(t, q.Wait(done))
}

// TestLargeItemsAreThereTwice when they are sent.
func TestLargeItemsAreThereTwice(t *testing.T) {
	require.Equal(t, 100, CostOf(100))
	require.Equal(t, 2*Large, CostOf(Large))
}
