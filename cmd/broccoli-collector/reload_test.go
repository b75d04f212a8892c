package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// rewrite has a file be of that text.
func rewrite(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// reload has the collector read its files anew, and returns what it says of it.
func (c *collector) reload(t *testing.T) string {
	t.Helper()
	c.passed = ""
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
	last := c.wait(t, `((?:not )?reloaded[:,] .*)`)
	return c.passed + last
}

// connected returns a peer that connects and takes what comes.
func connected(t *testing.T, addr string, cfg peer.Config) *peer.Conn {
	t.Helper()
	p := opened(t, dialFrom(t, "127.0.0.1", addr), cfg)
	go func() {
		for ev := new(event.Event); p.Next(ev) == nil; {
		}
	}()
	return p
}

// asked waits until the peer has been asked for an event.
func asked(t *testing.T, p *peer.Conn, name string) {
	t.Helper()
	require.Eventually(t, func() bool { return p.Wants(name) }, deadline, time.Millisecond, name)
}

func sendNow(t *testing.T, p *peer.Conn, ev *event.Event) {
	t.Helper()
	require.NoError(t, p.Send(ev))
	require.NoError(t, p.Flush())
}

const twoSensors = `redef Remote::destinations += {
	["one"] = [$host=127.0.0.1, $class="one", $events=/%s/],
	["two"] = [$host=127.0.0.1, $class="two", $events=/%s/] };`

// TestReloadOfPolicies: sensors that are connected are asked for what is new, without
// another connection; a policy that is wrong changes nothing.
func TestReloadOfPolicies(t *testing.T) {
	dir, policy := t.TempDir(), written(t, "local.bro", fmt.Sprintf(twoSensors, "sensor_sshd_exec", "sensor_sshd_exec"))
	c := launchIn(t, dir, "-listen", "127.0.0.1:0", "-policy", policy)
	one, two := connected(t, c.addr, peer.Config{Class: "one"}), connected(t, c.addr, peer.Config{Class: "two"})
	sendNow(t, one, numbered("exec", 1))
	eventLines(t, dir, 1)

	rewrite(t, policy, fmt.Sprintf(twoSensors, "sensor_sshd_data_rx", "sensor_sshd_(data_rx|exec)"))
	require.Contains(t, c.reload(t), "reloaded: 2 destinations, 2 events, 2 peers are asked for more")
	require.Len(t, rotated(t, dir), 1, "SIGHUP rotates as it did")
	require.Contains(t, logOf(t, dir, "remote"), "requesting events matching /^?(sensor_sshd_data_rx)$?/")
	for n, p := range []*peer.Conn{one, two} {
		asked(t, p, "sensor_sshd_data_rx")
		sendNow(t, p, numbered("exec", 10+n)) // of which one is not asked for any more
		sendNow(t, p, numbered("data_rx", 20+n))
	}
	got := strings.Join(eventLines(t, dir, 3), "\n")
	for n, there := range map[int]bool{10: false, 11: true, 20: true, 21: true} {
		require.Equal(t, there, strings.Contains(got, fmt.Sprintf(`"cid":%d,`, n)), "%d in %s", n, got)
	}

	for _, wrong := range []string{"redef Remote::destinations += {", fmt.Sprintf(twoSensors, "http_.*", "ftp_.*"), ""} {
		rewrite(t, policy, wrong)
		if wrong == "" {
			require.NoError(t, os.Remove(policy))
		}
		said := c.reload(t)
		require.Contains(t, said, "not reloaded, all stays as it was: policy: ")
		require.Contains(t, said, "local.bro")
	}
	sendNow(t, two, numbered("data_rx", 30))
	require.Contains(t, eventLines(t, dir, 1)[0], `"cid":30,`)

	// One that is gone, or has another class, may stay; what it sends is ignored.
	rewrite(t, policy, `redef Remote::destinations += { ["one"] = [$host=127.0.0.1, $class="one", $events=/sensor_sshd_exec/] };`)
	require.Contains(t, c.reload(t), "reloaded: 1 destinations, 1 events, 1 peers are asked for more")
	sendNow(t, two, numbered("data_rx", 40))
	sendNow(t, two, numbered("exec", 41))
	require.Eventually(t, func() bool {
		comm, _ := os.ReadFile(dir + "/comm.log")
		return strings.Contains(string(comm), "it is no destination any more: ") && strings.Contains(string(comm), `"sensor_sshd_exec" was not asked for, and is ignored`)
	}, deadline, time.Millisecond)
	sendNow(t, one, numbered("exec", 42))
	require.Contains(t, eventLines(t, dir, 1)[0], `"cid":42,`)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Contains(t, said, " from 2 peers")
}

// rotated returns the logs of events that have been rotated.
func rotated(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(dir + "/events.log.*")
	require.NoError(t, err)
	return files
}

// TestReloadOfDestinations: those that are new are connected to, those that are gone
// are ended, and the others do not notice.
func TestReloadOfDestinations(t *testing.T) {
	var listeners [3]*net.TCPListener
	policyOf := func(which ...int) string {
		var b strings.Builder
		for _, i := range which {
			fmt.Fprintf(&b, "redef Remote::destinations += { [\"sensor %d\"] = [$host=127.0.0.1, $p=%d/tcp, $events=/sensor_sshd_exec/, $connect=T, $retry=10 msecs] };\n",
				i, listeners[i].Addr().(*net.TCPAddr).Port)
		}
		return b.String()
	}
	for i := range listeners {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		listeners[i] = l.(*net.TCPListener)
	}
	accept := func(i int) *peer.Conn {
		require.NoError(t, listeners[i].SetDeadline(time.Now().Add(deadline)))
		nc, err := listeners[i].Accept()
		require.NoError(t, err)
		return opened(t, nc, peer.Config{})
	}
	policy := written(t, "local.bro", policyOf(0, 1))
	dir := t.TempDir()
	c := launchSaying(t, exec.Command(program, "-policy", policy, "-log-dir", dir, "-log-files", "one", "-metrics", "127.0.0.1:0"), "metrics at (.*)")
	stays, goes := accept(0), accept(1)
	sendNow(t, stays, numbered("exec", 0))
	sendNow(t, goes, numbered("exec", 0))
	eventLines(t, dir, 2)
	rewrite(t, policy, policyOf(2, 0))
	require.Contains(t, c.reload(t), "reloaded: 2 destinations")
	comes := accept(2)
	require.Error(t, goes.Next(new(event.Event)))
	sendNow(t, stays, numbered("exec", 1))
	sendNow(t, comes, numbered("exec", 2))
	eventLines(t, dir, 2)
	require.NoError(t, listeners[1].SetDeadline(time.Now().Add(200*time.Millisecond)))
	_, err := listeners[1].Accept()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "it is not connected to again")
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Contains(t, said, " from 3 peers")
}

// TestReloadOfAConfiguration takes over what it can, and says what it cannot.
func TestReloadOfAConfiguration(t *testing.T) {
	dir := t.TempDir()
	config := written(t, "collector.conf", "listen 127.0.0.1:0\npattern sensor_sshd_exec\nmax-line 8K\n")
	c := launch(t, exec.Command(program, "-config", config, "-log-dir", dir, "-log-files", "one"))
	p := connected(t, c.addr, peer.Config{})
	rewrite(t, config, "listen 127.0.0.1:1\nforward\npattern sensor_sshd_exec\nevent made_up\nmax-line 16K\nmax-peers 7\nzeek-listen 127.0.0.1:0\n")
	for range 2 { // as long as it is so
		said := c.reload(t)
		for _, name := range []string{"-listen, or where a policy has us listen,", "-forward, or forward_remote_events,", "-max-line", "-max-peers", "-zeek-listen"} {
			require.Contains(t, said, name+" cannot be changed by a reload: restart")
		}
		require.Equal(t, 5, strings.Count(said, "cannot be changed"), said)
		require.Contains(t, said, "reloaded: 1 destinations, 2 events")
	}
	asked(t, p, "made_up")
	sendNow(t, p, &event.Event{Name: "made_up"})
	require.Contains(t, eventLines(t, dir, 1)[0], `"event":"made_up"`)

	for text, says := range map[string]string{
		"listen 127.0.0.1:0\nno-such 1\n":           "collector.conf:2: no-such: there is no such option",
		"event made_up\npattern nothing_of_this\n":  "matches no event that is known",
		"crl /nowhere/crl.pem\ntls-listen :0\n":     "TLS needs certificates",
		"listen 127.0.0.1:0\nmessages \"unclosed\n": "collector.conf:2",
	} {
		rewrite(t, config, text)
		said := c.reload(t)
		require.Contains(t, said, "not reloaded, all stays as it was: ")
		require.Contains(t, said, says)
	}
	sendNow(t, p, &event.Event{Name: "made_up"})
	eventLines(t, dir, 1)
	rewrite(t, config, "listen 127.0.0.1:0\npattern sensor_sshd_exec\nmax-line 8K\n")
	require.NotContains(t, c.reload(t), "cannot be changed")
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}

// TestReloadOfAPipe: what can be read once is not waited for, and nothing else waits.
func TestReloadOfAPipe(t *testing.T) {
	for _, option := range []string{"-config", "-events"} {
		pipe, dir := filepath.Join(t.TempDir(), "pipe"), t.TempDir()
		require.NoError(t, syscall.Mkfifo(pipe, 0o600))
		cmd := exec.Command(program, "-listen", "127.0.0.1:0", option, pipe, "-log-dir", dir)
		go func() {
			if w, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
				_ = w.Close()
			}
		}()
		c := launch(t, cmd)
		said := c.reload(t)
		require.Contains(t, said, "not reloaded, all stays as it was: ")
		require.Contains(t, said, pipe+": not a regular file")
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
	}
}

// TestReloadOfCertificates: other files, other names, and revocation, for those that
// connect from then on.
func TestReloadOfCertificates(t *testing.T) {
	a, b := newTestNetwork(t), newTestNetwork(t)
	conf := func(n *testNetwork, more string) string {
		return fmt.Sprintf("listen \"\"\ntls-listen 127.0.0.1:0\nzeek-tls-listen 127.0.0.1:0\nca-cert %s\nhost-cert %s\n%s", n.ca, n.host, more)
	}
	config := written(t, "collector.conf", conf(a, "tls-names sensor1\n"))
	dir := t.TempDir()
	c := launchIn(t, dir, "-config", config)
	clients := strings.Fields(c.passed[strings.Index(c.passed, "served at "):])[2]
	first := opened(t, a.dialAs(t, c.addr, "sensor1"), peer.Config{Whole: true})
	accepted := func(n *testNetwork, name string) bool {
		both := [2]bool{}
		for i, addr := range []string{c.addr, clients} {
			conn := n.dialAs(t, addr, name)
			require.NoError(t, conn.SetDeadline(time.Now().Add(deadline)))
			_, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			if err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			both[i] = err == nil
		}
		require.Equal(t, both[0], both[1], "%s: Bros and WebSocket clients alike", name)
		return both[0]
	}
	require.True(t, accepted(a, "sensor1"))
	require.False(t, accepted(a, "sensor2"))
	rewrite(t, config, conf(a, "tls-names sensor2\n"))
	require.Contains(t, c.reload(t), "reloaded: ")
	require.False(t, accepted(a, "sensor1"))
	require.True(t, accepted(a, "sensor2"))

	rewrite(t, config, conf(b, ""))
	require.Contains(t, c.reload(t), "reloaded: ")
	require.False(t, accepted(a, "sensor2"))
	require.True(t, accepted(b, "sensor1"))

	stolen, err := b.IssueTo("stolen")
	require.NoError(t, err)
	list, err := b.Revoke(stolen)
	require.NoError(t, err)
	crl := written(t, "crl.pem", string(list))
	accepts := func(cert []byte) bool {
		conn := b.dialWith(t, c.addr, cert)
		require.NoError(t, conn.SetDeadline(time.Now().Add(deadline)))
		_ = conn.Handshake()
		_, err := conn.Read(make([]byte, 1))
		return err == nil
	}
	require.True(t, accepts(stolen))
	rewrite(t, config, conf(b, "crl "+crl+"\n"))
	require.Contains(t, c.reload(t), "reloaded: ")
	require.False(t, accepts(stolen))
	require.True(t, accepted(b, "sensor1"))

	rewrite(t, config, conf(b, "crl /nowhere/crl.pem\n"))
	require.Contains(t, c.reload(t), "not reloaded, all stays as it was: TLS: crl: ")
	require.True(t, accepted(b, "sensor1"))
	sendNow(t, first, numbered("exec", 1))
	require.Contains(t, eventLines(t, dir, 1)[0], `"host":"sensor1"`, "who was connected has stayed")
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}

// TestReloadOfTheLeastVersion counts for the Zeek of -zeek-forward too, from the next
// connection on.
func TestReloadOfTheLeastVersion(t *testing.T) {
	n := newTestNetwork(t)
	cert, err := tls.LoadX509KeyPair(n.host, n.host)
	require.NoError(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS12})
	require.NoError(t, err)
	defer l.Close()
	handshakes := make(chan error)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			err = nc.(*tls.Conn).Handshake()
			_ = nc.Close()
			select {
			case handshakes <- err:
			case <-t.Context().Done():
			}
		}
	}()
	handshake := func() error {
		select {
		case err := <-handshakes:
			return err
		case <-time.After(deadline):
			return errors.New("it does not connect")
		}
	}
	config := written(t, "collector.conf", "tls-min-version 1.2\n")
	c := start(t, "-config", config, "-ca-cert", n.ca, "-zeek-forward", "wss://"+l.Addr().String())
	require.NoError(t, handshake())
	rewrite(t, config, "tls-min-version 1.3\n")
	require.Contains(t, c.reload(t), "reloaded: ")
	for range 2 { // one is told late, and one waits: they may have begun before
		_ = handshake()
	}
	require.ErrorContains(t, handshake(), "version")
}

// TestReloadTellsTheServiceManager when it begins and when it is done.
func TestReloadTellsTheServiceManager(t *testing.T) {
	c, told := managed(t)
	require.Equal(t, "READY=1", told())
	c.reload(t)
	require.Regexp(t, `^RELOADING=1\nMONOTONIC_USEC=\d+\n$`, told())
	require.Equal(t, "READY=1", told())
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}
