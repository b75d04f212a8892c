package spool

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/descriptor"
)

// TestForeignFile: what a host has put in the place of the file of the log is neither
// written, nor synced, nor closed, and the log is there for whoever comes next.
func TestForeignFile(t *testing.T) {
	folder := t.TempDir()
	for round := range 3 { // the last file is opened by a write, and by what removes the front
		l, err := Open(folder, &Header{}, Options{})
		require.NoError(t, err)
		require.NoError(t, l.Append(batchOf("first", 1)))
		if round > 0 {
			l.Confirm(l.Last() - 1)
			l.truncate()
			require.NoError(t, l.Append(batchOf(string(make([]byte, round*segmentSize)), 1)))
			l.Confirm(l.Last() - 1)
		}
		last := l.Last()

		var fd int
		require.NoError(t, descriptor.Control(lastFile(l.wal.Log), func(n uintptr) { fd = int(n) }))
		theirs, err := os.Create(filepath.Join(t.TempDir(), "theirs"))
		require.NoError(t, err)
		require.NoError(t, unix.Dup3(int(theirs.Fd()), fd, unix.O_CLOEXEC))
		require.ErrorIs(t, l.Append(batchOf("second", 1)), descriptor.ErrForeign)
		require.ErrorIs(t, l.sync(), descriptor.ErrForeign)
		require.ErrorIs(t, l.Close(), descriptor.ErrForeign)
		st, err := theirs.Stat()
		require.NoError(t, err)
		require.Zero(t, st.Size())
		_, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		require.NoError(t, err, "it is closed")

		again, err := Open(folder, &Header{}, Options{})
		require.NoError(t, err)
		require.Equal(t, last, again.Last())
		require.NoError(t, again.Close())
	}
}
