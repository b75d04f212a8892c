package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"romanesco/internal/event"
	"romanesco/internal/peer"
)

const deadline = 60 * time.Second

var program string // that is tested

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "collector")
	if err == nil {
		program = filepath.Join(dir, "broccoli-collector")
		cmd := exec.Command("go", "build", "-o", program, ".")
		cmd.Stderr = os.Stderr
		err = cmd.Run()
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the collector:", err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// collector is one that runs.
type collector struct {
	cmd    *exec.Cmd
	addr   string
	passed string      // the lines that wait has passed over
	said   chan string // the lines of standard error from then on
	output *strings.Builder
}

// start runs the collector at a free port, and returns when it listens.
func start(t *testing.T, args ...string) *collector {
	t.Helper()
	return launch(t, exec.Command(program, append([]string{"-listen", "127.0.0.1:0"}, args...)...))
}

func launch(t testing.TB, cmd *exec.Cmd) *collector {
	t.Helper()
	c := &collector{cmd: cmd, said: make(chan string, 10000), output: new(strings.Builder)}
	if cmd.Stdout == nil {
		cmd.Stdout = c.output
	}
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _, _ = cmd.Process.Wait() })
	go func() {
		defer close(c.said)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			c.said <- lines.Text()
		}
	}()
	c.addr = c.wait(t, `listening on (\S+) `)
	return c
}

// wait returns what the group matches in the next line that the expression does.
func (c *collector) wait(t testing.TB, expression string) string {
	t.Helper()
	re := regexp.MustCompile(expression)
	for timeout := time.After(deadline); ; {
		select {
		case line, ok := <-c.said:
			require.True(t, ok, "it has ended without saying %s", expression)
			if m := re.FindStringSubmatch(line); m != nil {
				return m[len(m)-1]
			}
			c.passed += line + "\n"
		case <-timeout:
			t.Fatalf("it does not say %s", expression)
		}
	}
}

// end returns how the program ended, after the signal if that is not 0.
func (c *collector) end(t testing.TB, signal syscall.Signal) (code int, said string) {
	t.Helper()
	if signal != 0 {
		require.NoError(t, c.cmd.Process.Signal(signal))
	}
	var all strings.Builder
	for line := range c.said {
		fmt.Fprintln(&all, line)
	}
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode(), all.String()
}

// sensor connects to the collector. What comes back is read until the end.
func sensor(t testing.TB, addr string, journal *peer.Journal) (*peer.Conn, <-chan error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	require.NoError(t, err)
	p, err := peer.Open(ctx, nc, peer.Config{Class: "sensor", Journal: journal})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	ended := make(chan error, 1)
	go func() {
		var err error
		for ev := new(event.Event); err == nil; {
			err = p.Next(ev)
		}
		ended <- err
	}()
	return p, ended
}

// numbered is an event of the catalogue that carries a number and a text which
// makes it long.
func numbered(kind string, n int) *event.Event {
	return &event.Event{Name: "sensor_sshd_" + kind, Time: 1126645547.25, Args: []event.Value{
		{Type: event.Time}, {Type: event.String, Bytes: []byte(strings.Repeat("x", 100))}, {Type: event.Count, Bits: uint64(n)},
		{Type: event.Count}, {Type: event.String, Bytes: []byte("tab\tline\nend")},
	}}
}

var kinds = []string{"data_rx", "data_tx", "exec"}

// numbers returns how often each number is in the files of a folder, and fails
// if there is anything but whole lines.
func numbers(t *testing.T, dir string) map[string]int {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.log")
	require.NoError(t, err)
	found := map[string]int{}
	for _, file := range files {
		if regexp.MustCompile(`/(comm|remote)\.`).MatchString(file) {
			continue
		}
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, len(b) == 0 || b[len(b)-1] == '\n', "%s ends in a line", file)
		for line := range strings.Lines(string(b)) {
			if n, ok := number(t, line); ok {
				found[n]++
			}
		}
	}
	return found
}

func number(t *testing.T, line string) (n string, ok bool) {
	t.Helper()
	if strings.HasPrefix(line, "{") {
		var v struct{ Args struct{ Cid int } }
		require.NoError(t, json.Unmarshal([]byte(line), &v), line)
		return fmt.Sprint(v.Args.Cid), true
	}
	if strings.HasPrefix(line, "#") {
		return "", false
	}
	cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	require.Len(t, cells, 7, line)
	require.Equal(t, `tab\x09line\x0aend`, cells[6])
	return cells[4], true
}

// TestRotationWhileSensorsSend: no line is lost, torn or there twice.
func TestRotationWhileSensorsSend(t *testing.T) {
	for _, args := range [][]string{
		{"-log-format", "tsv", "-rotate-size", "100K", "-rotate-interval", "1s", "-fsync", "never"},
		{"-log-format", "json", "-log-files", "one", "-rotate-size", "100K"},
	} {
		dir := filepath.Join(t.TempDir(), "logs")
		c := start(t, append(args, "-log-dir", dir)...)
		const sensors, events = 3, 6000
		var wg sync.WaitGroup
		for s := range sensors {
			journal := peer.NewJournal(1 << 20)
			p, _ := sensor(t, c.addr, journal)
			wg.Go(func() {
				for n := range events {
					if p.Send(numbered(kinds[n%len(kinds)], s*events+n)) != nil {
						t.Error("not sent")
						return
					}
					for journal.Full() {
						<-journal.Room()
					}
				}
				if p.Flush() != nil {
					t.Error("not sent")
				}
				for journal.Pending() > 0 {
					<-journal.Room()
				}
			})
		}
		sent := make(chan struct{})
		go func() { wg.Wait(); close(sent) }()
		for signals := 0; ; signals++ {
			require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
			select {
			case <-sent:
				require.Positive(t, signals)
			case <-time.After(10 * time.Millisecond):
				continue
			}
			break
		}
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
		require.Contains(t, said, fmt.Sprintf("%d events from %d peers", sensors*events, sensors))
		found := numbers(t, dir)
		require.Len(t, found, sensors*events)
		for n, times := range found {
			require.Equal(t, 1, times, n)
		}
		rotated, err := filepath.Glob(dir + "/*.????-??-??-??-??-??*.log")
		require.NoError(t, err)
		require.Greater(t, len(rotated), 10)
	}
}

// TestWhatWasConfirmedSurvives the end of the process, and what was not comes
// again: at least once, and only whole lines.
func TestWhatWasConfirmedSurvives(t *testing.T) {
	dir := t.TempDir()
	journal := peer.NewJournal(64 << 20)
	const events = 3000
	sent := 0
	for life := range 3 {
		c := start(t, "-log-dir", dir, "-log-files", "one", "-rotate-size", "1M")
		p, ended := sensor(t, c.addr, journal)
		for range events / 3 {
			require.NoError(t, p.Send(numbered(kinds[0], sent)))
			sent++
		}
		require.NoError(t, p.Flush())
		if life == 2 {
			for journal.Pending() > 0 {
				<-journal.Room()
			}
			code, said := c.end(t, syscall.SIGTERM)
			require.Zero(t, code, said)
			break
		}
		<-journal.Room() // something is confirmed
		c.end(t, syscall.SIGKILL)
		require.Error(t, <-ended)
		require.NoError(t, p.Close())
		confirmed := sent - journal.Pending()
		require.Positive(t, confirmed)
		found := map[string]int{}
		for line := range strings.Lines(rawLines(t, dir)) {
			if strings.HasSuffix(line, "}\n") {
				n, _ := number(t, line)
				found[n]++
			}
		}
		for n := range confirmed {
			require.Contains(t, found, fmt.Sprint(n), "it was confirmed")
		}
	}
	require.Len(t, numbers(t, dir), events)
}

func rawLines(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(dir + "/events*.log")
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(b)
	}
	return all.String()
}

// TestDiskErrors: it says what is wrong, ends, and has confirmed nothing that it
// could not write.
func TestDiskErrors(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "-log-dir", dir, "-log-files", "one")
	limit := unix.Rlimit{Cur: 10_000, Max: 10_000} // a write beyond is done in part
	require.NoError(t, unix.Prlimit(c.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil))
	confirmed, code, said := sendUntilItEnds(t, c)
	require.Equal(t, 1, code)
	require.Contains(t, said, "writing log "+dir+"/events.log: ")
	require.Contains(t, said, "file too large")
	found := numbers(t, dir)
	for n := range confirmed {
		require.Contains(t, found, fmt.Sprint(n))
	}
	comm, err := os.ReadFile(dir + "/comm.log")
	require.NoError(t, err)
	require.Contains(t, string(comm), "] error: writing log ")
}

func sendUntilItEnds(t *testing.T, c *collector) (confirmed, code int, said string) {
	t.Helper()
	journal := peer.NewJournal(64 << 20)
	p, ended := sensor(t, c.addr, journal)
	sent := 0
	for ; sent < 1000; sent++ {
		if p.Send(numbered(kinds[0], sent)) != nil || p.Flush() != nil {
			sent++
			break
		}
	}
	require.Error(t, <-ended)
	code, said = c.end(t, 0)
	return sent - journal.Pending(), code, said
}

// TestFullDisk has a file system of its own that is full soon.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	script := `mount -t tmpfs -o size=128k none "$1" || exit 77; shift; "$@"; code=$?; cat "$0"/*events*.log; exit $code`
	if exec.Command("unshare", "-rm", "sh", "-c", `mount -t tmpfs -o size=128k none "$0"`, dir).Run() != nil {
		t.Skip("no file system can be mounted here")
	}
	c := launch(t, exec.Command("unshare", "-rm", "sh", "-c", script, dir, dir,
		program, "-listen", "127.0.0.1:0", "-log-dir", dir, "-log-files", "one", "-log-format", "json"))
	confirmed, code, said := sendUntilItEnds(t, c)
	require.Equal(t, 1, code, said)
	require.Contains(t, said, "no space left on device")
	found := map[string]int{}
	for line := range strings.Lines(c.output.String()) {
		require.True(t, strings.HasSuffix(line, "}\n"), "a torn line")
		n, _ := number(t, line)
		found[n]++
	}
	require.Positive(t, confirmed)
	for n := range confirmed {
		require.Contains(t, found, fmt.Sprint(n))
	}
}

func TestFullStandardOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	cmd := exec.Command(program, "-listen", "127.0.0.1:0", "-format", "json")
	cmd.Stdout = full
	confirmed, code, said := sendUntilItEnds(t, launch(t, cmd))
	require.Zero(t, confirmed)
	require.Equal(t, 1, code)
	require.Contains(t, said, "no space left on device")
}

func TestCommunicationLogs(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "-log-dir", dir, "-stats-interval", "1h", "/sensor_sshd_(exec|exit)/")
	p, _ := sensor(t, c.addr, nil)
	require.NoError(t, p.Request([]string{"sensor_sshd_exec", "made_up\n"}))
	require.NoError(t, p.Send(numbered("exec", 1)))
	require.NoError(t, p.Flush())
	require.NoError(t, p.Close())
	bad, err := net.Dial("tcp", c.addr)
	require.NoError(t, err)
	_, err = bad.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, bad)
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(dir + "/comm.log")
		return err == nil && strings.Count(string(b), "peer disconnected") == 2
	}, deadline, time.Millisecond)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)

	comm, err := os.ReadFile(dir + "/comm.log")
	require.NoError(t, err)
	first, second := "", ""
	var common []string
	for line := range strings.Lines(string(comm)) {
		require.Regexp(t, `^\d{10} \((parent\)|child\) ) `, line)
		line = line[11 : len(line)-1]
		line = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(line, "ADDR")
		line = regexp.MustCompile(`pid is \d+`).ReplaceAllString(line, "pid is N")
		switch {
		case strings.Contains(line, "[#10000/ADDR] "):
			first += line + "\n"
		case strings.Contains(line, "[#10001/ADDR] "):
			second += line + "\n"
		default:
			common = append(common, line)
		}
	}
	const one = "(parent) [#10000/ADDR] "
	require.Equal(t, "(child)  [#10000/ADDR] accepted clear connection\n"+
		one+"added peer\n"+one+"peer connected\n"+one+"phase: version\n"+one+"phase: handshake\n"+one+"phase: running\n"+
		one+"registered for event sensor_sshd_exec\n"+one+"request for unknown event made_up\\x0a\n"+
		"(child)  [#10000/ADDR] connection closed\n"+one+"peer disconnected\n", first)
	require.Regexp(t, `(?s)accepted clear connection.*phase: version.*\(parent\) \[#10001/ADDR\] error: handshake.*connection closed.*peer disconnected`, second)
	require.Equal(t, []string{"(parent) communication started, parent pid is N, child pid is N", "(child)  listening on ADDR (clear)"}, common[:2])
	require.Len(t, common, 3)
	require.Regexp(t, `^\(parent\) parent statistics: pending=0 bytes=\d+K/\d+K chunks=\d+/\d+ io=\d+/\d+ bytes/io=\d\.\d\dK/\d\.\d\dK events=1/0$`, common[2])

	remote, err := os.ReadFile(dir + "/remote.log")
	require.NoError(t, err)
	require.Regexp(t, `^\d+\.\d{6} 127\.0\.0\.1/\d+ connection established\.
\d+\.\d{6} 127\.0\.0\.1/\d+ requesting events matching /\^\?\(sensor_sshd_\(exec\|exit\)\)\$\?/
\d+\.\d{6} 127\.0\.0\.1/\d+ connection closed\.
$`, string(remote))
}

func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	r, err := http.Get(url)
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(b)
}

func TestMetrics(t *testing.T) {
	c := start(t, "-log-dir", t.TempDir(), "-metrics", "localhost:0")
	url := regexp.MustCompile(`http://(127\.0\.0\.1|\[::1\]):\d+`).FindString(c.passed)
	require.NotEmpty(t, url, c.passed)
	journal := peer.NewJournal(1 << 20)
	p, _ := sensor(t, c.addr, journal)
	for n := range 10 {
		require.NoError(t, p.Send(numbered(kinds[0], n)))
	}
	require.NoError(t, p.Flush())
	<-journal.Room()
	code, body := get(t, url+"/metrics")
	require.Equal(t, http.StatusOK, code)
	for _, line := range []string{
		`broccoli_collector_info{version="unknown"} 1`,
		"# TYPE broccoli_peers gauge", "broccoli_peers 1", "broccoli_handshakes_total 1",
		"# TYPE broccoli_received_events_total counter", "broccoli_received_events_total 10",
		"broccoli_log_events_total 10", "broccoli_log_open_files 1", "broccoli_log_syncs_total 1", "broccoli_log_errors_total 0",
	} {
		require.Contains(t, body, line+"\n")
	}
	require.Contains(t, body, "process_resident_memory_bytes ")
	code, body = get(t, url+"/healthz")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "ok\n", body)
	code, _ = get(t, url+"/debug/pprof")
	require.Equal(t, http.StatusNotFound, code)
	r, err := http.Post(url+"/metrics", "text/plain", nil)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
	code, _ = c.end(t, syscall.SIGTERM)
	require.Zero(t, code)
}

// TestSettingsThatAreWrong are told before anything is listened at.
func TestSettingsThatAreWrong(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"-log-format \"xml\": json or tsv", []string{"-log-format", "xml"}},
		{"-log-files \"some\": each or one", []string{"-log-files", "some"}},
		{"-fsync \"sometimes\": confirm, always, never, or a duration", []string{"-fsync", "sometimes"}},
		{"at least 4K", []string{"-rotate-size", "10"}},
		{"a number, or one with K, M or G behind it", []string{"-rotate-size", "10T"}},
		{"not negative", []string{"-rotate-interval", "-1s"}},
		{"0.0.0.0:0 can be reached from other hosts", []string{"-metrics", "0.0.0.0:0"}},
		{":0 can be reached from other hosts", []string{"-metrics", ":0"}},
		{"address of the metrics", []string{"-metrics", "nonsense"}},
		{"making the log folder", []string{"-log-dir", dir + "/a/b"}},
	} {
		cmd := exec.Command(program, append([]string{"-listen", "127.0.0.1:0"}, c.args...)...)
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), c.want)
		require.NotContains(t, string(out), "listening")
	}
	first := start(t, "-log-dir", dir, "-metrics", "0.0.0.0:0", "-metrics-public")
	out, err := exec.Command(program, "-listen", "127.0.0.1:0", "-log-dir", dir).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "another process writes to it")
	code, _ := first.end(t, syscall.SIGTERM)
	require.Zero(t, code)
}

func TestSignalWithoutLogs(t *testing.T) {
	c := start(t)
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
	c.wait(t, "no logs to rotate")
	code, _ := c.end(t, syscall.SIGTERM)
	require.Zero(t, code)
}

// TestSensorInC: the example against files.
func TestSensorInC(t *testing.T) {
	build := os.Getenv("ROMANESCO_BUILD")
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	dir := t.TempDir()
	c := start(t, "-log-dir", dir, "-log-format", "tsv")
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, []byte("/broccoli/confirm yes\n"), 0o600))
	cmd := exec.Command(build+"/examples/sensor_sshd", c.addr)
	cmd.Env = append(os.Environ(), "BROCCOLI_CONFIG_FILE="+conf)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Contains(t, said, "16 events from 1 peers")
	b, err := os.ReadFile(dir + "/sensor_sshd_auth_ok.log")
	require.NoError(t, err)
	require.Regexp(t, `(?m)^#fields\tts\tpeer\targs\.ts\tsid\tcid\tuser\tuid\tgid$`, string(b))
	require.Regexp(t, `(?m)^#types\ttime\tstring\ttime\tstring\tcount\tstring\t`, string(b))
	require.Regexp(t, `(?m)^\d+\.\d{6}\t127\.0\.0\.1:\d+\t\d+\.\d{6}\t`, string(b))
}
