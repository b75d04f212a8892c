package secure

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/youmark/pkcs8"

	"github.com/romanesco-broccoli/romanesco/internal/regular"
)

// authority is a CA of the test's own.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	path string
}

func newAuthority(t *testing.T, dir string) authority {
	t.Helper()
	return makeAuthority(t, dir, "test CA")
}

func newAuthorityNamed(t *testing.T, name string) authority {
	t.Helper()
	return makeAuthority(t, t.TempDir(), name)
}

func makeAuthority(t *testing.T, dir, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{cert, key, write(t, dir, "ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a authority) sign(t *testing.T, key crypto.Signer, name string, until time.Time) *pem.Block {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	return &pem.Block{Type: "CERTIFICATE", Bytes: der}
}

func write(t *testing.T, dir, name string, blocks ...*pem.Block) string {
	t.Helper()
	var b []byte
	for _, block := range blocks {
		b = append(b, pem.EncodeToMemory(block)...)
	}
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func pkcs8Block(t *testing.T, key any, pass []byte) *pem.Block {
	t.Helper()
	der, err := pkcs8.MarshalPrivateKey(key, pass, nil)
	require.NoError(t, err)
	if pass != nil {
		return &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}
	}
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}
}

// handshake connects two sides and returns the errors of each.
func handshake(t *testing.T, client, server Settings) (clientErr, serverErr error) {
	t.Helper()
	cc, err := client.Config()
	require.NoError(t, err)
	sc, err := server.Listening()
	require.NoError(t, err)
	return shake(t, cc, sc)
}

func shake(t *testing.T, cc, sc *tls.Config) (clientErr, serverErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err == nil {
			conn := tls.Server(nc, sc)
			if err = conn.Handshake(); err == nil {
				_, err = conn.Write([]byte("x"))
			}
			_ = nc.Close()
		}
		done <- err
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer nc.Close()
	conn := tls.Client(nc, cc)
	// In TLS 1.3 the refusal of our certificate comes with the first read.
	if clientErr = conn.Handshake(); clientErr == nil {
		_, clientErr = conn.Read(make([]byte, 1))
	}
	_ = nc.Close()
	return clientErr, <-done
}

// TestKeysOfEveryKind: each form of a key serves in both roles.
func TestKeysOfEveryKind(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	rsaKey := rsaKey(t)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ecDER, err := x509.MarshalECPrivateKey(ecKey)
	require.NoError(t, err)
	rsaDER := x509.MarshalPKCS1PrivateKey(rsaKey)
	pass := []byte("my d0g has Fl33z")
	//lint:ignore SA1019 it is what old keys have
	legacy, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", rsaDER, pass, x509.PEMCipherAES256)
	require.NoError(t, err)
	edDER, err := x509.MarshalPKCS8PrivateKey(edKey)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		key   crypto.Signer
		block *pem.Block
		pass  string
	}{
		"PKCS#1":           {rsaKey, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: rsaDER}, ""},
		"PKCS#8":           {rsaKey, pkcs8Block(t, rsaKey, nil), ""},
		"EC":               {ecKey, &pem.Block{Type: "EC PRIVATE KEY", Bytes: ecDER}, ""},
		"Ed25519":          {edKey, &pem.Block{Type: "PRIVATE KEY", Bytes: edDER}, ""},
		"encrypted PEM":    {rsaKey, legacy, string(pass)},
		"encrypted PKCS#8": {ecKey, pkcs8Block(t, ecKey, pass), string(pass)},
	} {
		t.Run(name, func(t *testing.T) {
			// Certificate and key in one file, as the guide has it.
			path := write(t, t.TempDir(), "bro.pem", ca.sign(t, c.key, "host", time.Now().Add(time.Hour)), c.block)
			s := Settings{CACert: ca.path, HostCert: path, HostPass: c.pass}
			clientErr, serverErr := handshake(t, s, s)
			require.NoError(t, clientErr)
			require.NoError(t, serverErr)
			if c.pass == "" {
				return
			}
			s.HostPass = "wrong"
			_, err := s.Config()
			require.ErrorContains(t, err, "host_pass")
			s.HostPass = ""
			_, err = s.Config()
			require.ErrorContains(t, err, "host_pass is not given")
			asked := 0
			s.AskPass = func(string) ([]byte, error) { asked++; return pass, nil }
			listening, err := s.Listening()
			require.NoError(t, err)
			_, err = listening.GetConfigForClient(nil)
			require.NoError(t, err)
			require.Equal(t, 1, asked)
		})
	}
}

func TestWhoIsRefused(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	ca, foreign := newAuthority(t, dir), newAuthority(t, other)
	key := rsaKey(t)
	block := pkcs8Block(t, key, nil)
	hour := time.Now().Add(time.Hour)
	good := Settings{CACert: ca.path, HostCert: write(t, dir, "good.pem", ca.sign(t, key, "good", hour), block)}
	stranger := Settings{CACert: ca.path, HostCert: write(t, dir, "stranger.pem", foreign.sign(t, key, "stranger", hour), block)}
	expired := Settings{CACert: ca.path, HostCert: write(t, dir, "expired.pem", ca.sign(t, key, "expired", time.Now().Add(-time.Minute)), block)}

	clientErr, serverErr := handshake(t, good, good)
	require.NoError(t, clientErr)
	require.NoError(t, serverErr)
	for name, bad := range map[string]Settings{"stranger": stranger, "expired": expired} {
		_, serverErr := handshake(t, bad, good)
		require.ErrorContains(t, serverErr, "certificate", name)
		clientErr, _ := handshake(t, good, bad)
		require.ErrorContains(t, clientErr, "certificate", name)
	}
	_, serverErr = handshake(t, Settings{CACert: ca.path, Nameless: true}, good)
	require.ErrorContains(t, serverErr, "certificate", "who shows none")
	named := good
	named.PeerName = "good"
	clientErr, _ = handshake(t, named, good)
	require.NoError(t, clientErr)
	named.PeerName = "other"
	clientErr, _ = handshake(t, named, good)
	require.ErrorContains(t, clientErr, "not of other")

	old, modern := good, good
	old.MinVersion, modern.MinVersion = "1.0", "1.3"
	clientErr, _ = handshake(t, old, modern)
	require.NoError(t, clientErr)
}

func TestBadSettingsAreExplained(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	key := rsaKey(t)
	cert := ca.sign(t, key, "host", time.Now().Add(time.Hour))
	block := pkcs8Block(t, key, nil)
	good := write(t, dir, "good.pem", cert, block)
	for what, s := range map[string]Settings{
		"ca_cert: not given":        {HostCert: good},
		"ca_cert: open":             {CACert: dir + "/none", HostCert: good},
		"has no certificate in PEM": {CACert: write(t, dir, "empty.pem"), HostCert: good},
		"host_cert: not given":      {CACert: ca.path},
		"host_cert: open":           {CACert: ca.path, HostCert: dir + "/none"},
		"there is no private key":   {CACert: ca.path, HostCert: write(t, dir, "nokey.pem", cert)},
		"is not the key of":         {CACert: ca.path, HostCert: good, HostKey: write(t, dir, "other.pem", pkcs8Block(t, rsaKey(t), nil))},
		`tls_min_version "9"`:       {CACert: ca.path, HostCert: good, MinVersion: "9"},
	} {
		_, err := s.Config()
		require.ErrorContains(t, err, what)
	}
}

// standard is what a host has that is configured as in the guide.
func standard(t *testing.T) (Settings, authority, crypto.Signer) {
	t.Helper()
	dir := t.TempDir()
	ca, key := newAuthority(t, dir), rsaKey(t)
	cert := write(t, dir, "host.pem", ca.sign(t, key, "host", time.Now().Add(time.Hour)), pkcs8Block(t, key, nil))
	return Settings{CACert: ca.path, HostCert: cert}, ca, key
}

// TestWeakPeersAreRefused: one that speaks nothing better than TLS 1.1, or
// exchanges keys by RSA alone, gets no connection unless that is asked for.
func TestWeakPeersAreRefused(t *testing.T) {
	usual, _, _ := standard(t)
	old, static := usual, usual
	old.MinVersion, static.RSAKeyExchange = "1.0", true
	for name, c := range map[string]struct {
		weaken  func(*tls.Config)
		allowed Settings
	}{
		"TLS 1.1": {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, old},
		"RSA key exchange": {func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}, static},
	} {
		t.Run(name, func(t *testing.T) {
			weak, err := usual.Config()
			require.NoError(t, err)
			c.weaken(weak)
			for i, ours := range []Settings{usual, c.allowed} {
				client, err := ours.Config()
				require.NoError(t, err)
				server, err := ours.Listening()
				require.NoError(t, err)
				asClient, _ := shake(t, client, weak)
				_, asServer := shake(t, weak, server)
				if i == 1 {
					require.NoError(t, asClient)
					require.NoError(t, asServer)
				} else {
					require.Error(t, asClient)
					require.Error(t, asServer)
				}
			}
		})
	}
}

// TestListenerReadsAnew: a certificate that was renewed is shown to the next
// peer, who cannot resume a session from before.
func TestListenerReadsAnew(t *testing.T) {
	s, ca, key := standard(t)
	server, err := s.Listening()
	require.NoError(t, err)
	client, err := s.Config()
	require.NoError(t, err)
	client.MaxVersion, client.ClientSessionCache = tls.VersionTLS12, tls.NewLRUClientSessionCache(1)
	client.ServerName = "any" // what sessions are found by
	verify := client.VerifyConnection
	var shown string
	client.VerifyConnection = func(cs tls.ConnectionState) error {
		require.False(t, cs.DidResume)
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
}

// TestPipes: nobody waits for who would write there.
func TestPipes(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	for _, s := range []Settings{
		{CACert: fifo},
		{CACert: ca.path, HostCert: fifo},
		{CACert: ca.path, HostCert: ca.path, HostKey: fifo},
	} {
		_, err := s.Config()
		require.ErrorIs(t, err, regular.ErrOther)
	}
}

// TestCertificateOutOfTime: what is wrong is said, with the dates.
func TestCertificateOutOfTime(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	key := rsaKey(t)
	good := Settings{CACert: ca.path, HostCert: write(t, dir, "good.pem", ca.sign(t, key, "good", time.Now().Add(time.Hour)), pkcs8Block(t, key, nil))}
	until := time.Now().Add(-time.Minute)
	old := Settings{CACert: ca.path, HostCert: write(t, dir, "old.pem", ca.sign(t, key, "old", until), pkcs8Block(t, key, nil))}
	_, err := handshake(t, old, good)
	require.ErrorContains(t, err, `the peer's certificate ("CN=old") has expired: it is valid from `)
	require.ErrorContains(t, err, " to "+until.UTC().Format(time.RFC3339)+", and it is ")
	require.NotContains(t, err.Error(), "ca_cert")

	leaf := &x509.Certificate{Raw: []byte("leaf"), Subject: pkix.Name{CommonName: "leaf"}}
	between := &x509.Certificate{Raw: []byte("between"), Subject: pkix.Name{CommonName: "between"}, NotBefore: time.Now().Add(time.Hour)}
	err = reason(leaf, x509.CertificateInvalidError{Cert: between, Reason: x509.Expired})
	require.ErrorContains(t, err, `the certificate ("CN=between") that has signed the peer's ("CN=leaf") is not valid yet: it is valid from `)
	err = reason(leaf, x509.CertificateInvalidError{Cert: between, Reason: x509.NotAuthorizedToSign})
	require.ErrorContains(t, err, `("CN=leaf") cannot be verified: x509: `)
}

// TestNamesOfPeersStayOnOneLine: whoever asks for a certificate chooses its name.
func TestNamesOfPeersStayOnOneLine(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	other := newAuthority(t, t.TempDir())
	key := rsaKey(t)
	hour := time.Now().Add(time.Hour)
	const name = "x\n\x1b[2Jbroccoli-collector: all is well\u202e\u0085"
	good := Settings{CACert: ca.path, HostCert: write(t, dir, "good.pem", ca.sign(t, key, "good", hour), pkcs8Block(t, key, nil))}
	named := good
	named.PeerName = "sensor"
	for file, c := range map[string]struct {
		by     authority
		until  time.Time
		server Settings
	}{"foreign": {other, hour, good}, "old": {ca, time.Now().Add(-time.Minute), good}, "other": {ca, hour, named}} {
		bad := Settings{CACert: ca.path, HostCert: write(t, dir, file+".pem", c.by.sign(t, key, name, c.until), pkcs8Block(t, key, nil))}
		_, err := handshake(t, bad, c.server)
		require.ErrorContains(t, err, `x\n\x1b[2J`, file)
		for _, r := range err.Error() {
			require.True(t, r >= ' ' && r < 0x7f, "%s: %q", file, err)
		}
	}
}
