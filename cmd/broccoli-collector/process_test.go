package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

const deadline = 60 * time.Second

var program string // that is tested

func TestMain(m *testing.M) {
	if program = os.Getenv(inNetwork); program != "" {
		os.Exit(m.Run())
	}
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
	return launchSaying(t, cmd, `listening on (\S+) `)
}

// launchSaying starts it, and returns when it has said its address.
func launchSaying(t testing.TB, cmd *exec.Cmd, expression string) *collector {
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
	c.addr = c.wait(t, expression)
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
func sensor(t testing.TB, addr string, journal *delivery.Journal) (*peer.Conn, <-chan error) {
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
	files, err := filepath.Glob(dir + "/*.log*")
	require.NoError(t, err)
	found := map[string]int{}
	for _, file := range files {
		if regexp.MustCompile(`/(comm|remote|sshd_session)\.`).MatchString(file) {
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
	require.Len(t, cells, 8, line)
	require.Equal(t, `tab\x09line\x0aend`, cells[7])
	return cells[5], true
}
