package hosttest

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRefusedOnce: a host that is refused memory, or a thread, at any single call from
// the first connect to the end of the handle goes on, and can connect after that.
func TestRefusedOnce(t *testing.T) {
	preload := built(t, "cc", "scarce", "-shared", "-fPIC")
	for kind, what := range []string{"malloc", "mmap", "mprotect", "pthread_create"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			addr, _ := collector(t, "tick")
			cmd := run(t, "scarcehost", addr, strconv.Itoa(kind), "1")
			cmd.Env = append(cmd.Env, "LD_PRELOAD="+preload)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			require.NoError(t, err)
			calls := "[1-9][0-9]*"
			if outside() && what == "pthread_create" {
				calls = "0" // no thread of ours
			}
			assert.Regexp(t, "^"+calls+` calls\n0 ended the host\n0 were not got over\n$`, string(out))
		})
	}
}
