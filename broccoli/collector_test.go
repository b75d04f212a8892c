package broccoli_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
)

// collector starts the real one, and returns its address and its log folder.
func collector(t *testing.T, args ...string) (addr, dir string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "broccoli-collector")
	out, err := exec.Command("go", "build", "-o", program, "../cmd/broccoli-collector").CombinedOutput()
	require.NoError(t, err, string(out))
	dir = t.TempDir()
	cmd := exec.Command(program, append([]string{"-listen", "127.0.0.1:0", "-log-dir", dir, "-log-files", "one"}, args...)...)
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	lines := bufio.NewReader(log)
	for addr == "" {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		if m := regexp.MustCompile(`listening on (\S+)`).FindStringSubmatch(line); m != nil {
			addr = m[1]
		}
	}
	go func() { // or it waits for who reads
		for err == nil {
			_, err = lines.ReadString('\n')
		}
	}()
	return addr, dir
}

// logged returns the arguments of the events in a folder, once there are n.
func logged(t *testing.T, dir string, n int) (all []map[string]any) {
	t.Helper()
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(dir + "/events.log")
		return strings.Count(string(b), "\n") >= n
	}, patience, 10*time.Millisecond)
	b, err := os.ReadFile(dir + "/events.log")
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		var ev struct {
			Event string
			Args  map[string]any
		}
		require.NoError(t, json.Unmarshal([]byte(line), &ev))
		all = append(all, ev.Args)
	}
	require.Len(t, all, n)
	return all
}

// TestCollector takes what is sent, confirms it, and has the names of all fields.
func TestCollector(t *testing.T) {
	addr, dir := collector(t, "-event", "everything")
	c := dial(t, addr, broccoli.Config{Confirm: true})
	require.True(t, c.Wants("everything"))
	const n = 5000
	for i := range n {
		require.NoError(t, c.Send(within(t), "everything", sample(), i))
	}
	require.NoError(t, c.Flush(within(t)))
	b, err := os.ReadFile(dir + "/events.log")
	require.NoError(t, err)
	require.Equal(t, n, strings.Count(string(b), "\n"), "what is confirmed is there")
	all := logged(t, dir, n)
	for i, args := range all {
		require.EqualValues(t, i, args["arg2"])
	}
	first := all[0]["arg1"].(map[string]any)
	require.Equal(t, "192.0.2.1", first["id"].(map[string]any)["orig_h"])
	require.Equal(t, "53/udp", first["id"].(map[string]any)["resp_p"])
	require.Nil(t, first["missing"])
	require.Equal(t, "Site::Colour(3)", first["colour"])
	require.EqualValues(t, 1.5, first["took"])
	require.Equal(t, []any{"a", ""}, first["list"])
}

// TestCollectorThatForwards: what one program sends another receives.
func TestCollectorThatForwards(t *testing.T) {
	addr, _ := collector(t, "-forward", "/site_.*/")
	to := dial(t, addr, broccoli.Config{Events: []string{"site_event"}})
	from := dial(t, addr, broccoli.Config{})
	require.Eventually(t, func() bool { return from.Wants("site_event") }, patience, time.Millisecond)
	require.NoError(t, from.Send(within(t), "site_event", sample(), "x"))
	var got everything
	var x string
	require.NoError(t, receive(t, to).Scan(&got, &x))
	require.Equal(t, sample().ID, got.ID)
}

// TestCollectorAsAZeek serves WebSocket clients.
func TestCollectorAsAZeek(t *testing.T) {
	program := freePort(t)
	_, dir := collector(t, "-zeek-listen", program)
	c := dial(t, "ws://"+program, broccoli.Config{Confirm: true})
	require.NoError(t, c.Send(within(t), "ws_event", 1, "x"))
	require.NoError(t, c.Flush(within(t)))
	require.Equal(t, map[string]any{"arg1": 1.0, "arg2": "x"}, logged(t, dir, 1)[0])
}

// freePort returns an address at which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l := listen(t, broccoli.Config{})
	defer l.Close()
	return l.Addr().String()
}
