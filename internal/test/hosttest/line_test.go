package hosttest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLineOfForks: what a child inherits and cannot use it does not keep, so that
// a line of forks, each of which uses the handle, has no end of its own.
func TestLineOfForks(t *testing.T) {
	const length = 400
	addr, stop := collector(t, "in_line")
	cmd := runFor(t, 5*time.Minute, "line", addr, fmt.Sprint(length))
	// The C library reserves 64 MiB of address space for each thread that happens to want
	// memory at the same time as another: with two such arenas a core can be seen.
	cmd.Env = append(cmd.Env, "MALLOC_ARENA_MAX=2")
	out, err := cmd.Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, 2, "%s", out)
	var cores, keys, size, resident, descriptors [2]int
	for i, line := range lines {
		_, err := fmt.Sscanf(line, "%d %d %d %d %d", &cores[i], &keys[i], &size[i], &resident[i], &descriptors[i])
		require.NoError(t, err, line)
	}
	t.Logf("cores, next key, KiB, and KiB in memory: %q", lines)
	require.Equal(t, inMode([2]int{1, 1}, [2]int{0, 0}), cores)
	require.Equal(t, keys[0], keys[1])
	require.Less(t, descriptors[1], descriptors[0]+inMode(100, 400)) // a fork may hit those that are being opened
	// The C library keeps a little of each thread, and an arena of 64 MiB of address space
	// more or less; a core that stays takes 1 MiB, and hundreds of address space.
	require.Less(t, size[1], size[0]+256<<10)
	require.Less(t, resident[1], resident[0]+16<<10)
	want := map[string]int{}
	for i := range length + 1 {
		want[fmt.Sprintf("in_line[%d]", i)] = 1
	}
	require.Equal(t, want, stop())
}
