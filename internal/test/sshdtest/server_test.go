package sshdtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server is a running sshd that reports to a collector.
type server struct {
	*collector
	program
	t       *testing.T
	port    string
	cmd     *exec.Cmd
	done    chan struct{} // closed when it has ended
	log     string        // its file
	started time.Time
	before  []string // sockets of sensors of others
	cid     int      // of the last connection
}

// settings are what tests change.
type settings struct {
	conf      string // lines of broccoli.conf, in section [sshd]
	broccoli  string // all of broccoli.conf
	sshd      string // lines of sshd_config
	collector string // instead of the one that runs
	stock     bool   // Debian's own sshd
	trace     string // where strace writes what each process does
}

// newServer starts a collector and an sshd, and takes the event of its listening.
func newServer(t *testing.T, set settings) *server {
	t.Helper()
	s := startServer(t, newCollector(t), set)
	s.listener("listen 127.0.0.1 " + s.port + "/tcp")
	t.Cleanup(s.stop)
	return s
}

func startServer(t *testing.T, c *collector, set settings) *server {
	t.Helper()
	s := &server{collector: c, program: m.ours, t: t, started: time.Now(), before: sockets(t)}
	if set.stock {
		s.program = m.stock
	}
	dir := t.TempDir()
	s.log = filepath.Join(dir, "log")
	if set.collector == "" && c != nil {
		set.collector = c.addr
	}
	conf := filepath.Join(dir, "broccoli.conf")
	text := "/broccoli/retry 1\n[sshd]\n" + set.conf + "\n"
	if set.collector != "" {
		text += "/sshd/collector \"" + set.collector + "\"\n"
	}
	if c != nil {
		text += fmt.Sprintf("/broccoli/use_ssl yes\n/broccoli/ca_cert %s\n/broccoli/host_cert %s\n", c.ca, c.sensor)
	}
	if set.broccoli != "" {
		text = set.broccoli
	}
	require.NoError(t, os.WriteFile(conf, []byte(text), 0o600))
	for range 10 { // another may have taken the port meanwhile
		s.port = freePort(t)
		if s.start(dir, conf, set) {
			return s
		}
	}
	log, _ := os.ReadFile(s.log)
	require.FailNow(t, "sshd does not start", string(log))
	return nil
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

func (s *server) start(dir, broccoli string, set settings) bool {
	conf := filepath.Join(dir, "sshd_config")
	text := set.sshd + "\n" + without(s.config()+`
ListenAddress 127.0.0.1:`+s.port+`
HostKey `+m.dir+`/host
PidFile `+dir+`/pid
AuthorizedKeysFile `+m.dir+`/authorized
UsePAM yes
StrictModes no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 200
MaxAuthTries 6
UseDNS no
LogLevel VERBOSE
Subsystem sftp `+m.openssh+`/sftp-server
`, set.sshd)
	require.NoError(s.t, os.WriteFile(conf, []byte(text), 0o600))
	args := []string{s.sshd, "-D", "-f", conf, "-E", s.log}
	if set.trace != "" { // -D: sshd is our child, and strace is not its parent
		args = append([]string{"strace", "-D", "-ff", "-q", "-o", set.trace}, args...)
	}
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Env = append(os.Environ(), "BROCCOLI_CONFIG_FILE="+broccoli, "LD_LIBRARY_PATH="+m.build+"/lib")
	require.NoError(s.t, s.cmd.Start())
	s.done = make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(s.done) }()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		select {
		case <-s.done:
			return false
		default:
		}
		if _, err := os.Stat(dir + "/pid"); err == nil { // it listens
			return true
		}
	}
	return false
}

// without leaves out lines of a configuration whose keywords another one has.
func without(conf, other string) string {
	has := map[string]bool{}
	for line := range strings.Lines(other) {
		word, _, _ := strings.Cut(line, " ")
		has[word] = true
	}
	var rest strings.Builder
	for line := range strings.Lines(conf) {
		if word, _, _ := strings.Cut(line, " "); !has[word] {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// quit ends sshd and waits for it and its sensors.
func (s *server) quit() {
	sensors := s.sensors()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
	for _, pid := range sensors {
		eventually(s.t, func() bool { return !isSensor(pid) }, "sensor %d does not end", pid)
	}
}

// abandon does the same with a collector that takes nothing, for which sensors
// would wait a minute.
func (s *server) abandon() {
	s.t.Helper()
	for _, pid := range s.sensors() {
		require.NoError(s.t, syscall.Kill(pid, syscall.SIGTERM))
	}
	s.quit()
}

// stop ends sshd: it says so, once, and nothing is left over.
func (s *server) stop() {
	if s.t.Failed() {
		log, _ := os.ReadFile(s.log)
		s.t.Logf("log of sshd:\n%s", log)
	}
	s.quit()
	eventually(s.t, func() bool { return s.count(isNamed("exit")) > 0 }, "no exit event")
	log, err := os.ReadFile(s.log)
	require.NoError(s.t, err)
	require.Contains(s.t, string(log), "sensor: connected to the collector "+s.addr)
	require.NotContains(s.t, string(log), "events lost")
	require.Equal(s.t, []string{"exit"}, texts(s.take(func(got) bool { return true })), "events that no test expects")
	require.Subset(s.t, s.before, sockets(s.t), "a socket is left over")
}

func sockets(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("/run/sshd-sensor.*")
	require.NoError(t, err)
	return append([]string{}, names...)
}

func isNamed(short string) func(got) bool { return func(g got) bool { return g.short() == short } }

// listener expects events of the listener.
func (s *server) listener(want ...string) {
	s.t.Helper()
	ofListener := func(g got) bool { return g.Args["cid"] == nil }
	eventually(s.t, func() bool { return s.count(ofListener) >= len(want) }, "no %s", want)
	s.check(want, s.take(ofListener))
}

// connection expects that the next connection has ended, with exactly these
// events between conn_new and conn_end, in this order. It returns conn_new.
func (s *server) connection(want ...string) got {
	s.t.Helper()
	s.cid++
	return s.numbered(s.cid, want...)
}

func (s *server) numbered(cid int, want ...string) got {
	s.t.Helper()
	mine := func(g got) bool { return g.cid() == cid }
	ended := func(g got) bool { return mine(g) && g.short() == "conn_end" }
	eventually(s.t, func() bool { return s.count(ended) > 0 }, "connection %d does not end", cid)
	events := s.take(mine)
	require.Equal(s.t, "conn_new", events[0].short())
	s.check(append(append([]string{}, want...), "conn_end"), events[1:])
	require.Equal(s.t, "127.0.0.1", events[0].Args["src_ip"])
	require.Equal(s.t, "127.0.0.1", events[0].Args["dst_ip"])
	require.Equal(s.t, s.port+"/tcp", events[0].Args["dst_p"])
	return events[0]
}

func texts(events []got) (list []string) {
	for _, e := range events {
		list = append(list, e.String())
	}
	return list
}

// check compares events, and looks at what all of them have.
func (s *server) check(want []string, events []got) {
	s.t.Helper()
	require.Equal(s.t, want, texts(events))
	host, err := os.Hostname()
	require.NoError(s.t, err)
	for _, e := range events {
		require.Regexp(s.t, "^"+host+"_"+s.port+`_\d+$`, e.Args["sid"])
		ts := time.UnixMicro(int64(e.Args["ts"].(float64) * 1e6))
		require.WithinRange(s.t, ts, s.started.Add(-time.Second), time.Now().Add(time.Second))
	}
}

// --- Clients --------------------------------------------------------------------------------

// ssh makes a client that shows a key.
func (s *server) ssh(key string, args ...string) *exec.Cmd {
	return s.client("ssh", append([]string{"-o", "PreferredAuthentications=publickey",
		"-o", "IdentityFile=" + filepath.Join(m.dir, key)}, args...)...)
}

// sshPassword makes a client that types a password.
func (s *server) sshPassword(pass string, args ...string) *exec.Cmd {
	cmd := s.client("ssh", append([]string{"-o", "PreferredAuthentications=password"}, args...)...)
	cmd.Env = append(os.Environ(), "SSH_ASKPASS="+m.dir+"/askpass", "SSH_ASKPASS_REQUIRE=force", "SSHDTEST_PASSWORD="+pass)
	return cmd
}

func (s *server) client(program string, args ...string) *exec.Cmd {
	port := "-p"
	if program == "sftp" {
		port = "-P"
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	return exec.CommandContext(ctx, program, append([]string{"-F", "none", port, s.port, "-o", "IdentitiesOnly=yes",
		"-o", "UserKnownHostsFile=" + m.dir + "/known", "-o", "LogLevel=ERROR"}, args...)...)
}

// target is the user at this server.
func target() string { return m.name + "@127.0.0.1" }

// status runs a client and returns its exit status.
func (s *server) status(cmd *exec.Cmd) int {
	s.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		require.NoError(s.t, err)
	}
	if cmd.ProcessState.ExitCode() != 0 {
		s.t.Logf("%s: %s", strings.Join(slices.Clone(cmd.Args[len(cmd.Args)-1:]), " "), out)
	}
	return cmd.ProcessState.ExitCode()
}

// ok is the event of the user's login.
func ok() string { return strings.Join([]string{"auth_ok", m.name, m.uid, m.gid}, " ") }
