package secure

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestKeyIsDecryptedOnce, not for each peer, and again when the file has changed.
func TestKeyIsDecryptedOnce(t *testing.T) {
	dir := t.TempDir()
	ca, key := newAuthority(t, dir), rsaKey(t)
	pass := []byte("secret")
	asked := 0
	s := Settings{CACert: ca.path, AskPass: func(string) ([]byte, error) { asked++; return pass, nil }}
	renew := func(name string, when time.Time) {
		s.HostCert = write(t, dir, "host.pem", ca.sign(t, key, name, time.Now().Add(time.Hour)), pkcs8Block(t, key, pass))
		require.NoError(t, os.Chtimes(s.HostCert, when, when))
	}
	renew("host", time.Now())
	src, err := s.Source()
	require.NoError(t, err)
	hello := func() *tls.Config {
		cfg, err := src.Server().GetConfigForClient(nil)
		require.NoError(t, err)
		return cfg
	}
	first := hello()
	for range 100 { // long before the clock of the file system is past it
		require.Same(t, first, hello())
	}
	renew("renewed", time.Now())
	require.NotSame(t, first, hello())
	require.Equal(t, "renewed", hello().Certificates[0].Leaf.Subject.CommonName)
	require.Equal(t, 1, asked)
}

// TestWhatHasSettledIsNotRead: not even that.
func TestWhatHasSettledIsNotRead(t *testing.T) {
	s, _, _ := standard(t)
	src, err := s.Source()
	require.NoError(t, err)
	require.False(t, src.settled, "the files have just been written")
	require.Eventually(t, func() bool { _, err := src.material(); return err == nil && src.settled }, 10*time.Second, 100*time.Millisecond)
	src.set.HostCert = s.CACert // would not do
	src.stamps = src.look()
	_, err = src.material()
	require.NoError(t, err)
	require.NoError(t, os.Remove(s.HostCert))
	src.set.HostCert = s.HostCert
	_, err = src.material()
	require.ErrorContains(t, err, "host_cert: open")
}

// TestClientRenews: what it shows, and whom it believes.
func TestClientRenews(t *testing.T) {
	s, ca, key := standard(t)
	src, err := s.Source()
	require.NoError(t, err)
	client := src.Client("")
	server, err := s.Listening()
	require.NoError(t, err)
	server.GetConfigForClient = nil
	verify := server.VerifyConnection
	var shown string
	server.VerifyConnection = func(cs tls.ConnectionState) error {
		shown = cs.PeerCertificates[0].Subject.CommonName
		return verify(cs)
	}
	for _, name := range []string{"host", "renewed"} {
		write(t, filepath.Dir(s.HostCert), "host.pem", ca.sign(t, key, name, time.Now().Add(time.Hour)), pkcs8Block(t, key, nil))
		clientErr, serverErr := shake(t, client, server)
		require.NoError(t, clientErr)
		require.NoError(t, serverErr)
		require.Equal(t, name, shown)
	}
	newAuthority(t, filepath.Dir(s.HostCert)) // in place of the one that has signed
	clientErr, _ := shake(t, client, server)
	require.ErrorContains(t, clientErr, "not one of ca_cert")
}

// TestClientChecksTheName, of a host or an address.
func TestClientChecksTheName(t *testing.T) {
	s, ca, key := standard(t)
	src, err := s.Source()
	require.NoError(t, err)
	for _, c := range []struct {
		cert     x509.Certificate
		name     string
		accepted bool
	}{
		{x509.Certificate{DNSNames: []string{"zeek.example.org"}}, "zeek.example.org", true},
		{x509.Certificate{DNSNames: []string{"*.example.org"}}, "zeek.example.org", true},
		{x509.Certificate{DNSNames: []string{"other.example.org"}}, "zeek.example.org", false},
		{x509.Certificate{DNSNames: []string{"other.example.org"}}, "", true},
		{x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, "127.0.0.1", true},
		{x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, "127.0.0.2", false},
		{x509.Certificate{Subject: pkix.Name{CommonName: "old.example.org"}}, "old.example.org", true},
	} {
		shows := s
		shows.HostCert = write(t, t.TempDir(), "peer.pem", ca.issue(t, key, &c.cert), pkcs8Block(t, key, nil))
		server, err := shows.Listening()
		require.NoError(t, err)
		clientErr, _ := shake(t, src.Client(c.name), server)
		if c.accepted {
			require.NoError(t, clientErr)
		} else {
			require.ErrorContains(t, clientErr, "not of "+c.name)
		}
	}
}

// issue signs a certificate that is as far as it is said.
func (a authority) issue(t *testing.T, key crypto.Signer, c *x509.Certificate) *pem.Block {
	t.Helper()
	if c.SerialNumber == nil {
		c.SerialNumber = big.NewInt(2)
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	return &pem.Block{Type: "CERTIFICATE", Bytes: der}
}

// list makes a revocation list.
func (a authority) list(t *testing.T, until time.Time, serials ...int64) *pem.Block {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: until}
	for _, n := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.cert, a.key)
	require.NoError(t, err)
	return &pem.Block{Type: "X509 CRL", Bytes: der}
}

// TestRevokedPeersAreRefused, by either side, from when the file says so.
func TestRevokedPeersAreRefused(t *testing.T) {
	s, ca, _ := standard(t)
	dir, soon := t.TempDir(), time.Now().Add(time.Hour)
	strict := s
	strict.CRL = write(t, dir, "crl.pem", ca.list(t, soon, 3))
	src, err := strict.Source()
	require.NoError(t, err)
	lax, err := s.Config()
	require.NoError(t, err)
	peers := func() (asServer, asClient error) {
		_, asServer = shake(t, lax, src.Server())
		asClient, _ = shake(t, src.Client(""), lax)
		return asServer, asClient
	}
	good, also := peers()
	require.NoError(t, good)
	require.NoError(t, also)
	for what, blocks := range map[string][]*pem.Block{
		"it is revoked":                        {ca.list(t, soon, 1, 2)},
		"was to be renewed until":              {ca.list(t, time.Now().Add(-time.Minute))},
		"there is no revocation list":          {newAuthorityNamed(t, "another").list(t, soon)},
		"is not signed by that":                {newAuthorityNamed(t, "test CA").list(t, soon)},
		"crl: " + strict.CRL + ": not a revoc": {{Type: "X509 CRL", Bytes: []byte("what")}},
	} {
		write(t, dir, "crl.pem", blocks...)
		asServer, asClient := peers()
		require.ErrorContains(t, asServer, what)
		require.ErrorContains(t, asClient, what)
	}
	write(t, dir, "crl.pem", newAuthorityNamed(t, "another").list(t, soon), ca.list(t, soon, 3))
	good, also = peers()
	require.NoError(t, good)
	require.NoError(t, also)
	require.NoError(t, os.WriteFile(strict.CRL, ca.list(t, soon, 2).Bytes, 0o600)) // DER
	asServer, _ := peers()
	require.ErrorIs(t, asServer, ErrRevoked)
}

// TestIdentity: the first name, and nothing that a terminal or a log would obey.
func TestIdentity(t *testing.T) {
	uri, err := url.Parse("spiffe://example.org/sshd")
	require.NoError(t, err)
	named := x509.Certificate{Subject: pkix.Name{CommonName: "cn"}, URIs: []*url.URL{uri}}
	require.Equal(t, "spiffe://example.org/sshd", Identity(&named))
	named.EmailAddresses = []string{"root@example.org"}
	require.Equal(t, "root@example.org", Identity(&named))
	named.IPAddresses = []net.IP{net.ParseIP("2001:db8::1")}
	require.Equal(t, "2001:db8::1", Identity(&named))
	named.DNSNames = []string{"a.example.org", "b.example.org"}
	require.Equal(t, "a.example.org", Identity(&named))
	cn := func(s string) string { return Identity(&x509.Certificate{Subject: pkix.Name{CommonName: s}}) }
	require.Equal(t, `x\n\x1b[2J\u009b\"`, cn("x\n\x1b[2J\u009b\""))
	require.Empty(t, cn(""))
	require.Len(t, cn(strings.Repeat("x", 1000)), maxIdentity)
}

// TestErrorsQuoteThePeer: its certificate says what it likes.
func TestErrorsQuoteThePeer(t *testing.T) {
	s, ca, key := standard(t)
	bad := s
	bad.HostCert = write(t, t.TempDir(), "bad.pem", ca.sign(t, key, "x\nbroccoli-collector: all is well\x1b[2J", time.Now().Add(-time.Minute)), pkcs8Block(t, key, nil))
	_, serverErr := handshake(t, bad, s)
	require.ErrorContains(t, serverErr, "has expired")
	require.NotContains(t, serverErr.Error(), "\n")
	require.NotContains(t, serverErr.Error(), "\x1b")
}
