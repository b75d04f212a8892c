package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDebianPackages looks at what "make deb" has made: "make test-deb" runs
// it, since that takes a minute.
func TestDebianPackages(t *testing.T) {
	build := os.Getenv("ROMANESCO_DEB")
	if build == "" {
		t.Skip("ROMANESCO_DEB does not say where the packages are: use make test-deb")
	}
	packages, err := filepath.Glob(build + "/*.deb")
	require.NoError(t, err)
	require.Len(t, packages, 4)

	dest := t.TempDir()
	for _, p := range packages {
		require.NoError(t, run(exec.Command("dpkg-deb", "-x", p, dest)))
	}
	libraries, err := filepath.Glob(dest + "/usr/lib/*/libbroccoli.so.5")
	require.NoError(t, err)
	require.Len(t, libraries, 1)
	lib := filepath.Dir(libraries[0])
	// Where the packages put the core is a path of an installed system only.
	sensor := compile(t, "-I"+dest+"/usr/include", "-L"+lib, "-lbroccoli")
	require.NoError(t, os.Symlink("broccoli/libbroccoli-core.so", lib+"/libbroccoli-core.so"))
	requireSends(t, dest, sensor, "LD_LIBRARY_PATH="+lib)

	t.Run("python", func(t *testing.T) {
		python := need(t, "python3")
		modules := dest + "/usr/lib/python3/dist-packages"
		script := "import broccoli, importlib.metadata as m; " +
			"assert m.version('romanesco-broccoli') == broccoli.__version__; print(broccoli.__file__)"
		cmd := exec.Command(python, "-B", "-c", script)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+modules, "LD_LIBRARY_PATH="+lib)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, modules+"/broccoli/__init__.py\n", string(out))
	})
	alone := compile(t, "-static", "-I"+dest+"/usr/include", lib+"/libbroccoli.a")
	require.NoError(t, os.Symlink(lib+"/broccoli/libbroccoli-core", filepath.Join(filepath.Dir(alone), "libbroccoli-core")))
	requireSends(t, dest, alone)

	t.Run("lintian", func(t *testing.T) {
		lintian := need(t, "lintian")
		args := append([]string{"--allow-root", "--fail-on", "error,warning"}, packages...)
		out, err := exec.Command(lintian, args...).CombinedOutput()
		require.NoError(t, err, strings.TrimSpace(string(out)))
	})
}
