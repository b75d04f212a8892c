package hosttest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mayBeOpen are the signals that may be open on threads of the library: faults of
// the thread itself, those that nobody can block, and those of the C library, which
// must be open.
var mayBeOpen = []string{"7", "8", "9", "11", "19", "32", "33"}

// left sorts what the library has changed, according to process.c, into what is
// expected of it, as a summary, and the rest.
func left(t *testing.T, when string, lines []string) (expected map[string]int, rest []string) {
	t.Helper()
	expected = map[string]int{}
	fault := regexp.MustCompile(`^[-+] signal (7|8|11) `)
	descriptor := regexp.MustCompile(`^\+ descriptor (\d+) cloexec=1 (anon_inode:\[event\w+\]|socket):?`)
	open := regexp.MustCompile(`^\+ open (\d+)$`)
	for _, line := range lines {
		line, ok := strings.CutPrefix(line, when+" ")
		if !ok {
			continue
		}
		switch {
		case fault.MatchString(line):
			if line[0] == '+' {
				expected["handler of "+fault.FindStringSubmatch(line)[1]]++
			}
		case descriptor.MatchString(line):
			m := descriptor.FindStringSubmatch(line)
			expected[m[2]]++
			if n, err := strconv.Atoi(m[1]); err == nil && n < 1024 {
				expected["low"]++
			}
		case line == "+ thread broccoli":
		case open.MatchString(line) && slices.Contains(mayBeOpen, open.FindStringSubmatch(line)[1]):
			expected["open "+open.FindStringSubmatch(line)[1]]++
		default:
			rest = append(rest, when+" "+line)
		}
	}
	return expected, rest
}

// noRoom is where the core is a process of its own by itself.
const noRoom = "RLIMIT_AS 128 MiB"

// TestProcess: the whole process is the same before the first connect and after it,
// but for what docs/daemons.md says.
func TestProcess(t *testing.T) {
	hosts := []struct {
		what   string
		env    []string // with these variables alone
		args   []string
		result string
		apart  string // the same, where the core is a process of its own: that has limits of its own
	}{
		{"nothing special", nil, nil, "TRUE", ""},
		{"handlers of its own", nil, []string{"handlers"}, "TRUE", ""},
		{"closed 0, 1 and 2", nil, []string{"closed"}, "TRUE", ""},
		{"small default stacks", nil, []string{"stacks"}, "TRUE", ""},
		{"a small stack of the caller", nil, []string{"thread", "16384"}, "TRUE", ""},
		{"mlockall", nil, []string{"mlockall"}, "TRUE", ""},
		{"another title", nil, []string{"title"}, "TRUE", ""},
		{"cleared environment, 3", []string{"A=1"}, []string{"environ"}, "TRUE", ""},
		{"cleared environment, 5", []string{"A=1", "B=2", "C=3"}, []string{"environ"}, "TRUE", ""},
		{"cleared environment, 7", []string{"A=1", "B=2", "C=3", "D=4", "E=5"}, []string{"environ"}, "TRUE", ""},
		{"cleared environment, 9", []string{"A=1", "B=2", "C=3", "D=4", "E=5", "F=6", "G=7"}, []string{"environ"}, "TRUE", ""},
		{"GODEBUG wants preemption", append(os.Environ(), "GODEBUG=asyncpreemptoff=0", "GOMAXPROCS=64"), nil, "TRUE", ""},
		{"RLIMIT_NOFILE 256", nil, []string{"nofile", "256"}, "TRUE", ""},
		{"RLIMIT_NOFILE 10", nil, []string{"nofile", "10"}, "FALSE", "TRUE"},
		{"RLIMIT_AS 4 GiB", nil, []string{"as", "0x100000000"}, "TRUE", ""},
		{noRoom, nil, []string{"as", "0x8000000"}, "TRUE", ""},
		{"RLIMIT_DATA 256 MiB", nil, []string{"data", "0x10000000"}, "TRUE", ""},
		{"RLIMIT_DATA 64 MiB", nil, []string{"data", "0x4000000"}, "FALSE", "TRUE"},
		{"RLIMIT_STACK 64 KiB", nil, []string{"stack", "0x10000"}, "TRUE", ""},
		{"RLIMIT_FSIZE 0", nil, []string{"fsize", "0"}, "TRUE", "FALSE"},
		{"RLIMIT_SIGPENDING 0", nil, []string{"sigpending", "0"}, "TRUE", ""},
		{"RLIMIT_CORE 0", nil, []string{"core", "0"}, "TRUE", ""},
	}
	addr, stop := collector(t)
	defer stop()
	for _, h := range hosts {
		apart := outside() || h.what == noRoom
		if apart {
			h.result = cmp.Or(h.apart, h.result)
		}
		t.Run(h.what, func(t *testing.T) {
			cmd := run(t, "process", append([]string{addr}, h.args...)...)
			if h.env != nil {
				cmd.Env = append(h.env, cmd.Env[len(cmd.Env)-2:]...)
			}
			out, err := cmd.Output()
			require.NoError(t, err, "%s", out)
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			require.Equal(t, h.result, lines[0])
			if apart {
				few := strings.HasPrefix(h.what, "RLIMIT_NOFILE")
				requireDescriptorsAlone(t, "connect", lines, few, 6)
				requireDescriptorsAlone(t, "delete", lines, few, 1)
				return
			}
			expected, rest := left(t, "connect", lines)
			assert.Empty(t, rest)
			ended, rest := left(t, "delete", lines)
			assert.Empty(t, rest)
			t.Log(summary(expected), "; after delete:", summary(ended))
			if h.result == "FALSE" {
				assert.NotContains(t, expected, "handler of 11")
				return
			}
			for _, e := range []map[string]int{expected, ended} {
				for _, n := range []string{"7", "8", "11"} {
					assert.Equal(t, 1, e["handler of "+n])
				}
				assert.Equal(t, e["open 33"], e["open 32"])
				assert.Equal(t, e["open 33"], e["open 11"], "each thread has these open")
				assert.Equal(t, 1, e["anon_inode:[eventpoll]"])
			}
			if strings.HasPrefix(h.what, "nothing") {
				assert.Equal(t, 1, expected["low"], "which the host waits for")
			}
			assert.Equal(t, 1, expected["socket"])
			assert.Zero(t, ended["socket"])
			assert.Equal(t, 1, ended["anon_inode:[eventfd]"], "the runtime's own")
		})
	}
}

// requireDescriptorsAlone: nothing else differs, nor are they more than that: to the core for the
// process, and for a connection; the memory of that; what wakes the core; what wakes the host, and
// what the host waits on, which is the only low one.
func requireDescriptorsAlone(t *testing.T, when string, lines []string, low bool, most int) {
	t.Helper()
	descriptor := regexp.MustCompile(`^\+ descriptor (\d+) cloexec=1 (anon_inode:\[event(fd|poll)\]|socket:\[\d+\]|/memfd:broccoli \(deleted\))$`)
	var found, lows int
	for _, line := range lines {
		line, ok := strings.CutPrefix(line, when+" ")
		if !ok {
			continue
		}
		m := descriptor.FindStringSubmatch(line)
		if !assert.NotNil(t, m, line) {
			continue
		}
		found++
		if n, err := strconv.Atoi(m[1]); err == nil && n < 1024 && m[2] != "anon_inode:[eventpoll]" {
			lows++
		}
	}
	assert.LessOrEqual(t, found, most)
	assert.True(t, low || lows == 0, "%d low ones", lows)
}

func summary(m map[string]int) string {
	var parts []string
	for what, n := range m {
		if !strings.HasPrefix(what, "open ") && what != "low" {
			parts = append(parts, fmt.Sprintf("%s: %d", what, n))
		}
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}

// TestClosedDescriptors: a host that has closed our descriptors and has taken their
// numbers loses the connection, and nothing else.
func TestClosedDescriptors(t *testing.T) {
	t.Parallel()
	addr, stop := collector(t, "tick")
	defer stop()
	for _, file := range []string{filepath.Join(t.TempDir(), "file"), "eventfd", "timerfd", "signal"} {
		for _, args := range [][]string{nil, {"idle"}} {
			t.Run(filepath.Base(file)+" "+strings.Join(args, ""), func(t *testing.T) {
				out, err := run(t, "closing", append([]string{addr, file}, args...)...).Output()
				require.NoError(t, err, "%s", out)
				written := "0"
				if args == nil { // a send within the moment that it takes to notice wakes nobody
					written = "(0|8)"
				}
				if args == nil && file == "eventfd" {
					written = "(0|1)"
				}
				require.Regexp(t, "^low 1\nchild 0\nalive 0\nclosed 0\nwritten "+written+"\nagain 1\n$", string(out))
			})
		}
	}
}

// TestClosedFiles: nor does such a host lose what it has put in the place of the files
// that the core keeps open, or of a socket that it was given.
func TestClosedFiles(t *testing.T) {
	t.Parallel()
	addr, stop := collector(t, "tick")
	defer stop()
	dir := t.TempDir()
	for _, c := range []struct{ name, addr, conf, low string }{
		{"spool", addr, "/broccoli/spool_dir " + t.TempDir(), "2"}, // with the lock
		{"spool, synced", addr, "/broccoli/spool_dir " + t.TempDir() + "\n/broccoli/spool_sync 0", "2"},
		{"stats", addr, "/broccoli/stats_interval 1\n/broccoli/stats_file " + dir + "/stats", "1"},
		{"refused", addr, "/broccoli/confirm yes\n/broccoli/refused_file " + dir + "/refused", "1"},
		{"given socket of the machine", relay(t, addr), "", "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := filepath.Join(t.TempDir(), "broccoli.conf")
			require.NoError(t, os.WriteFile(conf, []byte(c.conf+"\n"), 0o600))
			for _, args := range [][]string{nil, {"idle"}} {
				file := filepath.Join(t.TempDir(), "file")
				cmd := run(t, "closing", append([]string{c.addr, file}, args...)...)
				cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
				out, err := cmd.Output()
				require.NoError(t, err, "%s", out)
				require.Regexp(t, "^low "+c.low+"\nchild 0\nalive 0\nclosed 0\nwritten (0|8)\nagain 1\n$", string(out))
			}
		})
	}
}

// relay listens on a socket of the machine, and connects each peer with addr.
func relay(t *testing.T, addr string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", addr)
			if err != nil {
				_ = from.Close()
				return
			}
			for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
				go func() {
					_, _ = io.Copy(way[0], way[1])
					_ = way[0].Close()
				}()
			}
		}
	}()
	return path
}

// TestClosedWaker: nothing is written to an eventfd of the host that has got the number
// of the one that wakes the runtime.
func TestClosedWaker(t *testing.T) {
	if outside() {
		t.Skip("there is no runtime in the host, and nothing that wakes it")
	}
	addr, stop := collector(t)
	defer stop()
	out, err := run(t, "poller", addr).Output()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "written 0\nopen 1\nagain 1\n", string(out))
}

// TestFaults: a fault of the host does what it does without the library, in a child
// of fork() too, which has nothing of the core but its code.
func TestFaults(t *testing.T) {
	addr, stop := collector(t)
	defer stop()
	out, err := runFor(t, 5*time.Minute, "faults", addr).Output()
	require.NoError(t, err, "%s", out)
	require.Equal(t, 36, strings.Count(string(out), "\n"))
	require.NotContains(t, string(out), "DIFFER")
}

// TestRefusedCalls: whichever system call is refused, a connect is TRUE or FALSE.
func TestRefusedCalls(t *testing.T) {
	t.Parallel()
	addr, stop := collector(t, "tick")
	defer stop()
	out, err := runFor(t, 10*time.Minute, "filtered", addr, "0", "462").Output()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `^FALSE \d+ TRUE \d+\n$`, string(out))
	t.Log(strings.TrimSpace(string(out)))
}

// TestMemory: the core's reservations do not become resident where a host has locked
// its memory, and a child of fork() does not keep the core's heap.
func TestMemory(t *testing.T) {
	addr, stop := collector(t)
	defer stop()
	out, err := run(t, "memory", addr).Output()
	require.NoError(t, err, "%s: mlockall() may need a higher RLIMIT_MEMLOCK", out)
	var resident, left int
	_, err = fmt.Sscanf(string(out), "resident %d\nleft %d\n", &resident, &left)
	require.NoError(t, err, "%s", out)
	if outside() { // the host has nothing of it, nor has a child anything to lose
		assert.Less(t, resident, 300)
		assert.GreaterOrEqual(t, left, 0)
	} else {
		assert.Less(t, resident, 24<<10)
		assert.Greater(t, left, 30<<10)
	}
	t.Logf("resident %d KiB more, a child has %d KiB less", resident, left)
}

// TestNobodyBlocksTheCLibrary: setuid() and the like wait for all threads, and none of
// ours may wait with the signal for that blocked.
func TestNobodyBlocksTheCLibrary(t *testing.T) {
	t.Parallel()
	addr, stop := collector(t)
	defer stop()
	for _, threads := range []string{"4", "8"} {
		out, err := run(t, "storm", addr, "20", threads).Output()
		require.NoError(t, err)
		require.Equal(t, "end\n", string(out))
	}
}

// TestBrokenStandardError: what the core has to say costs nobody his life.
func TestBrokenStandardError(t *testing.T) {
	addr, stop := collector(t)
	defer stop()
	out, err := run(t, "brokenerr", addr).Output()
	require.NoError(t, err)
	require.Equal(t, "connect 1\nend\n", string(out))
}

// TestConstructorOfPlugin: a first connect while dlopen() runs, which has the lock
// that loading the core needs.
func TestConstructorOfPlugin(t *testing.T) {
	plugin := built(t, "cc", "plugin", "-shared", "-fPIC", "-L"+build+"/lib", "-lbroccoli")
	loader := built(t, "cc", "plugin", "-DHOST", "-ldl")
	addr, stop := collector(t, "tick")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, loader, plugin)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+build+"/lib", "PEER="+addr,
		"BROCCOLI_CONFIG_FILE="+emptyConfiguration(t))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "connect 1\nnameless 0\nloaded\n", string(out))
	require.Equal(t, map[string]int{"tick[]": 1}, stop())
}

// TestLeakSanitizer: a host that is built with it finds nothing of ours to complain of.
func TestLeakSanitizer(t *testing.T) {
	bin := built(t, "cc", "host", "-fsanitize=address", "-L"+build+"/lib", "-lbroccoli", "-pthread")
	addr, stop := collector(t, "last")
	defer stop()
	cmd := exec.CommandContext(t.Context(), bin, "connect", addr)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+build+"/lib", "BROCCOLI_CONFIG_FILE="+emptyConfiguration(t),
		"ASAN_OPTIONS=detect_leaks=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "LeakSanitizer")
	require.Contains(t, string(out), "TRUE")
}

func emptyConfiguration(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	return name
}
