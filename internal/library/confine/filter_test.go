package confine

import (
	"slices"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/stretchr/testify/require"
)

// amd64 are calls that arm64 never had.
var amd64 = []string{
	"newfstatat", "stat", "lstat", "rename", "unlink", "rmdir", "mkdir", "time", "select", "poll", "epoll_wait",
}

// TestListsAreOfCalls: no name is misspelt, and what is there for both processors is
// let through on both.
func TestListsAreOfCalls(t *testing.T) {
	for _, name := range calls {
		if name == "fstatat" { // as the table for arm64 has newfstatat
			require.Contains(t, arch.AARCH64.SyscallNames, name)
			continue
		}
		require.Contains(t, arch.X86_64.SyscallNames, name)
		_, both := arch.AARCH64.SyscallNames[name]
		require.NotEqual(t, both, slices.Contains(amd64, name), name)
	}
	for _, c := range conditions(1) {
		require.Contains(t, arch.X86_64.SyscallNames, c.Name)
		require.Contains(t, arch.AARCH64.SyscallNames, c.Name)
		require.NotContains(t, calls, c.Name)
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(calls))), len(calls))
}

// TestFilterIsShort: the kernel takes 4096 instructions, and runs those of conditions at each
// of their calls.
func TestFilterIsShort(t *testing.T) {
	program, err := assemble(1 << 22)
	require.NoError(t, err)
	t.Logf("%d instructions", len(program))
	require.Less(t, len(program), 1024)
}
