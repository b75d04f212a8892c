package hosttest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// built compiles testdata/NAME.c in another way than program does: by compiler,
// with further arguments.
func built(t *testing.T, compiler, name string, args ...string) string {
	t.Helper()
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	bin := filepath.Join(t.TempDir(), name)
	args = append([]string{"-D_GNU_SOURCE", "-std=c11", "-g", "-I" + build + "/include", "testdata/" + name + ".c", "-o", bin}, args...)
	out, err := exec.Command(compiler, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return bin
}

// debugging starts bin with a configuration that makes the library talk, and
// returns what it said on both streams.
func debugging(t *testing.T, bin string, env []string, args ...string) (out, told string) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, []byte("/broccoli/debug_messages yes\n"), 0o600))
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Env = append(append(os.Environ(), "BROCCOLI_CONFIG_FILE="+conf), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	require.NoError(t, err, "%s%s", b, stderr.String())
	return string(b), stderr.String()
}

// TestLoadedAtRunTime: a plugin that brings the library along may be unloaded.
func TestLoadedAtRunTime(t *testing.T) {
	bin := built(t, "cc", "loader", "-ldl")
	addr, stop := collector(t, "loaded")
	out, _ := debugging(t, bin, nil, build+"/lib/libbroccoli.so.5", addr, "3")
	require.Empty(t, out)
	require.Equal(t, map[string]int{"loaded[0]": 1, "loaded[1]": 1, "loaded[2]": 1}, stop())
}

func TestPreloaded(t *testing.T) {
	bin := built(t, "cc", "loader", "-ldl")
	addr, stop := collector(t, "loaded")
	out, _ := debugging(t, bin, []string{"LD_PRELOAD=" + build + "/lib/libbroccoli.so.5"}, "", addr, "1")
	require.Empty(t, out)
	require.Equal(t, map[string]int{"loaded[0]": 1}, stop())
}

// TestTwoCopies: a child that uses one copy of the library takes nothing from another
// one in the same process, which has a core already.
func TestTwoCopies(t *testing.T) {
	bin := built(t, "cc", "copies", "-ldl")
	copied := filepath.Join(t.TempDir(), "libbroccoli.so.5")
	besideCore(t, copied)
	front, err := os.ReadFile(build + "/lib/libbroccoli.so.5")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copied, front, 0o755))
	for name, args := range map[string][]string{"as they are": nil, "after closefrom": {"reuse"}, "late": {"reuse", "late"}} {
		left := inMode(`left 3\n`, `left 7\n`) // what wakes the core, of each, and one of the program's own
		if name == "late" {
			left = `left \d+\n`
		}
		t.Run(name, func(t *testing.T) {
			addr, stop := collector(t, "child")
			out, _ := debugging(t, bin, nil, append([]string{addr, build + "/lib/libbroccoli.so.5", copied}, args...)...)
			require.Regexp(t, "^"+left+`lost 0\n$`, out)
			require.Equal(t, map[string]int{"child[1]": 1, "child[2]": 1, "child[3]": 1, "child[4]": 1}, stop())
		})
	}
}

// besideCore puts the core into the folder of a program, as a library and as a program.
func besideCore(t *testing.T, bin string) {
	t.Helper()
	for _, name := range []string{"libbroccoli-core.so", "libbroccoli-core"} {
		core, err := os.ReadFile(build + "/lib/" + name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(bin), name), core, 0o755))
	}
}

// TestStaticLibrary: the front in the program itself, the core beside it.
func TestStaticLibrary(t *testing.T) {
	bin := built(t, "cc", "host", build+"/lib/libbroccoli.a", "-ldl", "-pthread")
	besideCore(t, bin)
	addr, stop := collector(t)
	out, _ := debugging(t, bin, nil, "connect", addr)
	require.Contains(t, out, "TRUE")
	stop()
}

// strangeCore builds a core of another release into a folder.
func strangeCore(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("cc", "-shared", "-fPIC", "testdata/strangecore.c", "-o", filepath.Join(dir, "libbroccoli-core.so")).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestCoreOfAnotherRelease is refused, and the reason told.
func TestCoreOfAnotherRelease(t *testing.T) {
	if outside() {
		t.Skip("of the core that is loaded")
	}
	bin := built(t, "cc", "host", build+"/lib/libbroccoli.a", "-ldl", "-pthread")
	strangeCore(t, filepath.Dir(bin))
	addr, _ := collector(t)
	out, told := debugging(t, bin, nil, "connect", addr)
	require.Regexp(t, `^loaded\nFALSE`, out)
	require.Contains(t, told, "is of version 0")
}

// TestFirstCauseOfNoCore: what is wrong with the core beside the library is told
// before what is wrong with the one in the folder of the installation.
func TestFirstCauseOfNoCore(t *testing.T) {
	if outside() {
		t.Skip("of the core that is loaded")
	}
	bin := built(t, "cc", "host", build+"/lib/libbroccoli.a", "-ldl", "-pthread")
	broken := filepath.Join(filepath.Dir(bin), "libbroccoli-core.so")
	require.NoError(t, os.WriteFile(broken, bytes.Repeat([]byte("no library "), 100), 0o755))
	addr, _ := collector(t)
	out, told := debugging(t, bin, nil, "connect", addr)
	require.Contains(t, out, "FALSE")
	require.Regexp(t, `cannot load the core: `+regexp.QuoteMeta(broken)+`: invalid ELF header; then: \S.*`, told)
}

// TestEnvironmentChoosesNoCore: not even where there is none in its place.
func TestEnvironmentChoosesNoCore(t *testing.T) {
	bin := built(t, "cc", "host", build+"/lib/libbroccoli.a", "-ldl", "-pthread")
	elsewhere := t.TempDir()
	strangeCore(t, elsewhere)
	addr, _ := collector(t)
	out, _ := debugging(t, bin, []string{"LD_LIBRARY_PATH=" + elsewhere}, "connect", addr)
	require.NotContains(t, out, "loaded")
}

// TestNameOfProgramChoosesNoCore: whoever starts a program names it as they like.
func TestNameOfProgramChoosesNoCore(t *testing.T) {
	bin := built(t, "cc", "host", build+"/lib/libbroccoli.a", "-ldl", "-pthread")
	besideCore(t, bin)
	elsewhere := t.TempDir()
	strangeCore(t, elsewhere)
	for _, name := range []string{elsewhere + "/host", "host"} {
		addr, _ := collector(t)
		cmd := exec.CommandContext(t.Context(), bin)
		cmd.Args = []string{name, "connect", addr}
		cmd.Dir = elsewhere
		out, err := cmd.CombinedOutput()
		require.NoError(t, err)
		require.Regexp(t, "^TRUE", string(out), "as %s", name)
	}
}

// TestFolderOfLibraryIsRelative: the core is looked for where the library was,
// and not in the folder that the program has gone to since.
func TestFolderOfLibraryIsRelative(t *testing.T) {
	addr, stop := collector(t, "detached")
	cmd := run(t, "daemon", "detach", addr, "before", "/")
	cmd.Dir = filepath.Dir(build)
	cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+filepath.Base(build)+"/lib")
	require.NoError(t, cmd.Run())
	time.Sleep(500 * time.Millisecond) // the child goes on by itself
	require.Equal(t, map[string]int{"detached[1]": 1}, stop())
}

// TestUnderValgrind: it works there, and what valgrind says of the Go runtime
// is told apart from what it says of the program.
func TestUnderValgrind(t *testing.T) {
	valgrind, err := exec.LookPath("valgrind")
	if err != nil {
		t.Skip("needs valgrind (apt-get install valgrind)")
	}
	bin := built(t, "cc", "host", "-L"+build+"/lib", "-lbroccoli")
	env := []string{"LD_LIBRARY_PATH=" + build + "/lib"}
	if cpu, err := os.ReadFile("/proc/cpuinfo"); err == nil && !strings.Contains(string(cpu), "rdtscp") {
		env = append(env, "GODEBUG=cpu.rdtscp=off") // valgrind claims it for every processor
	}
	for _, core := range []string{"library", "process"} {
		t.Run(core, func(t *testing.T) {
			conf := filepath.Join(t.TempDir(), "broccoli.conf")
			require.NoError(t, os.WriteFile(conf, []byte("/broccoli/core "+core+"\n"), 0o600))
			addr, stop := collector(t, "last")
			debugging(t, valgrind, append(env, "BROCCOLI_CONFIG_FILE="+conf), "-q", "--error-exitcode=99", "--leak-check=full",
				"--suppressions=../../../packaging/valgrind.supp", bin, "exit", addr)
			require.Equal(t, map[string]int{"last[1]": 1}, stop())
		})
	}
}
