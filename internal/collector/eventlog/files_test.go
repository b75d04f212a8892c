package eventlog

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// files returns a log in a new folder.
func files(t *testing.T, set Settings) (*Files, string) {
	t.Helper()
	path := t.TempDir()
	dir, err := logfile.OpenDir(path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = dir.Close() })
	set.Errorf = t.Errorf
	return NewFiles(dir, set), path
}

// contents returns what each file of a folder has.
func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(path)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(path, e.Name()))
		require.NoError(t, err)
		found[e.Name()] = string(b)
	}
	return found
}

func names(found map[string]string) []string { return slices.Sorted(maps.Keys(found)) }

func numbered(name string, n uint64) *event.Event {
	return &event.Event{Name: name, Time: 1, Args: []event.Value{count(n)}}
}

func TestOneFileForAllEvents(t *testing.T) {
	for format, want := range map[Format][]string{
		FormatJSON: {`{"ts":1.000000,"peer":"p","event":"a","args":{"n":1}}`, `{"ts":1.000000,"peer":"p","event":"b","args":{"arg1":2}}`},
		FormatTSV:  {"1.000000\tp\t-\ta\t" + `{"n":1}`, "1.000000\tp\t-\tb\t" + `{"arg1":2}`},
	} {
		l, path := files(t, Settings{Format: format})
		b := l.Batch(t.Context(), Peer{Addr: "p"}, nil)
		b.Add(numbered("a", 1), []string{"n"})
		b.Add(numbered("b", 2), nil)
		require.Empty(t, contents(t, path), "nothing is written before")
		require.Positive(t, b.Len())
		require.NoError(t, b.Flush())
		require.Zero(t, b.Len())
		require.NoError(t, l.Close())
		found := contents(t, path)
		require.Equal(t, []string{"events.log"}, names(found))
		require.Equal(t, want, lines(found["events.log"]))
	}
}

// lines returns the lines that are no headers.
func lines(file string) (all []string) {
	for line := range strings.Lines(file) {
		if !strings.HasPrefix(line, "#") {
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
	}
	return all
}

// TestEachEventHasItsFile, and those that nobody asked for share one.
func TestEachEventHasItsFile(t *testing.T) {
	own := func(name string) bool { return strings.HasPrefix(name, "my::") }
	for _, format := range []Format{FormatJSON, FormatTSV} {
		l, path := files(t, Settings{Format: format, Each: true, Own: own})
		one, two := l.Batch(t.Context(), Peer{Addr: "p"}, nil), l.Batch(t.Context(), Peer{Addr: "q"}, nil)
		for i := range uint64(4) {
			one.Add(numbered("my::a", i), nil)
			two.Add(numbered("my::b", i), nil)
			one.Add(numbered("my::b", 10+i), nil)
			two.Add(numbered("../../hostile", i), nil)
			two.Add(numbered("comm", i), nil)
		}
		require.NoError(t, one.Flush())
		require.NoError(t, two.Flush())
		require.NoError(t, l.Close())
		found := contents(t, path)
		require.Equal(t, []string{"my.a.log", "my.b.log", "other.log"}, names(found))
		require.Len(t, lines(found["my.a.log"]), 4)
		require.Len(t, lines(found["my.b.log"]), 8)
		require.Len(t, lines(found["other.log"]), 8)
		if format == FormatTSV {
			require.Equal(t, []string{"1.000000\tp\t-\t10", "1.000000\tp\t-\t11", "1.000000\tp\t-\t12", "1.000000\tp\t-\t13",
				"1.000000\tq\t-\t0", "1.000000\tq\t-\t1", "1.000000\tq\t-\t2", "1.000000\tq\t-\t3"}, lines(found["my.b.log"]))
			require.Equal(t, 1, strings.Count(found["my.b.log"], "#fields"), "both peers are under one heading")
		}
		require.EqualValues(t, 20, l.Stats().Events)
	}
}

func TestFilesAreNotForOthers(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	l, path := files(t, Settings{Format: FormatJSON})
	b := l.Batch(t.Context(), Peer{Addr: "p"}, nil)
	b.Add(numbered("a", 1), nil)
	require.NoError(t, b.Flush())
	info, err := os.Stat(filepath.Join(path, "events.log"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode())
}

// cut does what zeek-cut does: columns by their names in the heading above.
func cut(t *testing.T, log string, columns ...string) (out []string) {
	t.Helper()
	var at []int
	fields := 0
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		cells := strings.Split(line, "\t")
		switch {
		case cells[0] == "#fields":
			at = nil
			for _, c := range columns {
				at = append(at, slices.Index(cells[1:], c))
			}
			fields = len(cells) - 1
		case strings.HasPrefix(line, "#"):
		default:
			require.Len(t, cells, fields, line)
			var picked []string
			for _, i := range at {
				require.GreaterOrEqual(t, i, 0, "no such column: %v", columns)
				picked = append(picked, cells[i])
			}
			out = append(out, strings.Join(picked, "\t"))
		}
	}
	return out
}

// TestZeekCutReads: also where the columns change in the middle, and with the
// real program, if there is one.
func TestZeekCutReads(t *testing.T) {
	l, path := files(t, Settings{Format: FormatTSV, Each: true})
	b := l.Batch(t.Context(), Peer{Addr: "p"}, nil)
	args := []string{"user", "n"}
	b.Add(&event.Event{Name: "e", Time: 1.5, Args: []event.Value{str("#a\tb\n"), count(1)}}, args)
	b.Add(&event.Event{Name: "e", Time: 2.5, Args: []event.Value{str(""), str("-")}}, args)
	require.NoError(t, b.Flush())
	b.Add(&event.Event{Name: "e", Time: 3.5, Args: []event.Value{str("c"), {}}}, args)
	require.NoError(t, b.Flush())
	require.NoError(t, l.Rotate())
	b.Add(&event.Event{Name: "e", Time: 4.5, Args: []event.Value{{}, count(4)}}, args)
	require.NoError(t, b.Flush())
	require.NoError(t, l.Close())

	found := contents(t, path)
	require.Len(t, found, 2)
	all := ""
	for _, name := range names(found) { // the rotated one comes last
		all = found[name] + all
	}
	require.Equal(t, 3, strings.Count(all, "#separator"))
	require.Equal(t, 3, strings.Count(all, "#close"))
	want := []string{`1\t#a\x09b\x0a\t1.500000`, `\x2d\t(empty)\t2.500000`, `-\tc\t3.500000`, `4\t-\t4.500000`}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], `\t`, "\t")
	}
	require.Equal(t, want, cut(t, all, "n", "user", "ts"))

	for _, program := range []string{"zeek-cut", "bro-cut"} {
		if _, err := exec.LookPath(program); err != nil {
			continue
		}
		cmd := exec.Command(program, "n", "user", "ts")
		cmd.Stdin = strings.NewReader(all)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, want, strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"), program)
	}
}

// TestNothingIsLostOrTorn: several peers write while files are rotated by size
// and from outside, and closed for want of descriptors.
func TestNothingIsLostOrTorn(t *testing.T) {
	for _, set := range []Settings{
		{Format: FormatJSON, MaxSize: 4 << 10},
		{Format: FormatTSV, MaxSize: 4 << 10, Each: true, MaxOpen: 2},
		{Format: FormatTSV, MaxSize: 4 << 10, Each: true, MaxOpen: 2, Sync: Sync{when: never}},
	} {
		const peers, events, kinds = 4, 800, 5
		l, path := files(t, set)
		var wg sync.WaitGroup
		for p := range peers {
			wg.Go(func() {
				b := l.Batch(t.Context(), Peer{Addr: fmt.Sprint("peer", p)}, nil)
				for i := range events {
					b.Add(numbered(fmt.Sprint("e", i%kinds), uint64(i)), []string{"n"})
					if i%50 == 49 && b.Flush() != nil || i%400 == 399 && b.Settle() != nil {
						t.Error("not written")
					}
				}
			})
		}
		for range 20 {
			require.NoError(t, l.Rotate())
			if s := l.Stats(); set.MaxOpen > 0 {
				require.LessOrEqual(t, s.Open, set.MaxOpen)
			}
		}
		wg.Wait()
		require.NoError(t, l.Close())

		found := contents(t, path)
		require.Greater(t, len(found), kinds)
		got := map[string]int{}
		for name, file := range found {
			require.True(t, strings.HasSuffix(file, "\n"), name)
			if set.Format == FormatTSV {
				require.True(t, strings.HasPrefix(file, "#separator \\x09\n"), name)
				require.Equal(t, 1, strings.Count(file, "#separator"), name)
				require.Equal(t, 1, strings.Count(file, "#close"), name)
				for _, line := range cut(t, file, "peer", "n") {
					got[line]++
				}
				continue
			}
			for line := range strings.Lines(file) {
				var v struct {
					Peer string
					Args struct{ N int }
				}
				require.NoError(t, json.Unmarshal([]byte(line), &v))
				got[fmt.Sprintf("%s\t%d", v.Peer, v.Args.N)]++
			}
		}
		require.Len(t, got, peers*events)
		for line, n := range got {
			require.Equal(t, 1, n, line)
		}
		require.EqualValues(t, peers*events, l.Stats().Events)
		require.Zero(t, l.Stats().Errors)
		require.Zero(t, l.Stats().Open)
	}
}

func TestDescriptorsAreGivenBack(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	l, _ := files(t, Settings{Format: FormatJSON, Each: true, MaxOpen: 3})
	before := descriptors()
	b := l.Batch(t.Context(), Peer{Addr: "p"}, nil)
	for i := range 50 {
		b.Add(numbered(fmt.Sprint("e", i), 1), nil)
		require.NoError(t, b.Flush())
	}
	require.LessOrEqual(t, descriptors(), before+3)
	require.NoError(t, l.Rotate())
	require.LessOrEqual(t, descriptors(), before)
}

// TestFileThatWasMovedAway: as logrotate does it, before it sends SIGHUP.
func TestFileThatWasMovedAway(t *testing.T) {
	l, path := files(t, Settings{Format: FormatTSV, Each: true})
	b := l.Batch(t.Context(), Peer{Addr: "p"}, nil)
	add := func(n uint64) {
		b.Add(numbered("e", n), nil)
		require.NoError(t, b.Flush())
	}
	add(1)
	require.NoError(t, os.Rename(path+"/e.log", path+"/e.log.1"))
	add(2)
	require.NoError(t, l.Rotate())
	add(3)
	require.NoError(t, os.Remove(path+"/e.log"))
	require.NoError(t, l.Rotate())
	require.NoError(t, l.Rotate())
	add(4)
	require.NoError(t, l.Close())
	found := contents(t, path)
	require.Equal(t, []string{"e.log", "e.log.1"}, names(found))
	require.Equal(t, []string{"1", "2"}, cut(t, found["e.log.1"], "arg1"))
	require.Equal(t, []string{"4"}, cut(t, found["e.log"], "arg1"))
	require.True(t, strings.HasPrefix(found["e.log"], "#separator"))
}

// TestErrorOfTheDiskIsForGood: nothing is confirmed after it.
func TestErrorOfTheDiskIsForGood(t *testing.T) {
	l, path := files(t, Settings{Format: FormatJSON, Each: true})
	require.NoError(t, os.Mkdir(path+"/bad.log", 0o700))
	b := l.Batch(t.Context(), Peer{Addr: "p"}, nil)
	b.Add(numbered("bad", 1), nil)
	err := b.Settle()
	require.ErrorContains(t, err, path+"/bad.log is not a regular file")
	require.NoError(t, os.Remove(path+"/bad.log"))
	require.Equal(t, err, b.Settle())
	require.Equal(t, err, b.Flush())
	require.EqualValues(t, 1, l.Stats().Errors)

	other := l.Batch(t.Context(), Peer{Addr: "q"}, nil)
	other.Add(numbered("good", 1), nil)
	require.NoError(t, other.Settle())
}
