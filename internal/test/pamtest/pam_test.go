package pamtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

const (
	password = "correct horse battery"
	patience = 2 * time.Minute
)

// stack is a service of PAM and a user for it.
type stack struct{ service, user, build string }

func newStack(t *testing.T) stack {
	t.Helper()
	s := stack{build: os.Getenv("ROMANESCO_PAM"), user: fmt.Sprintf("romanesco%d", os.Getpid())}
	if s.build == "" {
		t.Skip("ROMANESCO_PAM does not say where the built module is: use make test-pam")
	}
	for _, program := range []string{"saslauthd", "testsaslauthd", "pamtester"} {
		_, err := exec.LookPath(program)
		require.NoError(t, err, "apt-get install sasl2-bin pamtester")
	}
	command(t, nil, "useradd", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", s.user)
	t.Cleanup(func() { command(t, nil, "userdel", s.user) })
	command(t, strings.NewReader(s.user+":"+password+"\n"), "chpasswd")

	s.service = s.user
	module := filepath.Join(s.build, "pam", "pam_broccoli.so")
	text := strings.ReplaceAll(`auth [success=2 default=ignore] pam_unix.so nodelay
auth optional MODULE rejected
auth requisite pam_deny.so
auth optional MODULE accepted
auth required pam_permit.so
account required pam_unix.so
session required pam_permit.so
session optional MODULE
`, "MODULE", module)
	path := "/etc/pam.d/" + s.service
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	t.Cleanup(func() { require.NoError(t, os.Remove(path)) })
	return s
}

func command(t *testing.T, in *strings.Reader, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	if in != nil {
		cmd.Stdin = in
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", name, out)
}

// environment returns that of a program that reports to the collector.
func environment(t *testing.T, collector string) []string {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, []byte("/broccoli/retry 1\n/pam/collector \""+collector+"\"\n"), 0o600))
	return append(os.Environ(), "BROCCOLI_CONFIG_FILE="+conf)
}

// daemon starts saslauthd, and returns what asks it: OK or not.
func (s stack) daemon(t *testing.T, collector string) func(user, password string) bool {
	t.Helper()
	dir, err := os.MkdirTemp("", "saslauthd") // paths of sockets have to be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cmd := exec.Command("saslauthd", "-a", "pam", "-d", "-n", "2", "-m", dir)
	cmd.Env = environment(t, collector)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	// Killed, with its children: asked to end, it logs in its handlers of signals, and hangs in the
	// lock of syslog(3) most times, with this module or without.
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	mux := filepath.Join(dir, "mux")
	require.Eventually(t, func() bool { _, err := os.Stat(mux); return err == nil }, patience, 10*time.Millisecond)
	return func(user, password string) bool {
		out, err := exec.Command("testsaslauthd", "-u", user, "-p", password, "-s", s.service, "-f", mux).CombinedOutput()
		answered := strings.Contains(string(out), "OK \"Success") || strings.Contains(string(out), "NO \"authentication failed")
		require.True(t, answered, "testsaslauthd: %s", out)
		return err == nil
	}
}

// collector counts what the module sends, in text.
type collector struct {
	addr string
	mu   sync.Mutex
	got  []string
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	c := &collector{addr: l.Addr().String()}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go c.receive(nc)
		}
	}()
	return c
}

func (c *collector) receive(nc net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := peer.Open(ctx, nc, peer.Config{Requests: []string{"pam_auth", "pam_session_open", "pam_session_close"}})
	if err != nil {
		_ = nc.Close()
		return
	}
	var ev event.Event
	for p.Next(&ev) == nil {
		text := ev.Name
		for _, v := range ev.Args[2:] { // after ts and host
			if v.Type == event.Bool {
				text += fmt.Sprintf(" %v", v.Bits != 0)
			} else {
				text += " " + string(v.Bytes)
			}
		}
		c.mu.Lock()
		c.got = append(c.got, text)
		c.mu.Unlock()
	}
}

// expect waits until these have arrived, in whatever order, and nothing else.
func (c *collector) expect(t *testing.T, want ...string) {
	t.Helper()
	all := func() []string { c.mu.Lock(); defer c.mu.Unlock(); return append([]string{}, c.got...) }
	require.Eventually(t, func() bool { return len(all()) >= len(want) }, patience, 10*time.Millisecond, "%v", want)
	require.ElementsMatch(t, want, all())
}

// TestDaemon: each answer of saslauthd is told once, with the user as he was named.
func TestDaemon(t *testing.T) {
	s := newStack(t)
	c := newCollector(t)
	ask := s.daemon(t, c.addr)
	var want []string
	for range 5 {
		require.True(t, ask(s.user, password))
		require.False(t, ask(s.user, "wrong"))
		require.False(t, ask("no-such-user", password))
		want = append(want, "pam_auth "+s.service+" "+s.user+"   true", "pam_auth "+s.service+" "+s.user+"   false",
			"pam_auth "+s.service+" no-such-user   false")
	}
	c.expect(t, want...)
}

// TestSession: a program that ends at once has told all the same.
func TestSession(t *testing.T) {
	s := newStack(t)
	c := newCollector(t)
	cmd := exec.Command("pamtester", "-I", "rhost=192.0.2.7", "-I", "tty=pts/9", s.service, s.user, "authenticate", "open_session", "close_session")
	cmd.Env = environment(t, c.addr)
	cmd.Stdin = strings.NewReader(password + "\n")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	who := " " + s.service + " " + s.user + " 192.0.2.7 pts/9"
	c.expect(t, "pam_auth"+who+" true", "pam_session_open"+who, "pam_session_close"+who)
}

// TestBadCollectors: whatever the collector does, the answers are the right ones.
func TestBadCollectors(t *testing.T) {
	s := newStack(t)
	behave := func(f func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				go f(nc)
			}
		}()
		return l.Addr().String()
	}
	refused := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		return l.Addr().String()
	}
	for name, addr := range map[string]string{
		"refused": refused(),
		"silent":  behave(func(net.Conn) {}),
		"garbage": behave(func(nc net.Conn) { _, _ = nc.Write([]byte("HTTP/1.1 400\r\n\r\n")); _ = nc.Close() }),
	} {
		t.Run(name, func(t *testing.T) {
			ask := s.daemon(t, addr)
			for range 5 {
				require.True(t, ask(s.user, password))
				require.False(t, ask(s.user, "wrong"))
			}
		})
	}
}
