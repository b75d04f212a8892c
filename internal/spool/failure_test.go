package spool

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"romanesco/internal/ring"
)

// TestWritesThatFail: a file may not grow beyond a limit, so that a batch is
// written in part; when it may again, the log goes on, and has all that was
// accepted. It runs in a process of its own, whose limit it is.
func TestWritesThatFail(t *testing.T) {
	if os.Getenv("ROMANESCO_LIMITED") == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestWritesThatFail$", "-test.v")
		cmd.Env = append(os.Environ(), "ROMANESCO_LIMITED=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "PASS")
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	grow := func(bytes uint64) {
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: limit.Max}))
	}
	var h Header
	path := t.TempDir()
	l := opened(t, path, &h, Options{Sync: time.Hour})
	accepted := 0
	for size := uint64(1000); size < 20_000; size += 777 {
		grow(size)
		for l.Append(batchOf("batch", 5)) == nil {
			accepted++
		}
		require.Error(t, l.Append(batchOf("batch", 5)), "it stays so")
	}
	grow(limit.Max)
	require.NoError(t, l.Append(batchOf("batch", 5)))
	texts, _ := contents(t, l)
	require.Len(t, texts, 5*(accepted+1))
	again := opened(t, path, &h, Options{Sync: time.Hour})
	texts, _ = contents(t, again)
	require.Len(t, texts, 5*(accepted+1))
}

// TestRingOfOrphan: what had not reached the log is taken from the ring, if it
// is that of this run of the machine, and what it says is possible.
func TestRingOfOrphan(t *testing.T) {
	record := append([]byte{24, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 16)...)
	for name, c := range map[string]struct {
		change  func(h *Header, r *ring.Ring)
		records int
	}{
		"as it was":       {func(*Header, *ring.Ring) {}, 3},
		"another boot":    {func(h *Header, _ *ring.Ring) { h.Boot[3] ^= 1 }, 0},
		"beyond its end":  {func(_ *Header, r *ring.Ring) { r.Release(r.Head() + 8) }, 0},
		"not at a record": {func(_ *Header, r *ring.Ring) { r.Release(3) }, 0},
		"the first taken": {func(_ *Header, r *ring.Ring) { r.Release(24) }, 2},
		"all taken":       {func(_ *Header, r *ring.Ring) { r.Release(72) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := folder(t, dir, "peer:1", "")
			m, err := mapFile(filepath.Join(path, "ring"))
			require.NoError(t, err)
			r := m.ring()
			for range 3 {
				require.True(t, r.Put(record) && r.Publish())
			}
			c.change(m.header, r)
			m.close()
			o, err := Adopt(dir, "peer:1", "", t.Logf)
			require.NoError(t, err)
			require.NotNil(t, o)
			got := 0
			if o.Ring != nil {
				pos, head := o.Tail, o.Ring.Head()
				for pos < head {
					rec, next, err := o.Ring.Next(pos, head)
					require.NoError(t, err)
					require.Equal(t, record, rec)
					pos = next
					got++
				}
				o.Ring.Release(pos)
			}
			require.Equal(t, c.records, got)
			require.NoError(t, o.Close())
			require.NoDirExists(t, path)
		})
	}
}

// TestRingIsTakenOnce: what a batch in the log has of the ring is not taken
// from there again, though the process died before it could say so.
func TestRingIsTakenOnce(t *testing.T) {
	record := append([]byte{24, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 16)...)
	dir := t.TempDir()
	path := folder(t, dir, "peer:1", "")
	m, err := mapFile(filepath.Join(path, "ring"))
	require.NoError(t, err)
	t.Cleanup(m.close)
	r := m.ring()
	for range 3 {
		require.True(t, r.Put(record) && r.Publish())
	}
	l := opened(t, path, m.header, Options{Sync: time.Hour})
	b := batchOf("two of three", 2)
	b.Tail = 48
	require.NoError(t, l.Append(b))
	o, err := Adopt(dir, "peer:1", "", t.Logf)
	require.NoError(t, err)
	require.Equal(t, uint64(48), o.Tail)
	require.NoError(t, o.Close())
	require.DirExists(t, path)
}

// TestOrphanIsKeptForItsRing: who gives an orphan up without having emptied its
// ring leaves that to others, though there is nothing in the log.
func TestOrphanIsKeptForItsRing(t *testing.T) {
	record := append([]byte{24, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 16)...)
	dir := t.TempDir()
	path := folder(t, dir, "peer:1", "")
	m, err := mapFile(filepath.Join(path, "ring"))
	require.NoError(t, err)
	t.Cleanup(m.close)
	r := m.ring()
	require.True(t, r.Put(record) && r.Publish())
	for range 2 {
		o, err := Adopt(dir, "peer:1", "", t.Logf)
		require.NoError(t, err)
		require.NotNil(t, o)
		require.NotNil(t, o.Ring)
		require.NoError(t, o.Close())
	}
	r.Release(r.Head())
	o, err := Adopt(dir, "peer:1", "", t.Logf)
	require.NoError(t, err)
	require.NoError(t, o.Close())
	require.NoDirExists(t, path)
}
