package hosttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

// network has the certificates of a CA.
type network struct{ ca, host string }

func newNetwork(t *testing.T) network {
	t.Helper()
	dir := t.TempDir()
	ca, err := certs.NewCA("test CA", time.Hour)
	require.NoError(t, err)
	cert, err := ca.Issue("127.0.0.1")
	require.NoError(t, err)
	n := network{filepath.Join(dir, "ca_cert.pem"), filepath.Join(dir, "host.pem")}
	require.NoError(t, os.WriteFile(n.ca, ca.PEM, 0o600))
	require.NoError(t, os.WriteFile(n.host, cert, 0o600))
	return n
}

// secureHost runs the host with a configuration.
func secureHost(t *testing.T, conf string, args ...string) (string, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(path, []byte("/broccoli/debug_messages yes\n"+conf), 0o600))
	cmd := host(t, args...)
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+path)
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.Output()
	require.NoError(t, err, told.String())
	return string(out), told.String()
}

// secured accepts one peer over TLS.
func secured(t *testing.T, n network, f func(*peer.Conn) error) (string, chan error) {
	t.Helper()
	cfg, err := secure.Settings{CACert: n.ca, HostCert: n.host}.Listening()
	require.NoError(t, err)
	return accept(t, func(nc net.Conn) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		p, err := peer.Open(ctx, tls.Server(nc, cfg), peer.Config{Requests: []string{"flood"}, Whole: true})
		if err != nil {
			return err
		}
		return f(p)
	})
}

func TestTLS(t *testing.T) {
	n := newNetwork(t)
	addr, done := secured(t, n, func(p *peer.Conn) error {
		var ev event.Event
		for i := range 20 {
			if err := p.Next(&ev); err != nil {
				return err
			}
			// Longer than a chunk of a connection in the clear.
			if len(ev.Args[1].Bytes) != 2<<20 {
				t.Errorf("event %d of %d bytes", i, len(ev.Args[1].Bytes))
			}
		}
		return drain(p)
	})
	conf := "/broccoli/ca_cert " + n.ca + "\n/broccoli/host_cert " + n.host + "\n"
	out, _ := secureHost(t, conf, "flood", addr, "20", "2097152")
	require.Contains(t, out, "sent 20")
	require.NoError(t, <-done)
}

// TestTLSRefuses: what is not as it should be ends the attempt, with a reason,
// and nothing ever goes in the clear.
func TestTLSRefuses(t *testing.T) {
	n, other := newNetwork(t), newNetwork(t)
	certOf := func(n network) string { return "/broccoli/host_cert " + n.host + "\n" }
	caOf := func(n network) string { return "/broccoli/ca_cert " + n.ca + "\n" }
	for name, c := range map[string]struct{ conf, reason string }{
		"no certificate":   {"/broccoli/use_ssl yes\n", "ca_cert: not given"},
		"no CA":            {"/broccoli/use_ssl yes\n" + certOf(n), "ca_cert: not given"},
		"no host_cert":     {"/broccoli/use_ssl yes\n" + caOf(n), "host_cert: not given"},
		"unknown word":     {"/broccoli/use_ssl perhaps\n", "neither yes nor no"},
		"quoted word":      {"/broccoli/use_ssl \"yes\"\n/broccoli/use_ssl no\n", "without quotes"},
		"foreign peer":     {caOf(other) + certOf(n), "not one of ca_cert"},
		"foreign host":     {caOf(n) + certOf(other), "handshake"},
		"another name":     {caOf(n) + certOf(n) + "/broccoli/peer_name other.example\n", "not of other.example"},
		"unknown version":  {caOf(n) + certOf(n) + "/broccoli/tls_min_version \"7\"\n", "tls_min_version"},
		"clear collector ": {caOf(n) + certOf(n), "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := secured(t, n, drain)
			if name == "clear collector " || name == "unknown word" { // that would do without
				addr, _ = serve(t, peer.Config{}, drain)
			}
			out, told := secureHost(t, c.conf, "connect", addr)
			require.Contains(t, out, "FALSE")
			require.Contains(t, told, c.reason)
		})
	}
}

// TestSilentTLSPeer: a peer that takes the connection and says nothing holds the
// host as long as any other does.
func TestSilentTLSPeer(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	addr, _ := accept(t, func(net.Conn) error { <-t.Context().Done(); return nil })
	out, told := secureHost(t, "/broccoli/ca_cert "+n.ca+"\n/broccoli/host_cert "+n.host+"\n", "connect", addr)
	require.Contains(t, out, "FALSE")
	require.Contains(t, told, "TLS with")
}

// TestWeakTLSIsAskedFor: what an old Bro needs is to be had by its setting, and
// not without.
func TestWeakTLSIsAskedFor(t *testing.T) {
	n := newNetwork(t)
	for name, c := range map[string]struct {
		max     uint16
		suites  []uint16
		setting string
	}{
		"TLS 1.1":          {tls.VersionTLS11, nil, "/broccoli/tls_min_version \"1.0\"\n"},
		"RSA key exchange": {tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, "/broccoli/tls_rsa_key_exchange yes\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := secure.Settings{CACert: n.ca, HostCert: n.host, MinVersion: "1.0"}.Config()
			require.NoError(t, err)
			cfg.MaxVersion, cfg.CipherSuites = c.max, c.suites
			for setting, said := range map[string]string{"": "FALSE", c.setting: "TRUE"} {
				addr, _ := accept(t, func(nc net.Conn) error {
					p, err := peer.Open(t.Context(), tls.Server(nc, cfg), peer.Config{Whole: true})
					if err != nil {
						return err
					}
					return drain(p)
				})
				out, told := secureHost(t, "/broccoli/ca_cert "+n.ca+"\n/broccoli/host_cert "+n.host+"\n"+setting, "connect", addr)
				require.Contains(t, out, said, told)
			}
		})
	}
}

// TestCertificatesAreReadAgain: the operator has replaced them, on both sides,
// while the connection was up.
func TestCertificatesAreReadAgain(t *testing.T) {
	old, renewed := newNetwork(t), newNetwork(t)
	here := newNetwork(t) // what the host is configured with
	put := func(n network) {
		for from, to := range map[string]string{n.ca: here.ca, n.host: here.host} {
			b, err := os.ReadFile(from)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, b, 0o600))
		}
	}
	put(old)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute))
	// session takes connections, secured with what n has, until one is good, and one event of that.
	session := func(n network) {
		cfg, err := secure.Settings{CACert: n.ca, HostCert: n.host}.Listening()
		require.NoError(t, err)
		for {
			nc, err := l.Accept()
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			p, err := peer.Open(ctx, tls.Server(nc, cfg), peer.Config{Requests: []string{"steady"}, Whole: true})
			cancel()
			if err != nil {
				continue
			}
			var ev event.Event
			require.NoError(t, p.Next(&ev))
			require.NoError(t, p.Close())
			return
		}
	}
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, []byte("/broccoli/ca_cert "+here.ca+"\n/broccoli/host_cert "+here.host+"\n/broccoli/retry 1\n"), 0o600))
	cmd := host(t, "steady", l.Addr().String(), "1000000")
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
	require.NoError(t, cmd.Start())
	session(old)
	put(renewed)
	if outside() && os.Geteuid() == 0 {
		renewed = old // a core of root's has read them, and is nobody by now
	}
	session(renewed)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
}
