package ring

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func newRing(size int) *Ring {
	return New(new(Header), make([]byte, size))
}

func record(size int, kind, number uint32) []byte {
	b := make([]byte, size)
	binary.NativeEndian.PutUint32(b, uint32(size))
	binary.NativeEndian.PutUint32(b[4:], kind)
	if size > 8 {
		binary.NativeEndian.PutUint32(b[8:], number)
	}
	return b
}

func TestFullRingRefuses(t *testing.T) {
	r := newRing(256)
	for range 4 {
		require.True(t, r.Put(record(64, 1, 0)))
	}
	require.False(t, r.Put(record(8, 1, 0)))
	require.True(t, r.Publish())
	_, next, err := r.Next(r.Tail(), r.Head())
	require.NoError(t, err)
	r.Release(next)
	require.True(t, r.Put(record(64, 1, 0)))
}

// TestEveryRecordArrivesInOrder runs both ends at once, round the ring many times.
func TestEveryRecordArrivesInOrder(t *testing.T) {
	const n = 100_000
	r := newRing(4096)
	go func() {
		rnd := rand.New(rand.NewPCG(1, 2))
		for i := range uint32(n) {
			rec := record(16+8*rnd.IntN(100), 1, i)
			for !r.Put(rec) {
				r.Publish()
				runtime.Gosched()
			}
		}
		r.Publish()
	}()
	for want := uint32(0); want < n; {
		pos, head := r.Tail(), r.Head()
		for pos < head {
			rec, next, err := r.Next(pos, head)
			require.NoError(t, err)
			if rec != nil {
				require.Equal(t, want, binary.NativeEndian.Uint32(rec[8:]))
				want++
			}
			pos = next
			r.Release(pos)
		}
		runtime.Gosched()
	}
	require.True(t, r.Empty())
}

func TestNothingIsSeenBeforeItIsPublished(t *testing.T) {
	r := newRing(256)
	require.False(t, r.Publish())
	require.True(t, r.Put(record(64, 1, 0)))
	require.True(t, r.Empty())
	require.True(t, r.Publish())
	require.False(t, r.Publish())
	require.Equal(t, uint64(64), r.Head())
}

func TestOverwrittenRecordIsNoticed(t *testing.T) {
	for _, size := range []int{0, 4, 12, 72, 1 << 20} {
		r := newRing(256)
		require.True(t, r.Put(record(64, 1, 0)) && r.Publish())
		binary.NativeEndian.PutUint32(r.data, uint32(size))
		_, _, err := r.Next(r.Tail(), r.Head())
		require.ErrorIs(t, err, ErrCorrupt, "size %d", size)
	}
}

func BenchmarkPutAndNext(b *testing.B) {
	r := newRing(1 << 20)
	rec := record(256, 1, 0)
	b.ReportAllocs()
	for b.Loop() {
		r.Put(rec)
		r.Publish()
		_, next, err := r.Next(r.Tail(), r.Head())
		if err != nil {
			b.Fatal(err)
		}
		r.Release(next)
	}
}
