package regular

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	b, err := ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "text", string(b))
	for _, other := range []string{fifo, dir, "/dev/zero", "/dev/tty"} {
		_, err := ReadFile(other)
		require.Error(t, err, other)
		if other != "/dev/tty" { // there may be none
			require.ErrorIs(t, err, ErrOther, other)
		}
	}
	_, err = ReadFile(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
