package install

import (
	"bufio"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	root   = "../../.."
	libDir = "/usr/lib/x86_64-linux-gnu" // on any machine: it is only a name here
)

var (
	once      sync.Once
	shared    string // the tree of most tests, which leave it as it is
	makeError error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if shared != "" {
		_ = os.RemoveAll(shared)
	}
	os.Exit(code)
}

// tree returns the folder that an installation went to.
func tree(t *testing.T) string {
	t.Helper()
	build := os.Getenv("ROMANESCO_BUILD")
	if build == "" {
		t.Skip("ROMANESCO_BUILD does not say where the built library is: use make test")
	}
	once.Do(func() {
		if shared, makeError = os.MkdirTemp("", "install"); makeError == nil {
			makeError = run(makeIn(shared, "install"))
		}
	})
	require.NoError(t, makeError)
	return shared
}

// makeIn returns make with the target, in a build of its own, since the paths
// are part of it.
func makeIn(dest, target string) *exec.Cmd {
	cmd := exec.Command("make", "--no-print-directory", "-C", root, target,
		"BUILD="+filepath.Join(os.Getenv("ROMANESCO_BUILD"), "install-test"), "DESTDIR="+dest,
		"PREFIX=/usr", "LIBDIR="+libDir, "COREDIR="+libDir, "SYSCONFDIR=/etc", "MANDIR=/usr/share/man",
		"UNITDIR=/lib/systemd/system")
	// The make that runs the tests has flags and jobs of its own.
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKELEVEL"}, name) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}

type failure struct {
	cmd *exec.Cmd
	err error
	out string
}

func (f failure) Error() string { return f.cmd.String() + ": " + f.err.Error() + "\n" + f.out }

func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return failure{cmd, err, string(out)}
	}
	return nil
}

// output returns what a command prints, without the last line end.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err, cmd)
	return strings.TrimSpace(string(out))
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				names = append(names, info.Mode().String()+" "+strings.TrimPrefix(path, dir))
			}
		}
		return err
	}))
	return names
}

func TestFiles(t *testing.T) {
	const plain, program, link = "-rw-r--r-- ", "-rwxr-xr-x ", "Lrwxrwxrwx "
	require.ElementsMatch(t, []string{
		plain + "/etc/broccoli.conf",
		plain + "/etc/default/broccoli-collector",
		plain + "/lib/systemd/system/broccoli-collector.service",
		program + "/usr/bin/broccoli-collector",
		program + "/usr/bin/broccoli-config",
		plain + "/usr/include/broccoli.h",
		plain + "/usr/include/romanesco.h",
		plain + libDir + "/cmake/Broccoli/BroccoliConfig.cmake",
		plain + libDir + "/cmake/Broccoli/BroccoliConfigVersion.cmake",
		program + libDir + "/libbroccoli-core",
		program + libDir + "/libbroccoli-core.so",
		plain + libDir + "/libbroccoli.a",
		link + libDir + "/libbroccoli.so",
		link + libDir + "/libbroccoli.so.5",
		program + libDir + "/libbroccoli.so.5.1.0",
		plain + libDir + "/pkgconfig/broccoli.pc",
		plain + "/usr/share/broccoli/valgrind.supp",
		plain + "/usr/share/man/man1/broccoli-config.1",
		plain + "/usr/share/man/man3/libbroccoli.3",
		plain + "/usr/share/man/man5/broccoli.conf.5",
		plain + "/usr/share/man/man8/broccoli-collector.8",
	}, files(t, tree(t)))
}

// TestNothingIsLeftToFill: the templates have had their values.
func TestNothingIsLeftToFill(t *testing.T) {
	dest := tree(t)
	for _, name := range []string{
		"/usr/bin/broccoli-config", libDir + "/pkgconfig/broccoli.pc",
		libDir + "/cmake/Broccoli/BroccoliConfig.cmake", libDir + "/cmake/Broccoli/BroccoliConfigVersion.cmake",
		"/usr/share/man/man3/libbroccoli.3", "/usr/share/man/man5/broccoli.conf.5",
		"/lib/systemd/system/broccoli-collector.service",
	} {
		b, err := os.ReadFile(dest + name)
		require.NoError(t, err)
		require.NotRegexp(t, `@[A-Z]+@`, string(b), name)
		require.NotContains(t, string(b), dest, name)
	}
}

// TestConfigurationIsKept: neither a second installation nor the removal touches
// a file that the administrator has changed.
func TestConfigurationIsKept(t *testing.T) {
	tree(t)
	dest := t.TempDir()
	require.NoError(t, run(makeIn(dest, "install")))
	conf := dest + "/etc/broccoli.conf"
	const changed = "/broccoli/debug_messages yes\n"
	require.NoError(t, os.WriteFile(conf, []byte(changed), 0o600))
	require.NoError(t, os.Chmod(conf, 0o600))
	require.NoError(t, run(makeIn(dest, "install")))
	require.NoError(t, run(makeIn(dest, "uninstall")))
	require.Equal(t, []string{"-rw------- /etc/broccoli.conf"}, files(t, dest))
	b, err := os.ReadFile(conf)
	require.NoError(t, err)
	require.Equal(t, changed, string(b))
}

func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skip(program + " is not installed")
	}
	return path
}

func compiler() string {
	if cc := os.Getenv("CC"); cc != "" {
		return cc
	}
	return "cc"
}

// compile builds the sensor with the flags, and returns where it is.
func compile(t *testing.T, flags ...string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "sensor")
	args := append(strings.Fields(compiler()), "-D_GNU_SOURCE", "-std=c11", "-Wall", "-Wextra", "-Werror",
		root+"/examples/sensor_sshd.c", "-o", bin)
	require.NoError(t, run(exec.Command(args[0], append(args[1:], flags...)...)))
	return bin
}

// requireSends runs a sensor against the collector that is installed in dest.
func requireSends(t *testing.T, dest, sensor string, env ...string) {
	t.Helper()
	collector := exec.Command(dest+"/usr/bin/broccoli-collector", "-listen", "127.0.0.1:0")
	var lines strings.Builder
	collector.Stdout = &lines
	log, err := collector.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, collector.Start())
	t.Cleanup(func() { _ = collector.Process.Kill() })
	logged := bufio.NewReader(log)
	first, err := logged.ReadString('\n')
	require.NoError(t, err)
	address := regexp.MustCompile(`listening on (\S+)`).FindStringSubmatch(first)
	require.NotNil(t, address, first)

	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, []byte("/broccoli/debug_messages yes\n"), 0o600))
	cmd := exec.Command(sensor, address[1])
	cmd.Env = append(append(os.Environ(), "LD_LIBRARY_PATH=", "BROCCOLI_CONFIG_FILE="+conf), env...)
	require.NoError(t, run(cmd))
	// It logs a line for the peer, and the totals when it is told to end.
	_, err = logged.ReadString('\n')
	require.NoError(t, err)
	time.Sleep(100 * time.Millisecond)
	require.NoError(t, collector.Process.Signal(syscall.SIGTERM))
	for err == nil {
		_, err = logged.ReadString('\n')
	}
	require.NoError(t, collector.Wait())
	require.Equal(t, 16, strings.Count(lines.String(), "\n"), lines.String())
}

func withLibraries(t *testing.T) string { return "LD_LIBRARY_PATH=" + tree(t) + libDir }

func TestBroccoliConfig(t *testing.T) {
	dest := tree(t)
	config := dest + "/usr/bin/broccoli-config"
	version, err := os.ReadFile(root + "/VERSION")
	require.NoError(t, err)
	require.Equal(t, "Romanesco "+strings.TrimSpace(string(version)), output(t, exec.Command(config, "--build")))
	require.Equal(t, compatible, output(t, exec.Command(config, "--version")))
	require.Equal(t, "/etc/broccoli.conf", output(t, exec.Command(config, "--config")))
	require.Equal(t, "-DBROCCOLI\n-L"+libDir+" -lbroccoli", output(t, exec.Command(config, "--cflags", "--libs")))
	require.Error(t, exec.Command(config).Run())

	flags := output(t, exec.Command(config, "--prefix="+dest+"/usr", "--cflags", "--libs"))
	requireSends(t, dest, compile(t, strings.Fields(flags)...), withLibraries(t))
}

func pkgConfig(t *testing.T, args ...string) []string {
	t.Helper()
	dest := tree(t)
	cmd := exec.Command(need(t, "pkg-config"), append(args, "broccoli")...)
	cmd.Env = append(os.Environ(), "PKG_CONFIG_LIBDIR="+dest+libDir+"/pkgconfig", "PKG_CONFIG_PATH=",
		"PKG_CONFIG_SYSROOT_DIR="+dest, "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1", "PKG_CONFIG_ALLOW_SYSTEM_LIBS=1")
	return strings.Fields(output(t, cmd))
}

// compatible is the version of libbroccoli that what checks for one is to find.
const compatible = "1.100"

func TestPkgConfigVersion(t *testing.T) {
	version, err := os.ReadFile(root + "/VERSION")
	require.NoError(t, err)
	require.Equal(t, []string{compatible}, pkgConfig(t, "--modversion"))
	require.Equal(t, strings.Fields(string(version)), pkgConfig(t, "--variable=romanesco_version"))
	require.Empty(t, pkgConfig(t, "--print-errors", "--atleast-version=1.54")) // and no failure
}

func TestPkgConfig(t *testing.T) {
	requireSends(t, tree(t), compile(t, pkgConfig(t, "--cflags", "--libs")...), withLibraries(t))
}

// TestStatic: the front in the program, the core beside it.
func TestStatic(t *testing.T) {
	dest := tree(t)
	sensor := compile(t, "-I"+dest+"/usr/include", dest+libDir+"/libbroccoli.a", "-ldl", "-lpthread")
	require.NotContains(t, output(t, exec.Command("readelf", "-d", sensor)), "libbroccoli")
	require.NoError(t, os.Symlink(dest+libDir+"/libbroccoli-core.so", filepath.Join(filepath.Dir(sensor), "libbroccoli-core.so")))
	requireSends(t, dest, sensor)
}

func TestPkgConfigStatic(t *testing.T) {
	flags := pkgConfig(t, "--static", "--libs")
	require.Subset(t, flags, []string{"-ldl", "-lpthread"})

	// A program that can load nothing has the core as a process of its own.
	dest := tree(t)
	sensor := compile(t, append([]string{"-static", "-I" + dest + "/usr/include"}, flags...)...)
	require.NotContains(t, output(t, exec.Command("readelf", "-d", sensor)), "NEEDED")
	require.NoError(t, os.Symlink(dest+libDir+"/libbroccoli-core", filepath.Join(filepath.Dir(sensor), "libbroccoli-core")))
	requireSends(t, dest, sensor)
}

func TestCMake(t *testing.T) {
	cmake := need(t, "cmake")
	dest := tree(t)
	dir := t.TempDir()
	source, err := os.ReadFile(root + "/examples/sensor_sshd.c")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/sensor_sshd.c", source, 0o600))
	require.NoError(t, os.WriteFile(dir+"/CMakeLists.txt", []byte(`
cmake_minimum_required(VERSION 3.16)
project(sensor LANGUAGES C)
find_package(Broccoli 0.1 REQUIRED)
add_compile_definitions(_GNU_SOURCE)
add_executable(sensor sensor_sshd.c)
target_link_libraries(sensor Broccoli::broccoli)
add_executable(sensor_static sensor_sshd.c)
target_link_libraries(sensor_static Broccoli::broccoli_static)
add_executable(sensor_alone sensor_sshd.c)
target_link_libraries(sensor_alone -static Broccoli::broccoli_static)
`), 0o600))
	require.NoError(t, run(exec.Command(cmake, "-S", dir, "-B", dir+"/build",
		"-DBroccoli_DIR="+dest+libDir+"/cmake/Broccoli", "-DCMAKE_C_COMPILER="+compiler())))
	require.NoError(t, run(exec.Command(cmake, "--build", dir+"/build")))
	requireSends(t, dest, dir+"/build/sensor")
	require.NoError(t, os.Symlink(dest+libDir+"/libbroccoli-core.so", dir+"/build/libbroccoli-core.so"))
	requireSends(t, dest, dir+"/build/sensor_static")
	require.NoError(t, os.Symlink(dest+libDir+"/libbroccoli-core", dir+"/build/libbroccoli-core"))
	requireSends(t, dest, dir+"/build/sensor_alone")
}

// configure has CMake configure a project of those lines.
func configure(t *testing.T, lines ...string) (dir string, err error) {
	t.Helper()
	cmake := need(t, "cmake")
	dir = t.TempDir()
	source, err := os.ReadFile(root + "/examples/sensor_sshd.c")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/sensor_sshd.c", source, 0o600))
	lines = append([]string{"cmake_minimum_required(VERSION 3.16)", "project(sensor LANGUAGES C)"}, lines...)
	require.NoError(t, os.WriteFile(dir+"/CMakeLists.txt", []byte(strings.Join(lines, "\n")), 0o600))
	return dir, run(exec.Command(cmake, "-S", dir, "-B", dir+"/build",
		"-DBroccoli_DIR="+tree(t)+libDir+"/cmake/Broccoli", "-DCMAKE_C_COMPILER="+compiler()))
}

func TestCMakeVersions(t *testing.T) {
	for asked, found := range map[string]bool{
		"": true, "0.1": true, "1.54": true, "1.100": true, "1.100 EXACT": true, "1.0...1.99": false, "1.0...<1.100": false, "1.0...2": true,
		"0.1.0 EXACT": false, "1.101": false, "99": false,
	} {
		_, err := configure(t, "find_package(Broccoli "+asked+" REQUIRED)")
		if found {
			require.NoError(t, err, asked)
		} else {
			require.ErrorContains(t, err, "version", asked)
		}
	}
}

// TestCMakeOfOldProjects: the variables of both spellings of FindBroccoli.cmake.
func TestCMakeOfOldProjects(t *testing.T) {
	for _, name := range []string{"Broccoli", "BROCCOLI"} {
		for _, plural := range [][2]string{{"LIBRARIES", "INCLUDE_DIR"}, {"LIBRARY", "INCLUDE_DIRS"}} {
			dir, err := configure(t,
				"find_package(Broccoli)",
				"if(NOT BROCCOLI_FOUND OR NOT Broccoli_FOUND OR "+name+"_VERSION VERSION_LESS 1.54)",
				`  message(FATAL_ERROR "Broccoli is needed")`,
				"endif()",
				"add_compile_definitions(_GNU_SOURCE)",
				"include_directories(${"+name+"_"+plural[1]+"})",
				"add_executable(sensor sensor_sshd.c)",
				"target_link_libraries(sensor ${"+name+"_"+plural[0]+"})")
			require.NoError(t, err)
			require.NoError(t, run(exec.Command("cmake", "--build", dir+"/build")))
			requireSends(t, tree(t), dir+"/build/sensor")
		}
	}
}
