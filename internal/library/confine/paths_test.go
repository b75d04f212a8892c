package confine

import (
	"testing"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"github.com/stretchr/testify/require"
)

// TestThreadsMaySignalEachOther whatever the kernel makes of a domain for each of them.
func TestThreadsMaySignalEachOther(t *testing.T) {
	for _, c := range []struct {
		abi, errata int
		signals     bool
	}{{6, 0, false}, {6, 1, false}, {6, 2, true}, {7, 3, true}, {7, 0, false}, {8, 0, true}} {
		require.Equal(t, c.signals, scopes(c.abi, c.errata)&ll.ScopeSignal != 0, "%+v", c)
	}
}
