package main

import (
	"bytes"
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

// rsyslog runs rsyslogd with the configuration of the manual, and returns the file
// that it ships to.
func rsyslog(t *testing.T, logs string) (shipped string) {
	t.Helper()
	program, err := exec.LookPath("rsyslogd")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/rsyslogd")
	}
	if err != nil {
		t.Skip("there is no rsyslogd")
	}
	manual, err := os.ReadFile("../../docs/collector.md")
	require.NoError(t, err)
	conf := regexp.MustCompile("(?s)```\n(global.*?)```").FindSubmatch(manual)
	require.NotNil(t, conf)
	dir := t.TempDir()
	shipped = filepath.Join(dir, "shipped.json")
	text := strings.NewReplacer("/var/log/broccoli-collector/*.log", logs+"/sensor*.log", "/var/spool/shipped.json", shipped).Replace(string(conf[1]))
	require.Contains(t, text, logs+"/sensor*.log")
	require.Contains(t, text, shipped)
	text = "global(workDirectory=\"" + dir + "\")\n" + text
	require.NoError(t, os.WriteFile(dir+"/rsyslog.conf", []byte(text), 0o600))
	cmd := exec.Command(program, "-n", "-f", dir+"/rsyslog.conf", "-i", dir+"/pid")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("rsyslogd: %s", said.String())
		}
	})
	return shipped
}

// TestShipper: a program that follows the logs reads each line once, whatever is
// rotated meanwhile.
func TestShipper(t *testing.T) {
	logs := filepath.Join(t.TempDir(), "logs")
	require.NoError(t, os.Mkdir(logs, 0o755))
	shipped := rsyslog(t, logs)
	c := start(t, "-log-dir", logs, "-fsync", "never")
	p, _ := sensor(t, c.addr, delivery.NewJournal(8<<20))
	const events = 20_000
	for n := range events {
		ev := numbered(kinds[n%len(kinds)], n)
		if n == events/2 {
			ev.Args[1].Bytes = bytes.Repeat([]byte("x"), 2<<20) // a line of the bound
		}
		require.NoError(t, p.Send(ev))
		if n%200 == 199 {
			require.NoError(t, p.Flush())
			time.Sleep(30 * time.Millisecond)
		}
		if n%1000 == 999 { // rsyslogd needs a moment to see a new file
			require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
		}
	}
	require.NoError(t, p.Flush())
	require.NoError(t, p.Close())
	lines := func() int {
		b, _ := os.ReadFile(shipped)
		return bytes.Count(b, []byte("\n"))
	}
	limit := time.Now().Add(deadline)
	for lines() < events && time.Now().Before(limit) {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(time.Second) // for what comes twice
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Len(t, numbers(t, logs), events)
	b, err := os.ReadFile(shipped)
	require.NoError(t, err)
	found := map[string]int{}
	for line := range strings.Lines(string(b)) {
		n, _ := number(t, strings.TrimPrefix(line, " "))
		found[n]++
	}
	twice := 0
	for _, n := range found {
		twice += n - 1
	}
	rotated, err := filepath.Glob(logs + "/sensor*.log.*")
	require.NoError(t, err)
	t.Logf("%d lines, %d of them again, %d rotated files", len(found), twice, len(rotated))
	require.Equal(t, events, len(found))
	require.Zero(t, twice)
	require.Greater(t, len(rotated), 50)
}
