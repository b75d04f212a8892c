package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// clock is a time that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t *testing.T) (*Dir, string, *clock) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "logs")
	c := &clock{time.Date(2026, 11, 25, 7, 6, 5, 0, time.Local)}
	d, err := OpenDir(path, c.now)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d, path, c
}

func ls(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(path)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func add(t *testing.T, f *File, line string) {
	t.Helper()
	require.NoError(t, f.Open())
	require.NoError(t, f.Append([]byte(line)))
}

func rotate(t *testing.T, f *File) {
	t.Helper()
	h, moved, err := f.Rotate()
	require.NoError(t, err)
	require.True(t, moved)
	if h != nil {
		require.NoError(t, h.Close())
	}
}

func TestFolderIsForOneProcess(t *testing.T) {
	d, path, _ := open(t)
	_, err := OpenDir(path, nil)
	require.ErrorContains(t, err, "another process writes to it")
	require.NoError(t, d.Close())
	d, err = OpenDir(path, nil)
	require.NoError(t, err)
	require.NoError(t, d.Close())

	_, err = OpenDir(path+"/a/b", nil)
	require.ErrorContains(t, err, "making the log folder")
	require.NoError(t, os.WriteFile(path+"/file", nil, 0o600))
	_, err = OpenDir(path+"/file", nil)
	require.ErrorContains(t, err, "opening the log folder")
}

// TestRotationIsNamedByItsBeginning, and never overwrites.
func TestRotationIsNamedByItsBeginning(t *testing.T) {
	d, path, c := open(t)
	f := d.File("a")
	_, moved, err := f.Rotate()
	require.NoError(t, err)
	require.False(t, moved, "there is nothing")
	add(t, f, "1\n")
	c.at = c.at.Add(time.Hour)
	add(t, f, "2\n")
	rotate(t, f)
	require.False(t, f.Opened())
	for _, line := range []string{"3\n", "4\n", "5\n"} { // within a second
		add(t, f, line)
		rotate(t, f)
	}
	add(t, f, "6\n")
	require.Equal(t, []string{"a.log", "a.log.2026-11-25-07-06-05", "a.log.2026-11-25-08-06-05", "a.log.2026-11-25-08-06-05-1",
		"a.log.2026-11-25-08-06-05-2"}, ls(t, path))
	require.Equal(t, "1\n2\n", read(t, path+"/a.log.2026-11-25-07-06-05"))
	require.Equal(t, "5\n", read(t, path+"/a.log.2026-11-25-08-06-05-2"))
	require.Equal(t, "6\n", read(t, path+"/a.log"))
}

func TestRetiredFileGoesOn(t *testing.T) {
	d, path, c := open(t)
	f := d.File("a")
	add(t, f, "1\n")
	require.NoError(t, f.Retire().Close())
	c.at = c.at.Add(time.Hour)
	add(t, f, "2\n")
	require.EqualValues(t, 4, f.Size())
	require.NoError(t, f.Retire().Close())
	rotate(t, f) // while it is closed
	require.Equal(t, "1\n2\n", read(t, path+"/a.log.2026-11-25-07-06-05"))
	require.Equal(t, []string{"a.log.2026-11-25-07-06-05"}, ls(t, path))
}

// TestWhatAnEarlierRunLeftIsPutAway, without a line that was cut off.
func TestWhatAnEarlierRunLeftIsPutAway(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	for left, want := range map[string]string{
		"1\n2\n": "1\n2\n", "1\n2": "1\n", "1\n" + long: "1\n", long + "\n" + "2": long + "\n", "torn": "", long: "", "": "",
	} {
		d, path, _ := open(t)
		require.NoError(t, os.WriteFile(path+"/a.log", []byte(left), 0o640))
		add(t, d.File("a"), "new\n")
		require.Equal(t, "new\n", read(t, path+"/a.log"))
		names := ls(t, path)
		if want == "" {
			require.Equal(t, []string{"a.log"}, names)
			continue
		}
		require.Len(t, names, 2)
		require.Regexp(t, `^a\.log\.\d{4}(-\d\d){5}$`, names[1])
		require.Equal(t, want, read(t, path+"/"+names[1]))
	}
}

func TestOnlyRegularFilesAreWritten(t *testing.T) {
	d, path, _ := open(t)
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, []byte("x"), 0o600))
	require.NoError(t, os.Symlink(outside, path+"/link.log"))
	require.NoError(t, os.Mkdir(path+"/folder.log", 0o700))
	require.NoError(t, unix.Mkfifo(path+"/pipe.log", 0o600))
	for _, name := range []string{"link", "folder", "pipe"} {
		require.ErrorContains(t, d.File(name).Open(), path+"/"+name+".log is not a regular file: move it away")
	}
	require.Error(t, d.File("../outside").Open(), "names do not lead out")
	require.Equal(t, "x", read(t, outside))
}

// TestNamesOfZeek: for those who want them.
func TestNamesOfZeek(t *testing.T) {
	d, path, _ := open(t)
	d.Naming = TimeBetween
	f := d.File("a")
	for range 2 {
		add(t, f, "1\n")
		rotate(t, f)
	}
	require.Equal(t, []string{"a.2026-11-25-07-06-05-1.log", "a.2026-11-25-07-06-05.log"}, ls(t, path))
}

// TestWhoFollowsLogsFindsEachOnce: no rotated file is called as a log is.
func TestWhoFollowsLogsFindsEachOnce(t *testing.T) {
	d, path, _ := open(t)
	for _, name := range []string{"a", "b"} {
		f := d.File(name)
		for range 3 {
			add(t, f, "1\n")
			rotate(t, f)
		}
		add(t, f, "2\n")
	}
	found, err := filepath.Glob(path + "/*.log")
	require.NoError(t, err)
	require.Equal(t, []string{path + "/a.log", path + "/b.log"}, found)
}
