package logfile

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestNoRoom: of what a write may fail, only a full disk passes.
func TestNoRoom(t *testing.T) {
	for err, passes := range map[error]bool{
		unix.ENOSPC: true, unix.EDQUOT: true, unix.EIO: false, unix.EFBIG: false, unix.EROFS: false, unix.EACCES: false,
	} {
		require.Equal(t, passes, NoRoom(fmt.Errorf("writing: %w", &os.PathError{Op: "write", Err: err})), "%v", err)
	}
	require.False(t, NoRoom(nil))
	require.False(t, NoRoom(errors.New("other")))
}

// TestTornLineIsCutBack before anything else is written, and before the file is put
// away, if that could not be done at once.
func TestTornLineIsCutBack(t *testing.T) {
	path := t.TempDir()
	d, err := OpenDir(path, nil)
	require.NoError(t, err)
	defer d.Close()
	f := d.File("e")
	tear := func() {
		_, err := f.open.file.WriteString("half a li")
		require.NoError(t, err)
		f.torn = true
	}
	require.NoError(t, f.Open())
	require.NoError(t, f.Append([]byte("one\n")))
	tear()
	require.NoError(t, f.Append([]byte("two\n")))
	tear()
	require.NoError(t, f.Retire().Close())
	require.NoError(t, f.Open())
	require.EqualValues(t, 8, f.Size())
	require.NoError(t, f.Append([]byte("three\n")))
	tear()
	h, moved, err := f.Rotate()
	require.NoError(t, err)
	require.True(t, moved)
	info, err := h.file.Stat()
	require.NoError(t, err)
	require.EqualValues(t, len("one\ntwo\nthree\n"), info.Size())
	require.NoError(t, h.Close())
}

// TestTornLineOfAClosedFileIsCutBack before the file is put away. One that is gone is
// none of it.
func TestTornLineOfAClosedFileIsCutBack(t *testing.T) {
	d, path, _ := open(t)
	f := d.File("e")
	tear := func() {
		_, err := f.open.file.WriteString("half a li")
		require.NoError(t, err)
		f.torn = true
		require.NoError(t, f.Retire().Close())
	}
	add(t, f, "one\n")
	tear()
	rotate(t, f)
	names := ls(t, path)
	require.Len(t, names, 1)
	require.Equal(t, "one\n", read(t, path+"/"+names[0]))

	add(t, f, "two\n")
	tear()
	require.NoError(t, os.Rename(path+"/e.log", path+"/moved"))
	_, moved, err := f.Rotate()
	require.NoError(t, err)
	require.False(t, moved)
	require.NoFileExists(t, path+"/e.log")
	add(t, f, "three\n")
	require.Equal(t, "three\n", read(t, path+"/e.log"))
}
