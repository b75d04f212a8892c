package abi_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// built returns a file of the tree that "make" leaves, which it names in ROMANESCO_BUILD.
func built(t *testing.T, name string) string {
	t.Helper()
	build := os.Getenv("ROMANESCO_BUILD")
	if build == "" {
		t.Skip("ROMANESCO_BUILD does not say where the built library is: use make test")
	}
	return filepath.Join(build, name)
}

// beyond is what is declared in romanesco.h, and was not in the interface.
var beyond = []string{"bro_conn_error", "bro_event_error", "bro_log_set"}

func assertNames(t *testing.T, got []string) {
	t.Helper()
	_, want := load(t).names()
	want = append(want, beyond...)
	assert.ElementsMatch(t, want, got)
}

func TestSharedLibrary(t *testing.T) {
	file, err := elf.Open(built(t, "lib/libbroccoli.so.5"))
	require.NoError(t, err)
	defer file.Close()

	soname, err := file.DynString(elf.DT_SONAME)
	require.NoError(t, err)
	assert.Equal(t, []string{load(t).Soname}, soname)

	libraries, err := file.ImportedLibraries()
	require.NoError(t, err)
	system := regexp.MustCompile(`^(lib(c|dl|pthread)|ld-linux[a-z0-9-]*)\.`)
	for _, library := range libraries {
		assert.Regexp(t, system, library, "nothing but the C library is needed")
	}

	symbols, err := file.DynamicSymbols()
	require.NoError(t, err)
	var names []string
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF {
			continue
		}
		names = append(names, s.Name)
		assert.Empty(t, s.Version, "%s has no version", s.Name)
	}
	assertNames(t, names)
}

func TestStaticLibrary(t *testing.T) {
	file := built(t, "lib/libbroccoli.a")
	out, err := exec.Command("nm", "--extern-only", "--defined-only", "--format=posix", file).Output()
	require.NoError(t, err)
	var names []string
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			names = append(names, fields[0])
		}
	}
	assertNames(t, names)
}
