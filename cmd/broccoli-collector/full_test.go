package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// smallDisk is a collector whose log folder is a small file system of its own.
type smallDisk struct {
	*collector
	dir string // what it calls the folder
	at  string // the same as we see it, after its end too
}

// onSmallDisk starts one, if file systems can be mounted here.
func onSmallDisk(t *testing.T, mount string, args ...string) smallDisk {
	t.Helper()
	dir := t.TempDir()
	if exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", dir).Run() != nil {
		t.Skip("no file system can be mounted here")
	}
	script := `mount -t tmpfs -o "$1" none "$0" && shift && exec "$@"`
	args = append([]string{"-rm", "sh", "-c", script, dir, mount, program, "-listen", "127.0.0.1:0", "-log-dir", dir}, args...)
	c := launch(t, exec.Command("unshare", args...))
	seen, err := os.Open(fmt.Sprintf("/proc/%d/root%s", c.cmd.Process.Pid, dir))
	require.NoError(t, err)
	t.Cleanup(func() { _ = seen.Close() })
	return smallDisk{c, dir, fmt.Sprintf("/proc/self/fd/%d", seen.Fd())}
}

// earlier returns what the group matches in a line that was said before the first
// address.
func (c *collector) earlier(t *testing.T, expression string) string {
	t.Helper()
	m := regexp.MustCompile(expression).FindStringSubmatch(c.passed)
	if m == nil {
		return c.wait(t, expression)
	}
	return m[1]
}

// fill leaves that many bytes free.
func (d smallDisk) fill(t *testing.T, free int64) {
	t.Helper()
	f, err := os.Create(d.at + "/ballast")
	require.NoError(t, err)
	defer f.Close()
	var fs syscall.Statfs_t
	require.NoError(t, syscall.Statfs(d.at, &fs))
	_, err = f.Write(make([]byte, int64(fs.Bavail)*fs.Bsize-free))
	require.NoError(t, err)
}

func (d smallDisk) makeRoom(t *testing.T) {
	t.Helper()
	ballast, err := filepath.Glob(d.at + "/ballast*")
	require.NoError(t, err)
	for _, name := range ballast {
		require.NoError(t, os.Remove(name))
	}
}

// courier sends events that want to be confirmed.
type courier struct {
	conn interface {
		Send(*event.Event) error
		Flush() error
		Next(*event.Event) error
	}
	journal *delivery.Journal
	from, n int
	sent    atomic.Int64 // into the journal
	ended   chan error
}

// confirmed returns at least how many of the events are confirmed.
func (c *courier) confirmed() int {
	sent := int(c.sent.Load()) // first
	return max(sent-c.journal.Pending(), 0)
}

// run sends, and takes what comes back until the connection ends.
func (c *courier) run() {
	c.ended = make(chan error, 2)
	go func() {
		for i := range c.n {
			if err := errors.Join(c.conn.Send(numbered(kinds[i%len(kinds)], c.from+i)), c.conn.Flush()); err != nil {
				c.ended <- err
				return
			}
			c.sent.Add(1)
		}
	}()
	go func() {
		for {
			if err := c.conn.Next(new(event.Event)); err != nil {
				c.ended <- err
				return
			}
		}
	}()
}

func sensorOf(t *testing.T, nc net.Conn) *courier {
	t.Helper()
	j := delivery.NewJournal(64 << 20)
	_, secured := nc.(*tls.Conn)
	return &courier{conn: opened(t, nc, peer.Config{Journal: j, Whole: secured}), journal: j}
}

func clientOf(t *testing.T, addr string) *courier {
	t.Helper()
	j := delivery.NewJournal(64 << 20)
	conn, err := websocket.Open(t.Context(), dialFrom(t, "127.0.0.1", addr), websocket.Config{Host: addr, Topic: "t", Journal: j})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &courier{conn: conn, journal: j}
}

// TestFullDisk holds sensors and WebSocket clients back, and loses and repeats nothing:
// the same process goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	idle, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer idle.Close()
	a := newAuthority(t)
	c := onSmallDisk(t, "size=8m", append(a.args(), "-log-files", "one", "-tls-listen", "127.0.0.1:0",
		"-connect", idle.Addr().String(), "-zeek-listen", "127.0.0.1:0", "-metrics", "127.0.0.1:0")...)
	secured := c.earlier(t, `listening on (\S+) .*\(TLS\)`)
	web := c.earlier(t, `WebSocket clients are served at (\S+)`)
	metrics := c.earlier(t, `metrics at (\S+)/metrics`)
	cfg, err := secure.Settings{CACert: a.ca, HostCert: a.host}.Config()
	require.NoError(t, err)
	c.fill(t, 256<<10)
	all := []*courier{
		sensorOf(t, dialFrom(t, "127.0.0.1", c.addr)),
		sensorOf(t, tls.Client(dialFrom(t, "127.0.0.1", secured), cfg)),
		clientOf(t, web),
	}
	const events = 3000
	for i, s := range all {
		s.from, s.n = i*events, events
		s.run()
	}
	c.wait(t, `the disk of `+c.dir+` is full, and sensors wait until there is room: .* no space left on device`)
	code, body := get(t, metrics+"/healthz")
	require.Equal(t, 503, code)
	require.Contains(t, body, "no space left on device")
	_, body = get(t, metrics+"/metrics")
	require.Contains(t, body, "broccoli_log_disk_full 1\n")
	time.Sleep(2500 * time.Millisecond) // it tries again
	sum := 0
	for _, s := range all {
		require.Positive(t, s.journal.Pending(), "it waits")
		sum += s.confirmed()
	}
	require.GreaterOrEqual(t, len(numbers(t, c.at)), sum, "what is confirmed is there")
	late := sensorOf(t, dialFrom(t, "127.0.0.1", c.addr)) // and others may come
	late.from, late.n = len(all)*events, 1
	late.run()
	all = append(all, late)
	const visitors = 30
	for range visitors {
		require.NoError(t, shakesHands(t, c.addr).Close())
	}
	time.Sleep(time.Second)
	c.makeRoom(t)
	require.Contains(t, c.wait(t, `(.*is full|there is room again on the disk of .*: sensors go on)`), "there is room again", "it is said once")
	for _, s := range all {
		require.Eventually(t, func() bool { return s.confirmed() == s.n }, deadline, 10*time.Millisecond)
		require.Empty(t, s.ended)
	}
	code, _ = get(t, metrics+"/healthz")
	require.Equal(t, 200, code)
	exactlyOnce(t, c.at, len(all[1:])*events+1)
	comm, err := os.ReadFile(c.at + "/comm.log")
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(comm), "and sensors wait until there is room"))
	require.Equal(t, 1, strings.Count(string(comm), "there is room again"))
	require.Equal(t, visitors, strings.Count(string(comm), "peer disconnected"), "these lines have waited too")
	require.NotContains(t, c.passed, "no space left")
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.NotContains(t, said, "no space left")
}

func exactlyOnce(t *testing.T, dir string, events int) {
	t.Helper()
	found := numbers(t, dir)
	require.Len(t, found, events)
	for n, times := range found {
		require.Equal(t, 1, times, n)
	}
}

// TestFullDiskOfManyFiles: there is no room for a further file, for the last line of one,
// and for another name.
func TestFullDiskOfManyFiles(t *testing.T) {
	t.Parallel()
	for name, full := range map[string]struct {
		mount string
		fill  func(c smallDisk)
	}{
		"bytes": {"size=8m", func(c smallDisk) { c.fill(t, 128<<10) }},
		"files": {"size=64m,nr_inodes=20", func(c smallDisk) {
			for i := range 12 { // comm.log, remote.log and some logs are left
				require.NoError(t, os.WriteFile(fmt.Sprintf("%s/ballast%d", c.at, i), nil, 0o600))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := onSmallDisk(t, full.mount, "-log-format", "tsv", "-rotate-size", "300K", "-fsync", "never")
			full.fill(c)
			const events = 6000
			s := sensorOf(t, dialFrom(t, "127.0.0.1", c.addr))
			s.n = events
			s.run()
			c.wait(t, `is full, and sensors wait`)
			require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP)) // which rotates what can be
			time.Sleep(1500 * time.Millisecond)
			require.Positive(t, s.journal.Pending())
			c.makeRoom(t)
			c.wait(t, `there is room again`)
			require.Eventually(t, func() bool { return s.confirmed() == events }, deadline, 10*time.Millisecond)
			code, said := c.end(t, syscall.SIGTERM)
			require.Zero(t, code, said)
			exactlyOnce(t, c.at, events)
		})
	}
}

// TestEndOnAFullDisk: what could not be written is said, and was not confirmed.
func TestEndOnAFullDisk(t *testing.T) {
	t.Parallel()
	c := onSmallDisk(t, "size=128k", "-log-files", "one", "-zeek-listen", "127.0.0.1:0")
	web := c.earlier(t, `WebSocket clients are served at (\S+)`)
	all := []*courier{sensorOf(t, dialFrom(t, "127.0.0.1", c.addr)), clientOf(t, web)}
	const events = 2000
	for i, s := range all {
		s.from, s.n = i*events, events
		s.run()
	}
	c.wait(t, `is full, and sensors wait until there is room`)
	time.Sleep(500 * time.Millisecond)
	begun := time.Now()
	code, said := c.end(t, syscall.SIGTERM)
	require.Less(t, time.Since(begun), endTime)
	require.Equal(t, 1, code, said)
	require.Equal(t, 1, strings.Count(said, "no space left on device"), said)
	require.Contains(t, said, "writing log "+c.dir+"/events.log: no space left on device (make room on the file system of "+c.dir+")")
	require.Regexp(t, `[1-9]\d* events had come and could not be written`, said)
	found := numbers(t, c.at)
	for i, s := range all {
		require.Error(t, <-s.ended)
		for n := range s.confirmed() {
			require.Contains(t, found, fmt.Sprint(i*events+n), "it was confirmed")
		}
	}
}

// TestPatienceOnAFullDisk: sensors that ask for signs of life get them while they are held
// back, and do not come anew with what they have sent already.
func TestPatienceOnAFullDisk(t *testing.T) {
	t.Parallel()
	const silence = 4 * time.Second
	c := onSmallDisk(t, "size=8m", "-log-files", "one", "-zeek-listen", "127.0.0.1:0")
	web := c.earlier(t, `WebSocket clients are served at (\S+)`)
	c.fill(t, 128<<10)
	all := []*courier{{journal: delivery.NewJournal(64 << 20)}, {journal: delivery.NewJournal(64 << 20)}}
	all[0].conn = opened(t, dialFrom(t, "127.0.0.1", c.addr), peer.Config{Journal: all[0].journal, Silence: silence})
	client, err := websocket.Open(t.Context(), dialFrom(t, "127.0.0.1", web),
		websocket.Config{Host: web, Topic: "t", Journal: all[1].journal, Silence: silence})
	require.NoError(t, err)
	defer client.Close()
	all[1].conn = client
	const events = 1000
	for i, s := range all {
		s.from, s.n = i*events, events
		s.run()
	}
	c.wait(t, `is full, and sensors wait`)
	time.Sleep(3 * silence)
	c.makeRoom(t)
	for _, s := range all {
		require.Eventually(t, func() bool { return s.confirmed() == events }, deadline, 10*time.Millisecond)
		require.Empty(t, s.ended)
	}
	exactlyOnce(t, c.at, len(all)*events)
}
