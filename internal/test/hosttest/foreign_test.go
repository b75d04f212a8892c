package hosttest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// foreign is a kind of programs that cannot load the core.
type foreign struct {
	name   string
	cc     []string
	front  string   // its library's: of fronts; "" for the ordinary one
	link   []string // how it is linked to that; %s is the folder
	needed string   // the package without which there is none
}

var foreigners = []foreign{
	{"static", []string{"cc", "-static"}, "", []string{"%s/libbroccoli.a"}, "libc6-dev"},
	{"musl", []string{"musl-gcc"}, "musl", []string{"-L%s", "-lbroccoli", "-Wl,-rpath,%s"}, "musl-tools"},
	{"static musl", []string{"musl-gcc", "-static"}, "musl", []string{"%s/libbroccoli.a"}, "musl-tools"},
	{"32 bits", []string{"cc", "-m32"}, "i386", []string{"-L%s", "-lbroccoli", "-Wl,-rpath,%s"}, "gcc-multilib"},
	{"static 32 bits", []string{"cc", "-m32", "-static"}, "i386", []string{"%s/libbroccoli.a"}, "gcc-multilib"},
}

// fronts are the compilers of fronts that are not the ordinary one, by the name of their folder.
var fronts = map[string]string{"musl": "musl-gcc", "i386": "cc -m32"}

// front builds a front, once, and returns the folder that it is installed in.
func front(t *testing.T, name string) string {
	t.Helper()
	programs.Lock()
	defer programs.Unlock()
	dir, err := programDir()
	require.NoError(t, err)
	dir = filepath.Join(dir, name)
	if programs.made["front "+name] {
		return dir
	}
	cmd := exec.Command("make", "-s", "-C", "../../..", "front", "CC="+fronts[name], "BUILD="+dir, "COREDIR="+build+"/lib", "WERROR=1")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	programs.made["front "+name] = true
	return dir
}

// compiles reports whether there is such a compiler, with its C library.
func (f foreign) compiles(t *testing.T) bool {
	t.Helper()
	src := filepath.Join(t.TempDir(), "main.c")
	require.NoError(t, os.WriteFile(src, []byte("#include <stdlib.h>\nint main(void) { return 0; }\n"), 0o600))
	return exec.Command(f.cc[0], append(f.cc[1:], src, "-o", filepath.Join(t.TempDir(), "main"))...).Run() == nil
}

// program compiles a file, once, and puts the core beside what comes of it.
func (f foreign) program(t *testing.T, source string) string {
	t.Helper()
	dir := build
	if f.front != "" {
		dir = front(t, f.front)
	}
	programs.Lock()
	defer programs.Unlock()
	root, err := programDir()
	require.NoError(t, err)
	bin := filepath.Join(root, f.name, strings.TrimSuffix(filepath.Base(source), ".c"))
	if programs.made[bin] {
		return bin
	}
	args := append(slices.Clone(f.cc[1:]), "-D_GNU_SOURCE", "-std=c11", "-g", "-pthread", "-I"+build+"/include", source, "-o", bin)
	for _, l := range f.link {
		args = append(args, strings.ReplaceAll(l, "%s", dir+"/lib"))
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(bin), 0o700))
	out, err := exec.Command(f.cc[0], args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	besideCore(t, bin)
	programs.made[bin] = true
	return bin
}

// run is a command that runs a program with an empty configuration, where the core is a
// process by itself.
func (f foreign) run(t *testing.T, bin string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = append(os.Environ(), "BROCCOLI_CONFIG_FILE="+emptyConfiguration(t))
	cmd.Stderr = os.Stderr
	return cmd
}

// eachForeign runs a test of each kind of programs of which there is a compiler.
func eachForeign(t *testing.T, test func(t *testing.T, f foreign)) {
	t.Helper()
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	for _, f := range foreigners {
		t.Run(f.name, func(t *testing.T) {
			if !f.compiles(t) {
				t.Skipf("needs %s with its C library (apt-get install %s)", strings.Join(f.cc, " "), f.needed)
			}
			test(t, f)
		})
	}
}

// arrives runs a program that sends, and returns what the collector has written of that,
// without what is another each time.
func arrives(t *testing.T, events int, cmd func(addr string) *exec.Cmd) string {
	t.Helper()
	c := collectorWith(t, "127.0.0.1:0", "-event", "everytype", "/.*/")
	out, err := cmd(c.addr).Output()
	require.NoError(t, err, "%s", out)
	var written []byte
	require.Eventually(t, func() bool {
		written, err = os.ReadFile(c.out)
		return err == nil && bytes.Count(written, []byte{'\n'}) >= events
	}, 20*time.Second, 10*time.Millisecond)
	c.stop()
	return string(regexp.MustCompile(`"(ts":\d[\d.]*|peer":"[^"]*")`).ReplaceAll(written, nil))
}

// TestForeignProgramsSend: each event of a sensor, and a value of each type, arrive as they do
// from a program that has loaded the core.
func TestForeignProgramsSend(t *testing.T) {
	for source, events := range map[string]int{"../../../examples/sensor_sshd.c": 16, "testdata/everytype.c": 1} {
		t.Run(filepath.Base(source), func(t *testing.T) {
			var want string
			eachForeign(t, func(t *testing.T, f foreign) {
				if want == "" {
					ordinary := foreign{name: "ordinary", cc: []string{"cc"}, link: []string{"%s/libbroccoli.a"}}
					bin := ordinary.program(t, source)
					want = arrives(t, events, func(addr string) *exec.Cmd { return ordinary.run(t, bin, addr) })
					require.Equal(t, events, strings.Count(want, "\n"), "%s", want)
				}
				bin := f.program(t, source)
				require.Equal(t, want, arrives(t, events, func(addr string) *exec.Cmd { return f.run(t, bin, addr) }))
			})
		})
	}
}

// TestForeignProgramsReceive every kind of value, and large ones, and send them back.
func TestForeignProgramsReceive(t *testing.T) {
	eachForeign(t, func(t *testing.T, f foreign) {
		bin := f.program(t, "testdata/host.c")
		valuesComeBack(t, func(addr string) *exec.Cmd { return f.run(t, bin, "echo", addr) })
	})
}

// TestForeignProgramsSendLarge events, which do not go through the ring.
func TestForeignProgramsSendLarge(t *testing.T) {
	const n, size = 60, 1 << 20
	eachForeign(t, func(t *testing.T, f foreign) {
		bin := f.program(t, "testdata/host.c")
		addr, wait := serve(t, peer.Config{Requests: []string{"flood"}}, func(p *peer.Conn) error {
			var ev event.Event
			for i := range uint64(n) {
				if err := p.Next(&ev); err != nil {
					return err
				}
				if ev.Args[0].Bits != i || len(ev.Args[1].Bytes) != size {
					return fmt.Errorf("event %d has number %d, and %d bytes", i, ev.Args[0].Bits, len(ev.Args[1].Bytes))
				}
			}
			return drain(p)
		})
		out, err := f.run(t, bin, "flood", addr, strconv.Itoa(n), strconv.Itoa(size)).Output()
		require.NoError(t, err, "%s", out)
		require.NoError(t, wait())
	})
}

// TestForeignProgramsFork: the events of each process arrive, and each exactly once.
func TestForeignProgramsFork(t *testing.T) {
	eachForeign(t, func(t *testing.T, f foreign) {
		bin := f.program(t, "testdata/host.c")
		addr, stop := collector(t, "parent", "child", "grandchild")
		out, err := f.run(t, bin, "fork", addr, "3").Output()
		require.NoError(t, err, "%s", out)
		want := map[string]int{"parent[0]": 1, "parent[1]": 1, "parent[2]": 1}
		for i := range 3 {
			want[fmt.Sprintf("child[%d]", i)] = 1
			want[fmt.Sprintf("grandchild[%d]", i)] = 1
		}
		require.Equal(t, want, stop())
	})
}

// TestForeignProgramsCancel a thread that is in a handler: a static one unwinds with what it has
// itself.
func TestForeignProgramsCancel(t *testing.T) {
	eachForeign(t, func(t *testing.T, f foreign) {
		addr, wait := serve(t, peer.Config{}, func(p *peer.Conn) error {
			for !p.Wants("in") {
				time.Sleep(time.Millisecond)
			}
			if err := p.Send(&event.Event{Name: "in", Args: []event.Value{}}); err != nil {
				return err
			}
			if err := p.Flush(); err != nil {
				return err
			}
			return drain(p)
		})
		out, err := f.run(t, f.program(t, "testdata/cancelled.c"), addr).Output()
		require.NoError(t, err, "%s", out)
		require.Equal(t, "entered 1 cancelled 1\n", string(out))
		require.NoError(t, wait())
	})
}

// TestForeignProgramsLoadNothing: where the configuration asks for the core within the process
// all the same, a connect is FALSE and says what to do.
func TestForeignProgramsLoadNothing(t *testing.T) {
	eachForeign(t, func(t *testing.T, f foreign) {
		conf := filepath.Join(t.TempDir(), "broccoli.conf")
		require.NoError(t, os.WriteFile(conf, []byte("/broccoli/core library\n/broccoli/debug_messages yes\n"), 0o600))
		addr, _ := collector(t)
		out, told := debugging(t, f.program(t, "testdata/host.c"), []string{"BROCCOLI_CONFIG_FILE=" + conf}, "connect", addr)
		require.Contains(t, out, "FALSE")
		require.Contains(t, told, "glibc")
		require.Contains(t, told, "/broccoli/core")
	})
}
