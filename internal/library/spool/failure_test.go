package spool

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
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
			o, err := Adopt(dir, "peer:1", "", none, func(uintptr) {}, t.Logf)
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
	o, err := Adopt(dir, "peer:1", "", none, func(uintptr) {}, t.Logf)
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
		o, err := Adopt(dir, "peer:1", "", none, func(uintptr) {}, t.Logf)
		require.NoError(t, err)
		require.NotNil(t, o)
		require.NotNil(t, o.Ring)
		require.NoError(t, o.Close())
	}
	r.Release(r.Head())
	o, err := Adopt(dir, "peer:1", "", none, func(uintptr) {}, t.Logf)
	require.NoError(t, err)
	require.NoError(t, o.Close())
	require.NoDirExists(t, path)
}

// TestSyncing: what is appended is synced at once, within the time that was
// asked for, or at the end; and a failure of that is told.
func TestSyncing(t *testing.T) {
	synced := func(l *Log) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !l.unsynced
	}
	at := func(after time.Duration) *Log { return opened(t, t.TempDir(), new(Header), Options{Sync: after}) }
	once := at(0)
	fill(t, once, 0, 1)
	require.True(t, synced(once))
	soon := at(time.Millisecond)
	fill(t, soon, 0, 1)
	require.Eventually(t, func() bool { return synced(soon) }, time.Minute, time.Millisecond)
	late := at(time.Hour)
	fill(t, late, 0, 1)
	require.False(t, synced(late))
	require.NoError(t, late.Close())
	require.True(t, synced(late))

	require.NoError(t, once.wal.Close())
	require.ErrorContains(t, once.sync(), "syncing")
}

// TestLogIsOurs: events may hold passwords.
func TestLogIsOurs(t *testing.T) {
	path := t.TempDir()
	l := opened(t, path, new(Header), Options{Sync: time.Hour})
	fill(t, l, 0, 1)
	require.NoError(t, filepath.WalkDir(l.dir(), func(path string, e os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, path)
		return nil
	}))
}

// TestStrangeConfirmations: of what was never appended, or was confirmed before,
// they say nothing.
func TestStrangeConfirmations(t *testing.T) {
	var h Header
	l := opened(t, t.TempDir(), &h, Options{Sync: time.Hour})
	fill(t, l, 0, 3)
	l.Confirm(4)
	require.Equal(t, uint64(3), l.Unconfirmed())
	l.Confirm(2)
	l.Confirm(1)
	require.Equal(t, uint64(1), l.Unconfirmed())
}

// TestLostEndIsNotConfirmed: what is appended after the end of a log was lost
// has numbers that were confirmed once, and is delivered all the same.
func TestLostEndIsNotConfirmed(t *testing.T) {
	var h Header
	path := t.TempDir()
	l := opened(t, path, &h, Options{Sync: time.Hour})
	fill(t, l, 0, 2)
	h.confirm(10)
	again := opened(t, path, &h, Options{Sync: time.Hour})
	fill(t, again, 2, 3)
	require.Equal(t, uint64(1), again.Unconfirmed())
	require.NoError(t, again.Close())
	require.ErrorIs(t, again.Append(new(Batch)), os.ErrClosed)
	third := opened(t, path, &h, Options{Sync: time.Hour})
	texts, _ := contents(t, third)
	require.Equal(t, numbered(2, 3), texts)
}

// TestSegmentFromNowhere: a file that says it is far away takes no memory for
// what would be between.
func TestSegmentFromNowhere(t *testing.T) {
	var h Header
	path := t.TempDir()
	l := opened(t, path, &h, Options{Sync: time.Hour})
	fill(t, l, 0, 2)
	far := filepath.Join(l.dir(), fmt.Sprintf("%020d", uint64(1)<<40))
	require.NoError(t, os.WriteFile(far, nil, 0o600))
	_, err := Open(path, &h, Options{Sync: time.Hour})
	require.ErrorContains(t, err, "the next segment is 1099511627776")
}

// TestDamageWhileOpen: a segment that loses its last batches while its log is
// open costs those, and that is told.
func TestDamageWhileOpen(t *testing.T) {
	var h Header
	path := t.TempDir()
	files, batches := segmented(t, path, &h)
	l := opened(t, path, &h, Options{Sync: time.Hour})
	data, err := os.ReadFile(files[1])
	require.NoError(t, err)
	size, _, ok := entry(data)
	require.True(t, ok)
	cutFile(t, files[1], int64(3*size))
	var b Batch
	read := 0
	for {
		if _, ok := l.Next(&b); !ok {
			break
		}
		read++
	}
	require.Equal(t, uint64(batches-read), l.Lost())
	require.Equal(t, uint64(3), l.Lost())
}

// batches is how many segments makes, each of 10 KB.
const batches = 300

// segments is a log of three segments, of which one is in memory.
func segments(t *testing.T, dir string, h *Header) *Log {
	t.Helper()
	l := opened(t, dir, h, Options{Sync: time.Hour})
	for i := range batches {
		var b Batch
		b.Add(fmt.Appendf(nil, "%010000d", i), true)
		require.NoError(t, l.Append(&b))
	}
	return l
}

// TestUnreadableIsNotLost: what a process without descriptors cannot read is there
// when it has some again.
func TestUnreadableIsNotLost(t *testing.T) {
	var h Header
	l := segments(t, t.TempDir(), &h)
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}))
	var b Batch
	_, ok := l.Next(&b)
	drained := l.Drained()
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	require.False(t, ok)
	require.False(t, drained)
	texts, last := contents(t, l)
	require.Len(t, texts, batches)
	require.EqualValues(t, batches, last)
	require.Zero(t, l.Lost())
	require.True(t, l.Drained())
}

// TestSegmentThatIsGoneIsLost: and does not hold up what is behind it.
func TestSegmentThatIsGoneIsLost(t *testing.T) {
	var h Header
	dir := t.TempDir()
	l := segments(t, dir, &h)
	require.NoError(t, os.Remove(filepath.Join(dir, "log", fmt.Sprintf("%020d", 1))))
	texts, _ := contents(t, l)
	require.Less(t, len(texts), batches)
	require.NotEmpty(t, texts)
	require.EqualValues(t, batches-len(texts), l.Lost())
}
