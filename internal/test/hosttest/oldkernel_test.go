package hosttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOldKernel: without system calls that kernels have got since, it works all the same; without
// memory that can be sealed, a core of its own process cannot be, and the connect says so.
func TestOldKernel(t *testing.T) {
	for _, c := range []struct{ what, core, lacks, reason string }{
		{"nothing missing", "process", "9999", ""},
		{"no close_range", "process", "436", ""},        // before 5.9
		{"no pidfd_open", "process", "424", ""},         // all that is of the same number everywhere
		{"the same, core within", "library", "424", ""}, //
		{"no memfd_create", "process", "memfd", "Function not implemented"},
		{"no seals", "process", "seal", "Invalid argument"},
	} {
		t.Run(c.what, func(t *testing.T) {
			addr, stop := collector(t, "tick")
			cmd := run(t, "oldkernel", addr, c.lacks)
			conf := filepath.Join(t.TempDir(), "broccoli.conf")
			require.NoError(t, os.WriteFile(conf, []byte("/broccoli/core "+c.core+"\n"), 0o600))
			cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
			out, err := cmd.Output()
			require.NoError(t, err, "%s", out)
			result, inherited, _ := strings.Cut(string(out), "\n")
			assert.Equal(t, "inherited 0\n", inherited)
			if c.reason != "" {
				assert.Regexp(t, "^FALSE .*"+c.reason, result)
				assert.Empty(t, stop())
				return
			}
			assert.Equal(t, "TRUE ", result)
			assert.Equal(t, map[string]int{"tick[1]": 1, "tick[2]": 1, "tick[3]": 1}, stop())
		})
	}
}
