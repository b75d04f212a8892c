// Package secure makes the TLS configuration of a connection from the files
// that broccoli.conf names. Both sides show a certificate of the CA, whoever
// connects.
package secure

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/youmark/pkcs8"

	"github.com/romanesco-broccoli/romanesco/internal/regular"
)

// Settings are the configuration as the user wrote it; README has the table.
type Settings struct {
	// CACert, HostCert and HostKey are paths of PEM files. Without HostKey the
	// key is looked for in HostCert.
	CACert, HostCert, HostKey string
	// HostPass decrypts the key. Without it AskPass, if there is one, is
	// called with the path of an encrypted key.
	HostPass string
	AskPass  func(path string) ([]byte, error)
	// MinVersion is "1.0" to "1.3", empty for 1.2.
	MinVersion string
	// RSAKeyExchange allows suites without forward secrecy, which is all that
	// some old Bros have.
	RSAKeyExchange bool
	// Nameless allows to have no HostCert: a client then shows no certificate.
	Nameless bool
	// PeerName is the name that the peer's certificate must have; empty: any
	// certificate of the CA will do.
	PeerName string
	// AllowName, if set, says why a peer that connects to us may not have a
	// certificate of that name, which is its Identity.
	AllowName func(name string) error
	// CRL is the path of a file with revocation lists of the CA, PEM or DER; empty:
	// nothing is taken to be revoked.
	CRL string
	// ReadFile reads the files, if it is set, in the place of the process's own right to them.
	ReadFile func(path string) ([]byte, error)
}

var versions = map[string]uint16{
	"": tls.VersionTLS12, "1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11,
	"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
}

// Config reads the files. The result serves either role.
func (s Settings) Config() (*tls.Config, error) {
	read, err := s.read()
	if err != nil {
		return nil, err
	}
	m, err := s.parse(read)
	if err != nil {
		return nil, err
	}
	return s.config(m), nil
}

// material is what the files say.
type material struct {
	roots *x509.CertPool
	certs []tls.Certificate // ours, none if we are Nameless
	crls  []*revocations    // nil if revocation is not looked at
}

func (s Settings) config(m *material) *tls.Config {
	cfg := &tls.Config{
		MinVersion:   versions[s.MinVersion],
		Certificates: m.certs,
		ClientAuth:   tls.RequireAnyClientCert,
		// Names are not part of the protocol; VerifyConnection does the rest
		// of the verification, for both roles alike.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if err := m.verify(cs, s.PeerName); err != nil || s.AllowName == nil {
				return err
			}
			return s.AllowName(Identity(cs.PeerCertificates[0]))
		},
		// A resumed session would not be verified against a changed CA.
		SessionTicketsDisabled: true,
	}
	if s.RSAKeyExchange {
		cfg.CipherSuites = withRSAKeyExchange()
	}
	return cfg
}

func withRSAKeyExchange() []uint16 {
	var ids []uint16
	for _, suite := range tls.CipherSuites() {
		ids = append(ids, suite.ID)
	}
	return append(ids, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
}

// verify decides about what a peer has shown. Its words are quoted in errors.
func (m *material) verify(cs tls.ConnectionState, name string) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the peer shows no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		between.AddCert(c)
	}
	leaf := cs.PeerCertificates[0]
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: m.roots, Intermediates: between,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return reason(leaf, err)
	}
	if err := m.notRevoked(chains); err != nil {
		return fmt.Errorf("the peer's certificate (%s): %w", subject(leaf), err)
	}
	// Old CAs put the name of the host into the common name only.
	if name != "" && leaf.Subject.CommonName != name && leaf.VerifyHostname(name) != nil {
		return fmt.Errorf("the peer's certificate is of %s (%s), not of %s", Identity(leaf), subject(leaf), name)
	}
	return nil
}

// maxSubject is how much of a name is said.
const maxSubject = 256

// subject returns what a certificate says that it is of, which its owner has
// chosen: on one line, quoted.
func subject(c *x509.Certificate) string {
	name := c.Subject.String()
	return strconv.QuoteToASCII(name[:min(len(name), maxSubject)])
}

// reason says why a certificate was not verified.
func reason(leaf *x509.Certificate, err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return outOfTime(leaf, invalid.Cert, time.Now())
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fmt.Errorf("the peer's certificate (%s) is not one of ca_cert: %w", subject(leaf), err)
	}
	return fmt.Errorf("the peer's certificate (%s) cannot be verified: %w", subject(leaf), err)
}

// outOfTime says that a certificate, the peer's or one that it hangs on, is not
// valid at this time.
func outOfTime(leaf, c *x509.Certificate, now time.Time) error {
	what := fmt.Sprintf("the peer's certificate (%s)", subject(leaf))
	if !c.Equal(leaf) {
		what = fmt.Sprintf("the certificate (%s) that has signed the peer's (%s)", subject(c), subject(leaf))
	}
	how := "has expired"
	if now.Before(c.NotBefore) {
		how = "is not valid yet"
	}
	const form = time.RFC3339
	return fmt.Errorf("%s %s: it is valid from %s to %s, and it is %s now", what, how,
		c.NotBefore.UTC().Format(form), c.NotAfter.UTC().Format(form), now.UTC().Format(form))
}

// read is what is in the files.
type read struct{ ca, cert, key, crl []byte }

func (s Settings) read() (r read, err error) {
	if s.CACert == "" {
		return r, errors.New("ca_cert: not given; TLS needs the certificate of the CA that signed both sides'")
	}
	readFile := s.ReadFile
	if readFile == nil {
		readFile = regular.ReadFile
	}
	for _, f := range []struct {
		what, path string
		into       *[]byte
	}{
		{"ca_cert", s.CACert, &r.ca}, {"host_cert", s.HostCert, &r.cert}, {"host_key", s.HostKey, &r.key}, {"crl", s.CRL, &r.crl},
	} {
		if f.path == "" {
			continue
		}
		if *f.into, err = readFile(f.path); err != nil {
			return r, fmt.Errorf("%s: %w", f.what, err)
		}
	}
	if s.HostCert == "" && !s.Nameless {
		return r, errors.New("host_cert: not given; TLS needs a certificate of this host")
	}
	return r, nil
}

func (s Settings) parse(r read) (*material, error) {
	if _, ok := versions[s.MinVersion]; !ok {
		return nil, fmt.Errorf("tls_min_version %q: 1.0, 1.1, 1.2 or 1.3", s.MinVersion)
	}
	m := &material{roots: x509.NewCertPool()}
	if !m.roots.AppendCertsFromPEM(r.ca) {
		return nil, fmt.Errorf("ca_cert: %s has no certificate in PEM", s.CACert)
	}
	if s.HostCert != "" {
		cert, err := s.certificate(r)
		if err != nil {
			return nil, err
		}
		m.certs = []tls.Certificate{cert}
	}
	if s.CRL != "" {
		var err error
		if m.crls, err = revoked(r.crl); err != nil {
			return nil, fmt.Errorf("crl: %s: %w", s.CRL, err)
		}
	}
	return m, nil
}

func (s Settings) certificate(r read) (tls.Certificate, error) {
	var cert tls.Certificate
	for block := range blocks(r.cert) {
		if block.Type == "CERTIFICATE" {
			cert.Certificate = append(cert.Certificate, block.Bytes)
		}
	}
	if len(cert.Certificate) == 0 {
		return cert, fmt.Errorf("host_cert: %s has no certificate in PEM", s.HostCert)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return cert, fmt.Errorf("host_cert: %s: %w", s.HostCert, err)
	}
	key, path, err := s.key(r)
	if err != nil {
		return cert, fmt.Errorf("host_key: %s: %w", path, err)
	}
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(leaf.PublicKey) {
		return cert, fmt.Errorf("host_key: %s is not the key of the certificate in %s", path, s.HostCert)
	}
	cert.PrivateKey, cert.Leaf = key, leaf
	return cert, nil
}

// key returns the private key, and where it was looked for.
func (s Settings) key(r read) (crypto.Signer, string, error) {
	path, b := s.HostCert, r.cert
	if s.HostKey != "" {
		path, b = s.HostKey, r.key
	}
	for block := range blocks(b) {
		if bytes.HasSuffix([]byte(block.Type), []byte("PRIVATE KEY")) {
			key, err := s.parseKey(block, path)
			return key, path, err
		}
	}
	return nil, path, errors.New("there is no private key in PEM")
}

func (s Settings) parseKey(block *pem.Block, path string) (crypto.Signer, error) {
	der := block.Bytes
	//lint:ignore SA1019 weak, but what old keys have: the file's permissions protect them
	legacy := x509.IsEncryptedPEMBlock(block)
	modern := block.Type == "ENCRYPTED PRIVATE KEY"
	var pass []byte
	if legacy || modern {
		var err error
		if pass, err = s.pass(path); err != nil {
			return nil, err
		}
	}
	if legacy {
		var err error
		//lint:ignore SA1019 as above
		if der, err = x509.DecryptPEMBlock(block, pass); err != nil {
			return nil, fmt.Errorf("decrypting the key (is host_pass right?): %w", err)
		}
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(der)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(der)
	case "ENCRYPTED PRIVATE KEY":
		if key, err = pkcs8.ParsePKCS8PrivateKey(der, pass); err != nil {
			err = fmt.Errorf("decrypting the key (is host_pass right?): %w", err)
		}
	default:
		key, err = x509.ParsePKCS8PrivateKey(der)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

func (s Settings) pass(path string) ([]byte, error) {
	if s.HostPass != "" {
		return []byte(s.HostPass), nil
	}
	if s.AskPass == nil {
		return nil, errors.New("the key is encrypted, and host_pass is not given")
	}
	return s.AskPass(path)
}

// blocks iterates over the PEM blocks of a file.
func blocks(b []byte) func(func(*pem.Block) bool) {
	return func(yield func(*pem.Block) bool) {
		for {
			block, rest := pem.Decode(b)
			if block == nil || !yield(block) {
				return
			}
			b = rest
		}
	}
}
