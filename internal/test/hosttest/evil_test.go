package hosttest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCoreThatIsTakenOver writes anything into what it shares with its host, which is made with the
// sanitizers: that never reads or writes elsewhere, and keeps its time.
func TestCoreThatIsTakenOver(t *testing.T) {
	t.Parallel()
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	front, err := filepath.Glob("../../../capi/*.c")
	require.NoError(t, err)
	front = slices.DeleteFunc(front, func(path string) bool { return filepath.Base(path) == "cannot_load.c" }) // for other C libraries
	bin := built(t, "cc", "victim", append(front, "-I../../../capi", "-I../../../include", "-O1", "-fno-omit-frame-pointer",
		"-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fexceptions", "-pthread", "-ldl",
		`-DROMANESCO_VERSION="0"`, `-DBROCCOLI_CORE="process"`, `-DBROCCOLI_LIBDIR="/nonexistent"`,
		`-DBROCCOLI_CONFIG_PATH="/nonexistent"`)...)
	evil := built(t, "cc", "evilcore", "-I../../../capi")
	require.NoError(t, os.Rename(evil, filepath.Join(filepath.Dir(bin), "libbroccoli-core")))
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), bin, "4")
			cmd.Env = append(os.Environ(), "BROCCOLI_CONFIG_FILE="+emptyConfiguration(t))
			var told bytes.Buffer
			cmd.Stderr = &told
			stop := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
			defer stop.Stop()
			out, err := cmd.Output()
			require.NoError(t, err, "%s%s", out, told.String())
			require.NotContains(t, told.String(), "Sanitizer")
			require.NotContains(t, told.String(), "runtime error")
			var conns, longest int
			_, err = fmt.Sscanf(string(out), "connections %d longest %d", &conns, &longest)
			require.NoError(t, err, "%s", out)
			require.Less(t, longest, 12_000, "%s", out) // a second and the core's time for an answer, or a delete's and that
			t.Logf("%s", out)
		})
	}
}
