package hosttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// oldBro is a Bro with what its OpenSSL is made to offer, and what of ours it
// needs.
type oldBro struct {
	maxVersion, groups string // for OpenSSL; "": what it has
	needs              secure.Settings
}

var oldBros = map[string]oldBro{
	"as it is":         {},
	"TLS 1.2":          {maxVersion: "TLSv1.2"},
	"TLS 1.0":          {maxVersion: "TLSv1", needs: secure.Settings{MinVersion: "1.0"}},
	"no ECDHE":         {maxVersion: "TLSv1.2", groups: "X448", needs: secure.Settings{RSAKeyExchange: true}},
	"1.0 and no ECDHE": {maxVersion: "TLSv1", groups: "X448", needs: secure.Settings{MinVersion: "1.0", RSAKeyExchange: true}},
}

// conf is what an old Bro needs, as a configuration.
func (o oldBro) conf() string {
	var b strings.Builder
	if o.needs.MinVersion != "" {
		fmt.Fprintf(&b, "/broccoli/tls_min_version \"%s\"\n", o.needs.MinVersion)
	}
	if o.needs.RSAKeyExchange {
		b.WriteString("/broccoli/tls_rsa_key_exchange yes\n")
	}
	return b.String()
}

// bro runs the Bro 2.5 that ROMANESCO_BRO names with a script, in the folder of
// the certificates, until the test ends. said returns what it has printed.
func bro(t *testing.T, o oldBro, n network, script string) (said func() string) {
	t.Helper()
	return broUntil(t.Context(), t, o, n, script)
}

// broUntil runs it until ctx ends, if that is before the test.
func broUntil(ctx context.Context, t *testing.T, o oldBro, n network, script string) (said func() string) {
	t.Helper()
	command := os.Getenv("ROMANESCO_BRO")
	if command == "" {
		t.Skip("needs a real Bro 2.5: ROMANESCO_BRO=command")
	}
	dir := t.TempDir()
	text := fmt.Sprintf("redef exit_only_after_terminate = T;\nredef ssl_ca_certificate = %q;\n"+
		"redef ssl_private_key = %q;\n%s", n.ca, n.host, script)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "test.bro"), []byte(text), 0o600))
	cmd := exec.CommandContext(ctx, command, "test.bro")
	cmd.Dir = dir
	cmd.Env = os.Environ()
	if o.maxVersion != "" {
		openssl := "openssl_conf = d\n[d]\nssl_conf = s\n[s]\nsystem_default = f\n[f]\n" +
			"MinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0\nMaxProtocol = " + o.maxVersion + "\n"
		if o.groups != "" {
			openssl += "Groups = " + o.groups + "\n"
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "openssl.cnf"), []byte(openssl), 0o600))
		cmd.Env = append(cmd.Env, "OPENSSL_CONF="+filepath.Join(dir, "openssl.cnf"))
	}
	var out bytes.Buffer
	var mu sync.Mutex
	cmd.Stdout, cmd.Stderr = locked{&mu, &out}, locked{&mu, &out}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // its child ends with it
		_ = cmd.Wait()
	})
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return out.String()
	}
}

type locked struct {
	mu  *sync.Mutex
	out *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(b)
}

// TestRealBroConnects: a Bro connects to us over TLS, whatever its age, if the
// settings allow for it, and is refused otherwise.
func TestRealBroConnects(t *testing.T) {
	n := newNetwork(t)
	for name, o := range oldBros {
		t.Run(name, func(t *testing.T) {
			settings := []secure.Settings{o.needs}
			if o.needs.MinVersion != "" || o.needs.RSAKeyExchange {
				settings = append(settings, secure.Settings{})
			}
			for i, s := range settings {
				s.CACert, s.HostCert = n.ca, n.host
				err := broConnects(t, o, n, s)
				if i == 0 {
					require.NoError(t, err)
				} else {
					require.Error(t, err, "it is not to be had without settings")
				}
			}
		})
	}
}

// broConnects takes one connection of a Bro's, and three events from it.
func broConnects(t *testing.T, o oldBro, n network, s secure.Settings) error {
	cfg, err := s.Listening()
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	bro(t, o, n, fmt.Sprintf(`
redef Communication::nodes += { ["collector"] = [$host=127.0.0.1, $p=%s/tcp, $connect=T, $ssl=T, $events=/pong/] };
global tick: event(n: count, s: string);
global pong: event(n: count);
global again: event();
event pong(n: count) { }
event again() { event tick(4711, "from Bro"); schedule 100msec { again() }; }
event bro_init() { event again(); }
`, port))
	nc, err := l.Accept()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p, err := peer.Open(ctx, tls.Server(nc, cfg), peer.Config{Requests: []string{"tick"}, Cache: true, Whole: true})
	if err != nil {
		return err
	}
	defer p.Close()
	for range 3 {
		var ev event.Event
		if err := p.Next(&ev); err != nil {
			return err
		}
		require.Equal(t, "tick", ev.Name)
		require.Equal(t, uint64(4711), ev.Args[0].Bits)
		require.Equal(t, "from Bro", string(ev.Args[1].Bytes))
	}
	return nil
}

// TestRealBroListens: a C program connects to a Bro over TLS.
func TestRealBroListens(t *testing.T) {
	n := newNetwork(t)
	for name, o := range oldBros {
		t.Run(name, func(t *testing.T) {
			_, port, err := net.SplitHostPort(nobody(t))
			require.NoError(t, err)
			said := bro(t, o, n, fmt.Sprintf(`
@load frameworks/communication/listen
redef Communication::listen_ssl = T;
redef Communication::listen_port = %s/tcp;
redef Communication::listen_interface = 127.0.0.1;
redef Communication::nodes += { ["sshd"] = [$host=127.0.0.1, $events=/last/, $connect=F, $ssl=T] };
global last: event(n: count);
event last(n: count) { print fmt("got %%d", n); flush_all(); }
event bro_init() { print "listening"; flush_all(); }
`, port))
			conf := "/broccoli/ca_cert " + n.ca + "\n/broccoli/host_cert " + n.host + "\n" + o.conf()
			require.Eventually(t, func() bool { return strings.Contains(said(), "listening") }, time.Minute, 10*time.Millisecond)
			require.Eventually(t, func() bool { return delivers(t, conf, "127.0.0.1:"+port) }, time.Minute, 100*time.Millisecond)
			require.Eventually(t, func() bool { return strings.Contains(said(), "got 1") }, time.Minute, 10*time.Millisecond)
			if o.conf() != "" {
				plain := "/broccoli/ca_cert " + n.ca + "\n/broccoli/host_cert " + n.host + "\n"
				out, told := secureHost(t, plain, "connect", "127.0.0.1:"+port)
				require.Contains(t, out, "FALSE", told)
			}
		})
	}
}

// delivers reports whether the host could connect, and send.
func delivers(t *testing.T, conf, addr string) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(path, []byte(conf), 0o600))
	cmd := host(t, "exit", addr)
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+path)
	out, err := cmd.Output()
	return err == nil && len(out) == 0
}

// counting is a Bro that listens in the clear and writes the numbers of the
// events "soak" of run 0 that arrive.
const counting = `
@load frameworks/communication/listen
redef Communication::listen_port = %s/tcp;
redef Communication::listen_interface = 127.0.0.1;
redef Communication::nodes += { ["soak"] = [$host=127.0.0.1, $events=/soak/, $connect=F] };
global out = open_for_append("%s");
global soak: event(run: count, n: count);
event soak(run: count, n: count) { print out, n; }
event save() { flush_all(); schedule 100msec { save() }; }
event bro_init() { print "listening"; flush_all(); event save(); }
`

// numbers reads what such a Bro has written: how often each number.
func numbersIn(t *testing.T, path string) map[uint64]int {
	t.Helper()
	seen := map[uint64]int{}
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return seen // nothing has come
	}
	require.NoError(t, err)
	whole := b[:bytes.LastIndexByte(b, '\n')+1] // the last line may not be there in full
	for line := range bytes.Lines(whole) {
		n, err := strconv.ParseUint(strings.TrimSpace(string(line)), 10, 64)
		if err == nil {
			seen[n]++
		}
	}
	return seen
}

// TestRealBroAndLostLinks: a Bro does not confirm, but its kernel does: what is
// lost with a connection that is reset again and again comes with the next.
func TestRealBroAndLostLinks(t *testing.T) {
	s := newSoak(t)
	_, port, err := net.SplitHostPort(nobody(t))
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "numbers")
	said := bro(t, oldBro{}, newNetwork(t), fmt.Sprintf(counting, port, out))
	require.Eventually(t, func() bool { return strings.Contains(said(), "listening") }, time.Minute, 10*time.Millisecond)
	cmd, accepted := soakHost(t, s, "/broccoli/confirm yes\n/broccoli/retry 1\n", "127.0.0.1:"+port, 0, s.events)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	cuts := 0
	for k := range s.kills {
		until(t, s, done, fmt.Sprintf("cut %d", k), func() bool { return accepted() >= (k+1)*s.events/(s.kills+1) })
		// As a reset from somewhere in the network.
		killed, err := exec.Command("ss", "-K", "dst", "127.0.0.1", "dport", "=", port).CombinedOutput()
		if err != nil {
			t.Skipf("ss cannot reset a connection here: %v: %s", err, killed)
		}
		cuts += strings.Count(string(killed), "ESTAB")
	}
	require.NoError(t, <-done)
	var seen map[uint64]int
	require.Eventually(t, func() bool { seen = numbersIn(t, out); return uint64(len(seen)) == s.events },
		time.Minute, 500*time.Millisecond, "all that was accepted arrives")
	twice := 0
	for _, n := range seen {
		twice += n - 1
	}
	t.Logf("%d events, %d of them again, over %d cuts", len(seen), twice, cuts)
	require.Positive(t, cuts)
}

// TestRealBroThatDies tells what is lost with a Bro that is killed: what its
// kernel had and it had not read, which can be the last event, too. Sending goes on.
func TestRealBroThatDies(t *testing.T) {
	s := newSoak(t)
	_, port, err := net.SplitHostPort(nobody(t))
	require.NoError(t, err)
	n := newNetwork(t)
	dir := t.TempDir()
	out := func(k uint64) string { return filepath.Join(dir, fmt.Sprint("numbers.", k)) }
	start := func(k uint64) (kill func()) {
		ctx, cancel := context.WithCancel(t.Context())
		said := broUntil(ctx, t, oldBro{}, n, fmt.Sprintf(counting, port, out(k)))
		require.Eventually(t, func() bool { return strings.Contains(said(), "listening") }, time.Minute, 10*time.Millisecond)
		return cancel
	}
	kill := start(0)
	cmd, accepted := soakHost(t, s, "/broccoli/confirm yes\n/broccoli/retry 1\n", "127.0.0.1:"+port, 0, s.events)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for k := range s.kills {
		until(t, s, done, fmt.Sprintf("kill %d", k), func() bool { return accepted() >= (k+1)*s.events/(s.kills+1) })
		kill()
		kill = start(k + 1)
	}
	require.NoError(t, <-done)
	seen := map[uint64]int{}
	quiet := 0 // looks since the last arrival
	require.Eventually(t, func() bool {
		before := len(seen)
		for k := range s.kills + 1 {
			for n := range numbersIn(t, out(k)) {
				seen[n] = 1
			}
		}
		if quiet++; len(seen) != before {
			quiet = 0
		}
		return quiet == 10
	}, 5*time.Minute, 500*time.Millisecond)
	lost := s.events - uint64(len(seen))
	t.Logf("%d of %d events were lost with %d Bros", lost, s.events, s.kills)
}
