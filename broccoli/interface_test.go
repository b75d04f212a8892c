package broccoli_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInterfaceIsClosed: nothing that others may use has a type of another room in it.
func TestInterfaceIsClosed(t *testing.T) {
	out, err := exec.Command("go", "doc", "-all", ".").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "func Dial(ctx context.Context, address string, cfg Config) (*Conn, error)")
	require.NotRegexp(t, `(event|wire|peer|delivery|arrival|zeek|websocket|secure)\.[A-Z]`, string(out))
}
