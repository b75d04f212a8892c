package spool

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
)

// FuzzAdopt has whatever may stand in a folder adopted: a ring, and two segments
// of a log, the second beginning with batch at. All that is left is read, with
// an end, and in order.
func FuzzAdopt(f *testing.F) {
	const room = 1 << 12
	var h Header
	dir := f.TempDir()
	l := opened(f, dir, &h, Options{})
	fill(f, l, 0, 3)
	require.NoError(f, l.Close())
	segment, err := os.ReadFile(filepath.Join(dir, "log", fmt.Sprintf("%020d", 1)))
	require.NoError(f, err)
	records := make([]byte, 48)
	for at, size := range map[int]uint32{0: 16, 16: 8, 24: 24} {
		binary.NativeEndian.PutUint32(records[at:], size)
		binary.NativeEndian.PutUint32(records[at+4:], uint32(at/16)) // one of them is a skip
	}
	f.Add(records, uint64(48), uint64(0), uint64(0), segment, []byte(nil), uint16(0))
	f.Add(records, uint64(room+48), uint64(room), uint64(2), segment, segment, uint16(4))
	f.Add(records, uint64(1)<<63, uint64(8), uint64(1)<<63, segment[:len(segment)-7], segment, uint16(9))
	f.Fuzz(func(t *testing.T, data []byte, head, tail, confirmed uint64, first, second []byte, at uint16) {
		dir := t.TempDir()
		path := folder(t, dir, "p", "c")
		b, err := os.ReadFile(filepath.Join(path, "ring"))
		require.NoError(t, err)
		b = b[:headerRoom+room]
		h := (*Header)(unsafe.Pointer(&b[0]))
		h.RingSize, h.confirmed = room, confirmed
		// struct link_ring begins with head, and has tail a cache line behind.
		binary.NativeEndian.PutUint64(b[unsafe.Offsetof(h.Ring):], head)
		binary.NativeEndian.PutUint64(b[unsafe.Offsetof(h.Ring)+64:], tail)
		copy(b[headerRoom:], data)
		require.NoError(t, os.WriteFile(filepath.Join(path, "ring"), b, 0o600))
		require.NoError(t, os.Mkdir(filepath.Join(path, "log"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(path, "log", fmt.Sprintf("%020d", 1)), first, 0o600))
		if at > 1 {
			require.NoError(t, os.WriteFile(filepath.Join(path, "log", fmt.Sprintf("%020d", at)), second, 0o600))
		}
		o, err := Adopt(dir, "p", "c", none, func(uintptr) {}, t.Logf)
		require.NoError(t, err)
		if o == nil {
			return // refused, with a reason
		}
		contents(t, o.Log)
		if o.Ring != nil {
			drain(t, o.Ring, o.Tail)
		}
		require.NoError(t, o.Close())
	})
}

// drain takes all records that are in a ring from pos on.
func drain(t *testing.T, r *ring.Ring, pos uint64) {
	t.Helper()
	head := r.Head()
	for taken := 0; pos < head; taken++ {
		rec, next, err := r.Next(pos, head)
		if err != nil || rec == nil {
			return
		}
		require.Greater(t, next, pos)
		require.LessOrEqual(t, next, head)
		pos = next
	}
}
