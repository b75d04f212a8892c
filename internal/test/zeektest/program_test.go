package zeektest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// cprogram compiles a C program of the tests of hosts.
func cprogram(t *testing.T, name string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), name)
	out, err := exec.Command("cc", "-D_GNU_SOURCE", "-std=c11", "-g", "-pthread", "-I"+build+"/include",
		"../hosttest/testdata/"+name+".c", "-L"+build+"/lib", "-lbroccoli", "-o", bin).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return bin
}

// host is a program with the built library and a configuration.
func host(t *testing.T, conf, bin string, args ...string) *exec.Cmd {
	t.Helper()
	file := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(file, []byte(conf), 0o600))
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+build+"/lib", "BROCCOLI_CONFIG_FILE="+file)
	cmd.Stderr = os.Stderr
	return cmd
}

// amount is how many events a test sends: few, unless ROMANESCO_ZEEK_EVENTS says more.
func amount(t *testing.T, few uint64) uint64 {
	t.Helper()
	text := os.Getenv("ROMANESCO_ZEEK_EVENTS")
	if text == "" {
		return few
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return n
}

// summary says which of the numbers below n have come, and how often.
func summary(found map[uint64]int, n uint64) string {
	var missing, again int
	for i := range n {
		switch found[i] {
		case 0:
			missing++
		case 1:
		default:
			again++
		}
	}
	return fmt.Sprintf("%d of %d missing, %d more than once", missing, n, again)
}
