package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"

	"github.com/stretchr/testify/require"
)

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
\d+\.\d{6} 127\.0\.0\.1/\d+ accepting state
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
	journal := delivery.NewJournal(1 << 20)
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

// TestProfiles are served to this host, if somebody wants that.
func TestProfiles(t *testing.T) {
	c := start(t, "-debug-listen", "127.0.0.1:0")
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/debug/pprof/`).FindString(c.passed)
	if url == "" {
		url = c.wait(t, `profiles at (\S+)`)
	}
	code, body := get(t, url+"goroutine?debug=1")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "collect.(*Collector).Run")
	code, _ = get(t, url+"profile?seconds=1")
	require.Equal(t, http.StatusOK, code)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:6060"} {
		code, _, said := ran(t, "-listen", "127.0.0.1:0", "-debug-listen", addr)
		require.Equal(t, statusUsage, code)
		require.Contains(t, said, "can be reached from other hosts")
	}
}

// TestLogsRotateByThemselves, and are synced: without a signal, or a sensor that
// wants confirmation.
func TestLogsRotateByThemselves(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "-log-dir", dir, "-metrics", "127.0.0.1:0", "-rotate-interval", "1s", "-fsync", "20ms")
	url := regexp.MustCompile(`http://\S+`).FindString(c.passed)
	p, _ := sensor(t, c.addr, nil)
	require.NoError(t, p.Send(numbered("exec", 1)))
	require.NoError(t, p.Flush())
	require.Eventually(t, func() bool {
		_, body := get(t, url)
		return regexp.MustCompile(`(?m)^broccoli_log_syncs_total [1-9]`).MatchString(body) &&
			regexp.MustCompile(`(?m)^broccoli_log_rotations_total [1-9]`).MatchString(body)
	}, deadline, 10*time.Millisecond)
	for _, name := range []string{"sensor_sshd_exec", "comm", "remote"} {
		require.Eventually(t, func() bool {
			rotated, err := filepath.Glob(dir + "/" + name + ".log.????-??-??-??-??-??")
			return err == nil && len(rotated) > 0
		}, deadline, 10*time.Millisecond)
	}
	code, _ := c.end(t, syscall.SIGTERM)
	require.Zero(t, code)
	require.Len(t, numbers(t, dir), 1)
}

// TestSettingsThatAreWrong are told before anything is listened at.
func TestSettingsThatAreWrong(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"-rotate-size has to do with -log-dir, which is not given", []string{"-log-dir", "", "-rotate-size", "1M"}},
		{"-log-format \"xml\": json or tsv", []string{"-log-format", "xml"}},
		{"-log-files \"some\": each or one", []string{"-log-files", "some"}},
		{"-fsync \"sometimes\": confirm, always, never, or a duration", []string{"-fsync", "sometimes"}},
		{"at least 4K", []string{"-rotate-size", "10"}},
		{"at least 4K", []string{"-max-line", "1"}},
		{"-rotate-name \"x\": NAME.log.TIME or NAME.TIME.log", []string{"-rotate-name", "x"}},
		{"a number, or one with K, M or G behind it", []string{"-rotate-size", "10T"}},
		{"not negative", []string{"-rotate-interval", "-1s"}},
		{"-session-interval and -session-lost: not negative", []string{"-session-interval", "-1s"}},
		{"lost after some time", []string{"-session-lost", "0"}},
		{"-session-log has to do with -log-dir, which is not given", []string{"-log-dir", "", "-session-log=false"}},
		{"0.0.0.0:0 can be reached from other hosts", []string{"-metrics", "0.0.0.0:0"}},
		{":0 can be reached from other hosts", []string{"-metrics", ":0"}},
		{"address of the metrics", []string{"-metrics", "nonsense"}},
		{"making the log folder", []string{"-log-dir", dir + "/a/b"}},
	} {
		cmd := exec.Command(program, append([]string{"-listen", "127.0.0.1:0", "-log-dir", dir + "/logs"}, c.args...)...)
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), c.want)
		require.NotContains(t, string(out), "listening")
		require.Len(t, strings.Split(strings.TrimSpace(string(out)), "\n"), 1, "it is said once")
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
	require.Regexp(t, `(?m)^#fields\tts\tpeer\thost\targs\.ts\tsid\tcid\tuser\tuid\tgid$`, string(b))
	require.Regexp(t, `(?m)^#types\ttime\tstring\tstring\ttime\tstring\tcount\tstring\t`, string(b))
	require.Regexp(t, `(?m)^\d+\.\d{6}\t127\.0\.0\.1:\d+\t-\t\d+\.\d{6}\t`, string(b))
}
