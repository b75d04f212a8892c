package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// TestNamesOfPeersAreChecked: who has any certificate of the CA is not who we want
// to connect to.
func TestNamesOfPeersAreChecked(t *testing.T) {
	a := newAuthority(t) // whose certificate is of 127.0.0.1
	cfg, err := secure.Settings{CACert: a.ca, HostCert: a.host}.Listening()
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	policy := func(more string) []string {
		return []string{"-policy", written(t, "local.bro", fmt.Sprintf(
			`redef Remote::destinations += { ["a"] = [$host=127.0.0.1, $p=%s/tcp, $events=/ftp_.*/, $connect=T, $ssl=T, $retry=10 msecs%s] };`, port, more))}
	}
	connect := func(host string, more ...string) []string {
		return append([]string{"-connect", net.JoinHostPort(host, port), "-tls-connect", "-retry", "10ms"}, more...)
	}
	zeek := func(host string, more ...string) []string {
		return append([]string{"-zeek-forward", "wss://" + net.JoinHostPort(host, port)}, more...)
	}
	for _, c := range []struct {
		args     []string
		accepted bool
	}{
		{connect("127.0.0.1"), true},
		{connect("localhost"), false},
		{connect("localhost", "-tls-peer-name", "127.0.0.1"), true},
		{connect("localhost", "-tls-peer-name", "any"), true},
		{connect("127.0.0.1", "-tls-peer-name", "other"), false},
		{policy(""), true},
		{policy(`, $tls_name="other"`), false},
		{policy(`, $tls_name="any"`), true},
		{zeek("127.0.0.1"), true},
		{zeek("localhost"), false},
		{zeek("localhost", "-zeek-tls-name", "127.0.0.1"), true},
		{zeek("localhost", "-zeek-tls-name", "any"), true},
	} {
		program := start(t, append(c.args, a.args()...)...)
		require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(deadline)))
		nc, err := l.Accept()
		require.NoError(t, err, "%v", c.args)
		require.NoError(t, nc.SetDeadline(time.Now().Add(deadline)))
		conn := tls.Server(nc, cfg)
		// In TLS 1.3 the refusal comes with the first read.
		if err = conn.Handshake(); err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
		_ = nc.Close()
		if c.accepted {
			require.NoError(t, err, "%v", c.args)
		} else {
			require.ErrorContains(t, err, "bad certificate", "%v", c.args)
		}
		require.NoError(t, program.cmd.Process.Kill())
	}
}
