package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/library/confine"
)

const testRing = 1 << 16

// TestMain has the folders made in memory where that is possible: syncing them
// on a busy disk takes minutes.
//
// In the environment may be a folder that the whole is to be confined to, as a core is
// (internal/library/confine runs that).
func TestMain(m *testing.M) {
	if folder := os.Getenv("ROMANESCO_CONFINED"); folder != "" {
		_ = os.Setenv("TMPDIR", folder)
		files, err := confine.Enter(confine.Plan{Must: true, Grants: []confine.Grant{{Path: folder, Mode: confine.Folder}}})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(files.Report)
		os.Exit(m.Run())
	}
	if dir, err := os.MkdirTemp("/dev/shm", "spool-test-"); err == nil {
		_ = os.Setenv("TMPDIR", dir)
		defer os.RemoveAll(dir)
	}
	m.Run()
}

// folder makes what capi/spool.c makes, unlocked: an orphan.
func folder(t testing.TB, dir, peer, class string) string {
	t.Helper()
	path, err := os.MkdirTemp(dir, complete)
	require.NoError(t, err)
	h := Header{Layout: layout, RingSize: testRing}
	copy(h.Magic[:], magic)
	copy(h.Boot[:], boot())
	copy(h.Peer[:], peer)
	copy(h.Class[:], class)
	b := make([]byte, headerRoom+testRing)
	copy(b, unsafe.Slice((*byte)(unsafe.Pointer(&h)), unsafe.Sizeof(h)))
	require.NoError(t, os.WriteFile(filepath.Join(path, "ring"), b, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(path, "lock"), nil, 0o600))
	return path
}

func batchOf(text string, n int) *Batch {
	var b Batch
	for i := range n {
		b.Add(fmt.Appendf(nil, "%s %d", text, i), i%3 == 0)
	}
	return &b
}

// open opens a log that says what it has to say.
func opened(t testing.TB, path string, h *Header, o Options) *Log {
	t.Helper()
	o.Logf = t.Logf
	l, err := Open(path, h, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// contents reads all that is left, as text.
func contents(t testing.TB, l *Log) (texts []string, last uint64) {
	t.Helper()
	var b Batch
	for {
		index, ok := l.Next(&b)
		if !ok {
			return texts, last
		}
		require.Greater(t, index, last)
		last = index
		for payload := range b.Items() {
			texts = append(texts, string(payload))
		}
	}
}

func numbered(from, to int) (texts []string) {
	for i := from; i < to; i++ {
		for j := range 5 {
			texts = append(texts, fmt.Sprintf("batch %d %d", i, j))
		}
	}
	return texts
}

func fill(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		require.NoError(t, l.Append(batchOf(fmt.Sprintf("batch %d", i), 5)))
	}
}

// TestLogSurvives opens a log again without its having been closed, as after
// the death of a process: what was confirmed is not there any more, all else is.
func TestLogSurvives(t *testing.T) {
	var h Header
	path := t.TempDir()
	l := opened(t, path, &h, Options{Sync: time.Hour})
	fill(t, l, 0, 10)
	var b Batch
	for range 4 {
		_, ok := l.Next(&b)
		require.True(t, ok)
	}
	require.Equal(t, uint64(10), l.Last())
	l.Confirm(3)
	again := opened(t, path, &h, Options{Sync: time.Hour})
	require.Equal(t, l.Last(), again.Last())
	require.Positive(t, again.Unread())
	texts, last := contents(t, again)
	require.Equal(t, numbered(3, 10), texts)
	require.Equal(t, uint64(10), last)
	require.Zero(t, again.Unread())
	fill(t, again, 10, 12)
	texts, last = contents(t, again)
	require.Equal(t, numbered(10, 12), texts)
	again.Confirm(last)
	require.NoError(t, again.Close())
	require.NoDirExists(t, again.dir())
}

// TestConfirmedIsRemoved: a log that goes on for ever does not grow, and one
// without anything unconfirmed has nothing in it.
func TestConfirmedIsRemoved(t *testing.T) {
	var h Header
	path := t.TempDir()
	l := opened(t, path, &h, Options{Sync: time.Hour})
	big := make([]byte, 50_000)
	var b Batch
	for i := range uint64(200) { // 10 MB
		var a Batch
		a.Add(big, false)
		require.NoError(t, l.Append(&a))
		_, ok := l.Next(&b)
		require.True(t, ok)
		if i >= 3 {
			l.Confirm(i - 2)
		}
		require.Less(t, usage(path), int64(3*segmentSize))
	}
	l.Confirm(l.Last())
	require.Eventually(t, func() bool { return usage(path) == 0 }, time.Minute, 10*time.Millisecond)
	fill(t, l, 0, 1)
	again := opened(t, path, &h, Options{Sync: time.Hour})
	texts, _ := contents(t, again)
	require.Equal(t, numbered(0, 1), texts)
}

// TestBoundIsKept: the bound is for all that is in the directory, and what is
// refused can be appended when there is room.
func TestBoundIsKept(t *testing.T) {
	const limit = 3 << 20
	dir := t.TempDir()
	var logs [3]*Log
	var headers [3]Header
	for i := range logs {
		path := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, os.Mkdir(path, 0o700))
		logs[i] = opened(t, path, &headers[i], Options{Max: limit, Sync: time.Hour})
	}
	var b Batch
	b.Add(make([]byte, 10_000), false)
	refused, accepted := 0, 0
	for i := range 1500 {
		if err := logs[i%3].Append(&b); err != nil {
			require.ErrorIs(t, err, ErrFull)
			refused++
		} else {
			accepted++
		}
	}
	require.Positive(t, refused)
	require.Greater(t, accepted, 250)
	require.LessOrEqual(t, usage(dir), int64(limit+len(logs)*segmentSize))
	for range accepted {
		for _, l := range logs {
			if n, ok := l.Next(new(Batch)); ok {
				l.Confirm(n)
			}
		}
	}
	for _, l := range logs {
		require.NoError(t, l.Append(&b))
	}
}

// segmented makes a log of several segments, and returns their files. Each
// batch has one event.
func segmented(t *testing.T, path string, h *Header) (files []string, batches int) {
	t.Helper()
	l, err := Open(path, h, Options{Sync: time.Hour})
	require.NoError(t, err)
	for ; batches < 500; batches++ {
		var b Batch
		b.Add(append(binary.BigEndian.AppendUint64(nil, uint64(batches)), make([]byte, 10_000)...), false)
		require.NoError(t, l.Append(&b))
	}
	require.NoError(t, l.Close())
	segments, err := list(l.dir())
	require.NoError(t, err)
	for _, s := range segments {
		files = append(files, s.path)
	}
	require.Greater(t, len(files), 3)
	return files, batches
}

// survivors reads a log that has been damaged.
func survivors(t *testing.T, path string, h *Header) (numbers []uint64, lost uint64) {
	t.Helper()
	l := opened(t, path, h, Options{Sync: time.Hour})
	var b Batch
	for {
		if _, ok := l.Next(&b); !ok {
			break
		}
		for payload := range b.Items() {
			numbers = append(numbers, binary.BigEndian.Uint64(payload))
		}
	}
	// It can be written, and read once more.
	fill(t, l, 0, 1)
	texts, _ := contents(t, l)
	require.Equal(t, numbered(0, 1), texts)
	return numbers, l.Lost()
}

// TestDamageLosesOnlyWhatItHit damages a log in every way that comes to mind.
func TestDamageLosesOnlyWhatItHit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for name, damage := range map[string]struct {
		do         func(t *testing.T, files []string)
		least      uint64 // batches that are lost
		most       int    // of these; a segment has 105
		atEnd      bool   // nobody can tell how many
		wantFirst  bool
		wantLatest bool
	}{
		"end cut off": {func(t *testing.T, files []string) {
			cutFile(t, files[len(files)-1], 15_000)
		}, 0, 2, true, true, false},
		"a segment cut off": {func(t *testing.T, files []string) {
			cutFile(t, files[1], 25_000)
		}, 3, 3, false, true, true},
		"a segment emptied": {func(t *testing.T, files []string) {
			require.NoError(t, shorten(files[1], 0))
		}, 100, 110, false, true, true},
		"a segment gone": {func(t *testing.T, files []string) {
			require.NoError(t, os.Remove(files[1]))
		}, 100, 110, false, true, true},
		"bits": {func(t *testing.T, files []string) {
			for range 5 {
				flip(t, files[1], int64(rnd.IntN(1<<20)))
			}
		}, 1, 110, false, true, true},
		"a length": {func(t *testing.T, files []string) {
			flip(t, files[1], 1)
		}, 1, 110, false, true, true},
		"zeros at the end": {func(t *testing.T, files []string) {
			f, err := os.OpenFile(files[len(files)-1], os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.Write(make([]byte, 5000))
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}, 0, 0, true, true, true},
		"a batch of another place": {func(t *testing.T, files []string) {
			b, err := os.ReadFile(files[1])
			require.NoError(t, err)
			size, _, ok := entry(b)
			require.True(t, ok)
			copy(b, b[size:2*size])
			require.NoError(t, os.WriteFile(files[1], b, 0o600))
		}, 1, 1, false, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			var h Header
			path := t.TempDir()
			files, batches := segmented(t, path, &h)
			damage.do(t, files)
			numbers, lost := survivors(t, path, &h)
			missing := batches - len(numbers)
			require.LessOrEqual(t, missing, damage.most)
			require.GreaterOrEqual(t, lost, damage.least)
			if !damage.atEnd {
				require.Equal(t, uint64(missing), lost, "what is lost is told")
			}
			require.Equal(t, uint64(0), numbers[0])
			if damage.wantLatest {
				require.Equal(t, uint64(batches-1), numbers[len(numbers)-1])
			}
			for i := range numbers[1:] {
				require.Less(t, numbers[i], numbers[i+1])
			}
		})
	}
}

func cutFile(t *testing.T, path string, bytes int64) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, shorten(path, info.Size()-bytes))
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	require.NoError(t, err)
	b[0] ^= 0x41
	_, err = f.WriteAt(b[:], at)
	require.NoError(t, err)
}

// TestEveryCut cuts a log off at each of its bytes.
func TestEveryCut(t *testing.T) {
	var h Header
	path := t.TempDir()
	l := opened(t, path, &h, Options{Sync: time.Hour})
	fill(t, l, 0, 4)
	segments, err := list(l.dir())
	require.NoError(t, err)
	require.Len(t, segments, 1)
	whole, err := os.ReadFile(segments[0].path)
	require.NoError(t, err)
	size, _, _ := entry(whole)
	for n := range len(whole) {
		require.NoError(t, os.WriteFile(segments[0].path, whole[:n], 0o600))
		cut := opened(t, path, &h, Options{Sync: time.Hour})
		texts, _ := contents(t, cut)
		require.Len(t, texts, 5*(n/size), "of %d bytes", n)
	}
}

func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	path := folder(t, dir, "peer:1", "sensor")
	m, err := mapFile(filepath.Join(path, "ring"))
	require.NoError(t, err)
	l, err := Open(path, m.header, Options{Sync: time.Hour, Logf: t.Logf})
	require.NoError(t, err)
	fill(t, l, 0, 3)
	l.Confirm(1)
	require.NoError(t, l.Close())
	m.close()

	for _, other := range [][2]string{{"peer:2", "sensor"}, {"peer:1", ""}, {"peer:1", "sensors"}} {
		o, err := Adopt(dir, other[0], other[1], none, func(uintptr) {}, t.Logf)
		require.NoError(t, err)
		require.Nil(t, o, other)
	}
	o, err := Adopt(dir, "peer:1", "sensor", none, func(uintptr) {}, t.Logf)
	require.NoError(t, err)
	require.NotNil(t, o)
	second, err := Adopt(dir, "peer:1", "sensor", none, func(uintptr) {}, t.Logf)
	require.NoError(t, err)
	require.Nil(t, second, "it is locked")
	texts, _ := contents(t, o.Log)
	require.Equal(t, numbered(1, 3), texts)
	o.Confirm(2)
	require.NoError(t, o.Close())

	o, err = Adopt(dir, "peer:1", "sensor", none, func(uintptr) {}, t.Logf)
	require.NoError(t, err)
	require.NotNil(t, o, "not all of it was confirmed")
	texts, last := contents(t, o.Log)
	require.Equal(t, numbered(2, 3), texts)
	o.Confirm(last)
	require.NoError(t, o.Close())
	require.NoDirExists(t, path)
}

// none is in use.
func none(string) bool { return false }

// TestFolderInUse: it is not adopted, even when the host has closed its lock.
func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Base(folder(t, dir, "peer:1", ""))
	o, err := Adopt(dir, "peer:1", "", func(name string) bool { return name == own }, func(uintptr) {}, t.Logf)
	require.NoError(t, err)
	require.Nil(t, o)
	o, err = Adopt(dir, "peer:1", "", none, func(uintptr) {}, t.Logf)
	require.NoError(t, err)
	require.NotNil(t, o)
	require.NoError(t, o.Close())
}

// TestOneAdopts: many look for the same orphans at once, and each is one's.
func TestOneAdopts(t *testing.T) {
	const orphans, parents = 20, 8
	dir := t.TempDir()
	for range orphans {
		path := folder(t, dir, "peer:1", "")
		m, err := mapFile(filepath.Join(path, "ring"))
		require.NoError(t, err)
		l, err := Open(path, m.header, Options{Sync: time.Hour})
		require.NoError(t, err)
		fill(t, l, 0, 1)
		require.NoError(t, l.Close())
		m.close()
	}
	var found atomic.Int32
	var all sync.WaitGroup
	for range parents {
		all.Go(func() {
			for {
				o, err := Adopt(dir, "peer:1", "", none, func(uintptr) {}, t.Logf)
				if err != nil || o == nil {
					return
				}
				texts, last := contents(t, o.Log)
				if len(texts) == 5 {
					found.Add(1)
				}
				o.Confirm(last)
				_ = o.Close()
			}
		})
	}
	all.Wait()
	// One who saw the last of them locked may have left before it was done with.
	require.Equal(t, int32(orphans), found.Load())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestForeignFoldersAreLeftAlone: what others could have made is not sent.
func TestForeignFoldersAreLeftAlone(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"open to others": func(path string) error { return os.Chmod(path, 0o750) },
		"no folder":      func(path string) error { return os.Rename(path, path+"x") },
		"symbolic link": func(path string) error {
			to := filepath.Join(filepath.Dir(path), "elsewhere")
			if err := os.Rename(path, to); err != nil {
				return err
			}
			return os.Symlink(to, path)
		},
		"other magic":   func(path string) error { return overwrite(path, 0, 'b') },
		"other version": func(path string) error { return overwrite(path, 8, 99) },
		"ring of a size that none has": func(path string) error {
			const size = testRing / 4 * 3
			if err := os.Truncate(filepath.Join(path, "ring"), headerRoom+size); err != nil {
				return err
			}
			return overwrite(path, 16, binary.NativeEndian.AppendUint64(nil, size)...)
		},
		"short":       func(path string) error { return os.Truncate(filepath.Join(path, "ring"), 5000) },
		"other peer":  func(path string) error { return os.WriteFile(filepath.Join(path, "ring"), make([]byte, 8192), 0o600) },
		"ring a link": func(path string) error { return swap(filepath.Join(path, "ring")) },
		"lock a link": func(path string) error { return swap(filepath.Join(path, "lock")) },
		"ring a pipe": func(path string) error {
			ring := filepath.Join(path, "ring")
			return errors.Join(os.Remove(ring), syscall.Mkfifo(ring, 0o600))
		},
		"of another user": func(path string) error {
			if os.Geteuid() != 0 {
				return os.Chmod(path, 0o750) // only root can give one away
			}
			return os.Chown(path, 65534, 65534)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := folder(t, dir, "peer:1", "")
			if name == "no folder" {
				require.NoError(t, os.RemoveAll(path))
				require.NoError(t, os.WriteFile(path, nil, 0o600))
			}
			require.NoError(t, spoil(path))
			o, err := Adopt(dir, "peer:1", "", none, func(uintptr) {}, t.Logf)
			require.NoError(t, err)
			if name == "no folder" {
				require.Nil(t, o)
				return
			}
			require.Nil(t, o)
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.NotEmpty(t, left)
		})
	}
}

// overwrite changes the header of a ring.
func overwrite(path string, at int64, b ...byte) error {
	f, err := os.OpenFile(filepath.Join(path, "ring"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}

func swap(path string) error {
	if err := os.Rename(path, path+".real"); err != nil {
		return err
	}
	return os.Symlink(path+".real", path)
}

// TestLeftOversAreRemoved: folders whose process died while it made or removed them.
func TestLeftOversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	path := folder(t, dir, "peer:1", "")
	require.NoError(t, os.Remove(filepath.Join(path, "ring")))
	empty, err := os.MkdirTemp(dir, complete)
	require.NoError(t, err)
	old, err := os.MkdirTemp(dir, unfinished)
	require.NoError(t, err)
	long := time.Now().Add(-48 * time.Hour)
	require.NoError(t, os.Chtimes(old, long, long))
	fresh, err := os.MkdirTemp(dir, unfinished)
	require.NoError(t, err)
	o, err := Adopt(dir, "peer:1", "", none, func(uintptr) {}, t.Logf)
	require.NoError(t, err)
	require.Nil(t, o)
	require.NoDirExists(t, path)
	require.NoDirExists(t, empty)
	require.NoDirExists(t, old)
	require.DirExists(t, fresh)
}

// TestItemsStayInTheirBatch: lengths that say more than there is end it.
func TestItemsStayInTheirBatch(t *testing.T) {
	for name, rest := range map[string][]byte{
		"longer than the rest": {200, 1, 'x'},
		"no length":            {0x80},
		"overflow":             {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"largest":              binary.AppendUvarint(nil, math.MaxUint64),
	} {
		var b Batch
		b.Add([]byte("sound"), true)
		b.items = append(b.items, rest...)
		var got []string
		for payload, always := range b.Items() {
			require.True(t, always, name)
			got = append(got, string(payload))
		}
		require.Equal(t, []string{"sound"}, got, name)
	}
}
