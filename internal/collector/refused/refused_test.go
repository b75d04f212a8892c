package refused

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

func TestLinesAreReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "refused.json")
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoFileExists(t, path, "until there is something")
	ev := &event.Event{Name: "login", Args: []event.Value{{Type: event.String, Bytes: []byte("\xff\n\"")}}}
	for range 2 {
		require.NoError(t, f.Add("192.0.2.1:9997", errors.New("code 1007, \"no\xfe\n\""), ev))
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	require.Len(t, lines, 2)
	var got struct {
		Time    float64
		Reason  string
		Refused struct {
			Peer, Event string
			Args        map[string]string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &got))
	require.NotZero(t, got.Time)
	require.Contains(t, got.Reason, "code 1007")
	require.Equal(t, "192.0.2.1:9997", got.Refused.Peer)
	require.Equal(t, "login", got.Refused.Event)
	require.Equal(t, map[string]string{"arg1": "\\xff\n\""}, got.Refused.Args)
	st, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, st.Mode().Perm())
}

// TestFileIsBounded, and what is written last is there.
func TestFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "refused.json")
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	f.max = 1000
	large := &event.Event{Name: "large", Args: []event.Value{{Type: event.String, Bytes: bytes.Repeat([]byte("x"), 300)}}}
	for range 20 {
		require.NoError(t, f.Add("p", errors.New("no"), large))
	}
	for _, name := range []string{path, path + ".1"} {
		st, err := os.Stat(name)
		require.NoError(t, err)
		require.LessOrEqual(t, st.Size(), int64(1000))
		require.NotZero(t, st.Size())
	}
	require.NoError(t, f.Add("p", errors.New("no"), &event.Event{Name: "last"}))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(b), "last")
}

// TestNoFile: without one nothing is written; one that cannot be written says so,
// and no link is followed.
func TestNoFile(t *testing.T) {
	require.NoError(t, (*File)(nil).Add("p", errors.New("no"), &event.Event{Name: "e"}))
	_, err := Open("/nonexistent/refused.json")
	require.Error(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink("elsewhere", filepath.Join(dir, "refused.json")))
	f, err := Open(filepath.Join(dir, "refused.json"))
	require.NoError(t, err)
	defer f.Close()
	require.Error(t, f.Add("p", errors.New("no"), &event.Event{Name: "e"}))
}
