package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDebian: in the source that has been fetched each place is found, and each
// that is missing is named.
func TestDebian(t *testing.T) {
	openssh := os.Getenv("ROMANESCO_OPENSSH")
	if openssh == "" {
		t.Skip("ROMANESCO_OPENSSH does not say where Debian's source is: make test-openssh does")
	}
	found, err := filepath.Glob(filepath.Join(openssh, "openssh_*.dsc"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	dir := filepath.Join(t.TempDir(), "source")
	out, err := exec.Command("dpkg-source", "--no-check", "-x", found[0], dir).CombinedOutput()
	require.NoError(t, err, "%s", out)

	fresh := func() *source { return &source{dir: dir, files: map[string][]string{}} }
	v, err := fresh().version()
	require.NoError(t, err)
	require.Contains(t, madeFor, v)
	for _, e := range edits() {
		if !e.versions.has(v) {
			continue
		}
		s := fresh()
		at, err := s.find(e)
		require.NoError(t, err)
		s.files[e.file] = splice(s.files[e.file], at)
		require.ErrorContains(t, s.apply([]edit{e}, v), e.file+": "+place(e)+": no line matches "+e.line)
	}
	done, err := instrument(dir)
	require.NoError(t, err)
	require.NotEmpty(t, done)
	_, err = instrument(dir)
	require.ErrorContains(t, err, "instrumented already")
}
