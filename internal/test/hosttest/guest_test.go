package hosttest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A guest is a program of testdata/guest, a host that does what hosts do, and
// what is to come of it. In args and env, P1 and P2 are the addresses of
// collectors, PID1 and PID2 these processes, PROXY cuts connections to P1 again
// and again, and DIR is the folder of the programs. Others are guestPeers.
type guest struct {
	name    string // of the test, where that of the program does not say enough
	program string
	args    string
	env     []string // instead of the test's own, but for what finds the library; nil: that
	conf    string   // SPOOL is an empty folder
	then    string   // a second program with its arguments
	root    bool

	limit  time.Duration // after which it is hung; a minute if none is given
	prints string        // all of it, as a regular expression
	// How often each event is to arrive at any collector, by its name: a number,
	// or a group of prints ("$1"), with "+" behind it for at least so often.
	// Nothing else is to arrive, and nothing twice, unless something may.
	arrives map[string]string
	twice   bool
}

func guests() []guest {
	list := []guest{
		{program: "rlim", args: "P1", prints: `after 256, hard limit as before\nchild 256\n`},
		{program: "onstack", args: "P1", prints: `before the connect: fine\n0 handlers changed\nafter the connect: fine\n`},
		{program: "reconn1", args: "P1", prints: `accepted (1001), reconnect 1\n`, arrives: map[string]string{"tick": "$1"}},
		{
			program: "plughost", args: "DIR/plug.so", env: []string{"PEER=P1"}, limit: 20 * time.Second,
			prints: `connect 1\nloaded\n`, arrives: map[string]string{"tick": "1"},
		},
		{
			program: "exitrace", args: "P1 100", prints: `accepted (\d+), refused \d+, status 0\n`,
			arrives: map[string]string{"tick": "$1+"}, // the last may be written and not counted
		},
		{
			name: "exitrace reconnect", program: "exitrace", args: "P1 100 1", prints: `accepted (\d+), refused \d+, status 0\n`,
			arrives: map[string]string{"tick": "$1+"},
		},
		{
			program: "exitspool", args: "P1 P2 PID1", conf: "/broccoli/spool_dir SPOOL\n", then: "adopt P2",
			prints:  `accepted (\d+), refused \d+, status 0\n`,
			arrives: map[string]string{"tick": "$1+", "child": "1"}, twice: true,
		},
		{program: "rdata", args: "P1 8 200 4", prints: `(\d+ MiB: (TRUE|FALSE)\n)+`},
		{program: "closefrom", args: "P1", limit: 20 * time.Second, prints: `connected\nalive 0\nend\n`, arrives: any0("tick")},
		{program: "sigpipe", args: "P1", prints: `connect 1\nend\n`, arrives: map[string]string{"tick": "10"}},
		{
			program: "cancelclose", args: "P1 PID1", limit: 20 * time.Second,
			prints: `worker (cancelled|returned)\nsend 0\ndelete 1\n`,
		},
		{program: "hijack", args: "P1", prints: `child: send 1\nchild: 0 of 20 eventfds lost\nstatus 0\n`, arrives: map[string]string{"child": "1"}},
		{program: "exitfork", args: "P1 PID1", limit: 20 * time.Second, prints: `exit\n(forked\n)?`},
		{
			program: "exitinside", args: "P1 12", limit: 90 * time.Second, prints: `12 ended\n`,
			arrives: any0("tick"), twice: true,
		},
		{
			program: "flushmany", args: "P1 10 1000", prints: `(\d+) accepted, 0 failed\n`,
			arrives: map[string]string{"tick": "$1"},
		},
		{
			name: "flushmany confirm", program: "flushmany", args: "P1 10 1000", conf: "/broccoli/confirm yes\n",
			prints: `(\d+) accepted, 0 failed\n`, arrives: map[string]string{"tick": "$1"},
		},
		{
			program: "atforkfirst", args: "P1 LIBRARY", prints: `connect 1\nstatus 0\n`,
			arrives: map[string]string{"child": "1", "tick": "1"},
		},
		{program: "header", prints: `Success, 1\n`},
	}
	for n := 3; n < 10; n++ {
		env := []string{}
		for i := 2; i < n; i++ {
			env = append(env, fmt.Sprintf("V%d=%d", i, i))
		}
		list = append(list, guest{
			name: fmt.Sprintf("cleanenv with %d variables", n), program: "cleanenv", args: "P1",
			env: env, prints: `connect 1\n`,
		})
	}
	for _, how := range []string{"0", "1", "2"} {
		list = append(list, guest{
			name: "loops " + how, program: "loops", args: "P1 " + how, limit: 20 * time.Second,
			prints: `connect 1\njoin 0\n`,
		})
	}
	for _, how := range []string{"fork", "fork reuse", "late", "late reuse"} {
		list = append(list, guest{
			name: "marked " + how, program: "marked", args: "P1 " + how, limit: 30 * time.Second,
			prints:  `child: send 1\nchild: 0 lost, delete 1\nchild: 0 lost\nstatus 0\n`,
			arrives: map[string]string{"child": "1"},
		})
	}
	for _, end := range []string{"_exit", "exec", "kill"} {
		list = append(list, guest{
			name: "sendflush " + end, program: "sendflush", args: "P1 40 " + end,
			prints: `0 failed\n`, arrives: map[string]string{"tick": "40"},
		})
	}
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE} {
		for how, prints := range map[string]string{
			"handler": `waits 1, handled 0\nhandled 1\n`, "wait": `waits 1, handled 0\ntaken 1\nhandled 0\n`,
		} {
			list = append(list, guest{
				name: fmt.Sprintf("sent %d %s", int(sig), how), program: "sent",
				args: fmt.Sprintf("P1 %d %s", int(sig), how), prints: prints,
			})
		}
	}
	for how, name := range []string{"fork", "_Fork", "clone"} {
		list = append(list, guest{
			name: "rawfork " + name, program: "rawfork", args: fmt.Sprint("P1 ", how), limit: 30 * time.Second,
			prints: `child: (\d+) accepted\nchild: delete 1\nchild: status 0\n` +
				`parent: (101) accepted, queue length fine, alive 1\n`,
			arrives: map[string]string{"child": "$1", "tick": "$2"},
		})
	}
	for _, threads := range []int{4, 8} {
		list = append(list, guest{
			name: fmt.Sprintf("setid beside %d threads", threads), program: "setid", args: fmt.Sprint("P1 ", threads),
			root: true, limit: 30 * time.Second, prints: `\d+ rounds, \d+ connects\n`,
		})
	}
	if runtime.GOARCH == "amd64" {
		for number, name := range map[int]string{
			213: "epoll_create", 233: "epoll_ctl", 281: "epoll_pwait", 291: "epoll_create1", 131: "sigaltstack", 14: "rt_sigprocmask",
		} {
			list = append(list, guest{
				name: "scmp " + name, program: "scmp", args: fmt.Sprintf("P1 %d 1", number), limit: 30 * time.Second,
				prints: `connect (TRUE|FALSE)\n`, arrives: any0("tick"),
			})
		}
	}
	return list
}

// any0 is for an event that may arrive or not.
func any0(name string) map[string]string { return map[string]string{name: "0+"} }

// TestGuest: the library is a guest in somebody else's process. It changes
// nothing of it, survives what it does, and keeps its word on each event.
// ROMANESCO_BUILD may name a folder with lib and include of another
// libbroccoli.so.5, and our bin. The one of 2005 spins while a peer reads nothing
// (exitfork, exitstalled, flushes), notices a loss by writing only (cancelclose,
// clientloop, pending), knows no locks (exitrandom), and writes to whatever has got
// the number of its socket (hijack).
func TestGuest(t *testing.T) {
	for _, g := range append(guests(), stateGuests()...) {
		if g.name == "" {
			g.name = g.program
		}
		t.Run(g.name, func(t *testing.T) {
			if _, err := exec.LookPath("c++"); err != nil && g.program == "throws" {
				t.Skip("needs a C++ compiler")
			}
			if g.root && os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			t.Parallel()
			g.run(t)
		})
	}
}

func (g *guest) run(t *testing.T) {
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	all := strings.Fields(g.args + " " + g.then + " " + strings.Join(g.env, " "))
	uses := func(word string) bool {
		return slices.ContainsFunc(all, func(w string) bool { return w == word || strings.HasSuffix(w, "="+word) })
	}
	words := []string{"LIBRARY", build + "/lib/libbroccoli.so.5", "DIR", guestPrograms(t), "SPOOL", t.TempDir()}
	var collectors []*collectorProcess
	for _, n := range []string{"1", "2"} {
		if uses("P"+n) || n == "1" && uses("PROXY") {
			c := newCollectorProcess(t)
			collectors = append(collectors, c)
			words = append(words, "PID"+n, pid(c), "P"+n, c.addr)
		}
	}
	if uses("PROXY") {
		words = append(words, "PROXY", cutting(t, collectors[0]))
	}
	for name, start := range guestPeers {
		if uses(name) {
			words = append(words, name, start(t))
		}
	}
	replace := strings.NewReplacer(words...).Replace
	env := slices.Clone(g.env)
	for i := range env {
		env[i] = replace(env[i])
	}
	r := *g
	r.env, r.conf = env, replace(g.conf)

	started := time.Now()
	said, told := r.call(t, replace(g.args))
	t.Logf("%.1f s: %s", time.Since(started).Seconds(), strings.TrimSpace(said))
	match := regexp.MustCompile(`\A` + g.prints + `\z`).FindStringSubmatch(said)
	require.NotNil(t, match, "%s %s printed\n%s%s", g.program, g.args, said, told)
	if g.then != "" {
		next, args, _ := strings.Cut(replace(g.then), " ")
		r.program = next
		r.call(t, args)
	}
	g.check(t, collectors, match)
}

func (g *guest) within() time.Duration {
	if g.limit == 0 {
		return time.Minute
	}
	return g.limit
}

// environment is what finds the library and its configuration, with the test's
// own environment or env, if there is any.
func (g *guest) environment(t *testing.T, conf string, env []string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(path, []byte(conf), 0o600))
	if env == nil {
		env = os.Environ()
	}
	return append(slices.Clone(env), "LD_LIBRARY_PATH="+build+"/lib", "BROCCOLI_CONFIG_FILE="+path)
}

// check compares what has arrived with what should.
func (g *guest) check(t *testing.T, collectors []*collectorProcess, match []string) {
	t.Helper()
	least, exactly := map[string]int{}, map[string]bool{}
	for name, text := range g.arrives {
		number, orMore := strings.CutSuffix(text, "+")
		if group, ok := strings.CutPrefix(number, "$"); ok {
			i, err := strconv.Atoi(group)
			require.NoError(t, err)
			number = match[i]
		}
		n, err := strconv.Atoi(number)
		require.NoError(t, err)
		least[name], exactly[name] = n, !orMore
	}
	arrived, twice := arrivedAt(t, collectors, least)
	if len(collectors) > 0 {
		t.Logf("arrived: %v", arrived)
	}
	for name := range arrived {
		require.Contains(t, least, name)
	}
	for name, n := range least {
		if exactly[name] {
			require.Equal(t, n, arrived[name], name)
		} else {
			require.GreaterOrEqual(t, arrived[name], n, name)
		}
	}
	if !g.twice {
		require.Empty(t, twice, "came more than once")
	}
}

// arrivedAt stops the collectors when at least so many events have come, or no
// more do, and returns how many different ones have, by their names, and which
// more than once.
func arrivedAt(t *testing.T, collectors []*collectorProcess, least map[string]int) (arrived map[string]int, twice []string) {
	t.Helper()
	look := func() (total int, enough bool) {
		arrived, twice = map[string]int{}, nil
		for _, c := range collectors {
			for ev, n := range c.counts(t) {
				name, _, _ := strings.Cut(ev, "[")
				arrived[name]++
				if total += n; n > 1 {
					twice = append(twice, ev)
				}
			}
		}
		for name, n := range least {
			if arrived[name] < n {
				return total, false
			}
		}
		return total, true
	}
	for _, c := range collectors {
		_ = c.cmd.Process.Signal(syscall.SIGCONT)
	}
	const quiet = 3 * time.Second
	before, since := 0, time.Now()
	for {
		total, enough := look()
		if total != before {
			before, since = total, time.Now()
		}
		if enough || time.Since(since) > quiet {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, c := range collectors {
		c.stop()
	}
	look()
	return arrived, twice
}

// collectorProcess is a broccoli-collector of its own process, which a guest may
// stop or kill.
type collectorProcess struct {
	cmd  *exec.Cmd
	addr string
	out  string // the file that it writes to
	stop func()
}

func newCollectorProcess(t *testing.T) *collectorProcess {
	t.Helper()
	return collectorAt(t, "127.0.0.1:0")
}

func collectorAt(t *testing.T, addr string) *collectorProcess {
	t.Helper()
	return collectorWith(t, addr, "-event", "tick", "-event", "child", "-event", "big", "/^(tick|child|big)$/")
}

// collectorWith runs the collector with further arguments.
func collectorWith(t *testing.T, addr string, args ...string) *collectorProcess {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "events"))
	require.NoError(t, err)
	defer out.Close()
	c := &collectorProcess{out: out.Name()}
	c.cmd = exec.Command(build+"/bin/broccoli-collector", append([]string{"-listen", addr, "-format", "json"}, args...)...)
	c.cmd.Stdout = out
	says, err := c.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	c.stop = sync.OnceFunc(func() {
		_ = c.cmd.Process.Signal(syscall.SIGCONT)
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(10*time.Second, func() { _ = c.cmd.Process.Kill() })
		defer late.Stop()
		_ = c.cmd.Wait()
	})
	t.Cleanup(c.stop)
	lines := bufio.NewReader(says)
	first, err := lines.ReadString('\n')
	require.NoError(t, err)
	match := regexp.MustCompile(`listening on (\S+)`).FindStringSubmatch(first)
	require.NotNil(t, match, first)
	c.addr = match[1]
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return c
}

// counts is how often each event has come so far. Those named big are not
// counted, but for that.
func (c *collectorProcess) counts(t *testing.T) map[string]int {
	t.Helper()
	b, err := os.ReadFile(c.out)
	require.NoError(t, err)
	counts := map[string]int{}
	for _, line := range bytes.SplitAfter(b, []byte{'\n'}) {
		if !bytes.HasSuffix(line, []byte{'\n'}) || bytes.Contains(line[:min(len(line), 200)], []byte(`"big"`)) {
			continue
		}
		counts[loggedEvent(t, line).String()]++
	}
	return counts
}

// runGroup runs a program in a process group of its own and returns what it and
// its children wrote. Whatever is left of the group at its end, or at the limit,
// is killed.
func runGroup(t *testing.T, limit time.Duration, env []string, bin string, args ...string) (said, told string) {
	t.Helper()
	dir := t.TempDir()
	files := [2]*os.File{}
	for i := range files {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		require.NoError(t, err)
		defer f.Close()
		files[i] = f
	}
	read := func(i int) string {
		b, err := os.ReadFile(files[i].Name())
		require.NoError(t, err)
		return string(b)
	}
	cmd := exec.Command(bin, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, files[0], files[1]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Dir = dir // for dumps
	require.NoError(t, cmd.Start())
	group := -cmd.Process.Pid
	defer func() { _ = syscall.Kill(group, syscall.SIGKILL) }()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		require.NoError(t, err, "%s printed\n%s%s", filepath.Base(bin), read(0), read(1))
	case <-time.After(limit):
		where := hangs(-group)
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-done
		t.Fatalf("%s %s hung for %v:\n%sit had printed\n%s%s", filepath.Base(bin), strings.Join(args, " "), limit, where, read(0), read(1))
	}
	return read(0), read(1)
}

// hangs says what the threads of a process group wait for.
func hangs(group int) string {
	var said strings.Builder
	threads, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	for _, thread := range threads {
		stat, err := os.ReadFile(thread + "/stat")
		if err != nil {
			continue
		}
		name, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest) // state, parent, group
		if len(fields) < 3 || fields[2] != strconv.Itoa(group) {
			continue
		}
		call, _ := os.ReadFile(thread + "/syscall")
		where, _ := os.ReadFile(thread + "/wchan")
		first, _, _ := strings.Cut(string(call), " ")
		fmt.Fprintf(&said, "  %s) %s, system call %s, in %s\n", name, fields[0], strings.TrimSpace(first), where)
	}
	return said.String()
}

// guestPrograms compiles all of testdata/guest, once, and returns their folder.
func guestPrograms(t *testing.T) string {
	t.Helper()
	dir, err := compiledGuests()
	require.NoError(t, err)
	return dir
}

var compiledGuests = sync.OnceValues(func() (string, error) {
	programs.Lock()
	defer programs.Unlock()
	dir, err := programDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "guest")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	sources, err := filepath.Glob("testdata/guest/*.c*")
	if err != nil {
		return "", fmt.Errorf("looking for programs: %w", err)
	}
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
		compiler, args := "cc", []string{"-std=c11"}
		if filepath.Ext(source) == ".cc" {
			compiler, args = "c++", []string{"-std=c++17"}
		}
		if _, err := exec.LookPath(compiler); err != nil && compiler == "c++" {
			continue
		}
		args = append(args, "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", "-pthread", "-I"+build+"/include", source)
		switch name {
		case "plug":
			args = append(args, "-shared", "-fPIC", "-L"+build+"/lib", "-lbroccoli", "-o", filepath.Join(dir, "plug.so"))
		case "plughost", "atforkfirst": // which load what brings the library along
			args = append(args, "-o", filepath.Join(dir, name), "-ldl")
		default:
			args = append(args, "-o", filepath.Join(dir, name), "-L"+build+"/lib", "-lbroccoli")
		}
		if out, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("compiling %s: %w: %s", source, err, out)
		}
	}
	return dir, nil
})
