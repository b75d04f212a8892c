package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// shared builds an empty shared library.
func shared(t *testing.T, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	source, library := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.so")
	require.NoError(t, os.WriteFile(source, []byte("int a;\n"), 0o600))
	out, err := exec.Command("cc", append([]string{"-shared", "-fPIC", source, "-o", library}, flags...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return library
}

func flags(t *testing.T, library string) elf.DynFlag1 {
	t.Helper()
	f, err := elf.Open(library)
	require.NoError(t, err)
	defer f.Close()
	values, err := f.DynValue(elf.DT_FLAGS_1)
	require.NoError(t, err)
	if len(values) == 0 {
		return 0
	}
	return elf.DynFlag1(values[0])
}

func TestClear(t *testing.T) {
	from := shared(t, "-Wl,-z,nodelete", "-Wl,-z,now")
	to := from + ".to"
	require.NoError(t, run(from, to))
	require.Equal(t, elf.DF_1_NODELETE|elf.DF_1_NOW, flags(t, from))
	require.Equal(t, elf.DF_1_NOW, flags(t, to))
	require.ErrorIs(t, run(to, to), errNoFlag, "cleared already")
	require.ErrorIs(t, run(shared(t, "-Wl,-z,lazy"), to), errNoFlag)
	require.Error(t, Clear([]byte("no ELF file")))
}

// TestCore: the core that was built can be unloaded.
func TestCore(t *testing.T) {
	build := os.Getenv("ROMANESCO_BUILD")
	if build == "" {
		t.Skip("ROMANESCO_BUILD does not say where the built library is: use make test")
	}
	require.Zero(t, flags(t, filepath.Join(build, "lib", "libbroccoli-core.so"))&elf.DF_1_NODELETE)
}
