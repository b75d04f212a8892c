package sshdtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

// patience is for what comes in the end, on whatever machine.
const patience = 2 * time.Minute

// eventually waits until ok.
func eventually(t *testing.T, ok func() bool, format string, args ...any) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNow(t, fmt.Sprintf(format, args...))
		}
	}
}

// got is an event that the collector has written.
type got struct {
	Name string         `json:"event"`
	Args map[string]any `json:"args"`
}

// collector is broccoli-collector, serving TLS, and what it has written.
type collector struct {
	addr   string
	ca     string // files
	sensor string
	host   string

	mu     sync.Mutex
	events []got // those that String writes
	more   []got // the others, which tell more of the same
}

// newCollector starts one.
func newCollector(t *testing.T) *collector {
	t.Helper()
	c := prepareCollector(t)
	c.start(t, "127.0.0.1:0")
	return c
}

// prepareCollector makes the certificates of both sides.
func prepareCollector(t *testing.T) *collector {
	t.Helper()
	dir := t.TempDir()
	ca, err := certs.NewCA("sshdtest CA", time.Hour)
	require.NoError(t, err)
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		return path
	}
	issue := func(host string) []byte {
		b, err := ca.Issue(host)
		require.NoError(t, err)
		return b
	}
	return &collector{ca: write("ca.pem", ca.PEM), sensor: write("sensor.pem", issue("sensor")),
		host: write("collector.pem", issue("127.0.0.1"))}
}

func (c *collector) start(t *testing.T, addr string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(m.build, "bin", "broccoli-collector"), "-listen", "", "-format", "json",
		"-tls-listen", addr, "-ca-cert", c.ca, "-host-cert", c.host)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(log)
	var found []string
	for found == nil {
		require.True(t, lines.Scan(), "the collector does not listen")
		found = regexp.MustCompile(`listening on (\S+)`).FindStringSubmatch(lines.Text())
	}
	c.addr = found[1]
	go func() {
		for lines.Scan() {
		}
	}()
	read := make(chan error, 1)
	go func() { read <- c.read(bufio.NewScanner(out), t.Name()) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		require.NoError(t, <-read)
		require.NoError(t, cmd.Wait())
	})
}

func (c *collector) read(lines *bufio.Scanner, test string) error {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e got
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		m.coverage.add(e.short(), test)
		c.add(e)
	}
	return lines.Err()
}

func (c *collector) add(e got) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := order[e.short()]; known {
		c.events = append(c.events, e)
	} else {
		c.more = append(c.more, e)
	}
}

// details waits for n events of a name that tell more of a connection, 0 for
// none, and returns them.
func (c *collector) details(t *testing.T, cid, n int, short string) (found []got) {
	t.Helper()
	eventually(t, func() bool {
		found = c.detailsNow(cid, short)
		return len(found) >= n
	}, "no %d events %s of connection %d", n, short, cid)
	return found
}

func (c *collector) detailsNow(cid int, short string) (found []got) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.more {
		if e.short() == short && e.cid() == cid {
			found = append(found, e)
		}
	}
	return found
}

// values writes arguments of an event.
func (g got) values(names string) string {
	var list []string
	for _, name := range strings.Fields(names) {
		if n, isNumber := g.Args[name].(float64); isNumber {
			list = append(list, strconv.FormatFloat(n, 'f', -1, 64))
		} else {
			list = append(list, fmt.Sprint(g.Args[name]))
		}
	}
	return strings.Join(list, " ")
}

// take removes and returns the events that match, in their order.
func (c *collector) take(match func(got) bool) (taken []got) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var rest []got
	for _, e := range c.events {
		if match(e) {
			taken = append(taken, e)
		} else {
			rest = append(rest, e)
		}
	}
	c.events = rest
	return taken
}

// count tells how many events match.
func (c *collector) count(match func(got) bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if match(e) {
			n++
		}
	}
	return n
}

// short is the name without sensor_sshd_.
func (g got) short() string { return strings.TrimPrefix(g.Name, "sensor_sshd_") }

// cid is the number of the connection, 0 for events of the listener.
func (g got) cid() int {
	n, _ := g.Args["cid"].(float64)
	return int(n)
}

// argument order of each event, after ts, sid and cid.
var order = map[string]string{
	"listen": "server_ip server_p", "restart": "", "exit": "",
	"conn_new": "src_ip src_p dst_ip dst_p", "conn_end": "",
	"auth_ok": "user uid gid", "auth_failed": "user", "auth_timeout": "",
	"auth_password_attempt": "user password valid",
	"channel_new_session":   "chan_id stype",
	"channel_new_forward":   "chan_id src_ip src_p dst_ip dst_p s2h",
	"data_rx":               "chan_id line", "data_tx": "chan_id line", "exec": "chan_id command",
	"channel_exit": "chan_id status", "channel_cleanup": "chan_id",
}

// String writes the event as the tests have it: name and values.
func (g got) String() string {
	names, known := order[g.short()]
	if !known {
		return g.Name + " is no event of sshd"
	}
	s := g.short()
	for _, name := range strings.Fields(names) {
		s += fmt.Sprintf(" %v", g.Args[name])
	}
	return s
}
