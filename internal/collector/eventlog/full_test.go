package eventlog

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// smallDisk is the folder of a file system of 1 MiB, in the environment of a test that
// runs anew where that is mounted.
const smallDisk = "ROMANESCO_SMALL_DISK"

// onSmallDisk returns the folder, or runs the test anew to its end and returns "".
func onSmallDisk(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv(smallDisk); dir != "" {
		return dir
	}
	dir := t.TempDir()
	const mount = `mount -t tmpfs -o size=1m none "$0"`
	if exec.Command("unshare", "-rm", "sh", "-c", mount, dir).Run() != nil {
		t.Skip("no file system can be mounted here")
	}
	cmd := exec.Command("unshare", "-rm", "sh", "-c", mount+` && exec "$@"`, dir,
		os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.timeout", "1m")
	cmd.Env = append(os.Environ(), smallDisk+"="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return ""
}

// TestBatchGoesOnWhereItWas: what was written of a batch before the disk was full is
// not written again.
func TestBatchGoesOnWhereItWas(t *testing.T) {
	path := onSmallDisk(t)
	if path == "" {
		return
	}
	dir, err := logfile.OpenDir(path, nil)
	require.NoError(t, err)
	for _, free := range []int{0, 10 << 10, 60 << 10, 100 << 10, 140 << 10} {
		t.Run(fmt.Sprint(free), func(t *testing.T) {
			fillUp(t, path, free)
			l := NewFiles(dir, Settings{Format: FormatTSV, Each: true, Errorf: t.Errorf})
			b := l.Batch(t.Context(), Peer{Addr: "p"}, nil)
			const each = 40 // KiB
			pad := event.Value{Type: event.String, Bytes: []byte(strings.Repeat("x", 1000))}
			n := uint64(0)
			for _, kind := range []string{"a", "b", "a", "a", "b"} { // a has one schema, then another
				for range each {
					args := []event.Value{count(n), pad}
					if kind == "a" && n >= 2*each {
						args = append(args, count(1))
					}
					b.Add(&event.Event{Name: kind, Time: 1, Args: args}, nil)
					n++
				}
			}
			done := make(chan error, 1)
			go func() { done <- b.Flush() }()
			require.Eventually(t, func() bool { return l.Full() != nil }, 30*time.Second, time.Millisecond)
			require.NoError(t, os.Remove(path+"/ballast"))
			require.NoError(t, <-done)
			require.NoError(t, l.Close())
			found := map[string]int{}
			for name, text := range contents(t, path) {
				for line := range strings.Lines(text) {
					if cells := strings.Split(line, "\t"); !strings.HasPrefix(line, "#") {
						require.Contains(t, []int{5, 6}, len(cells), "%s: %.100q", name, line)
						found[cells[3]]++
					}
				}
				require.NoError(t, os.Remove(filepath.Join(path, name)))
			}
			require.Len(t, found, int(n))
			for line, times := range found {
				require.Equal(t, 1, times, line)
			}
			require.Equal(t, n, l.Stats().Events)
			require.Zero(t, l.Stats().Unwritten)
		})
	}
}

// fillUp leaves that much room.
func fillUp(t *testing.T, path string, free int) {
	t.Helper()
	f, err := os.Create(path + "/ballast")
	require.NoError(t, err)
	defer f.Close()
	size := int64(0)
	for err == nil {
		var n int
		n, err = f.Write(make([]byte, 4<<10))
		size += int64(n)
	}
	require.True(t, logfile.NoRoom(err), "%v", err)
	require.NoError(t, f.Truncate(size-int64(free)))
}
