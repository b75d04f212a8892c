package secure

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ErrRevoked says that a certificate is on a revocation list.
var ErrRevoked = errors.New("it is revoked")

// revocations is a list of one issuer.
type revocations struct {
	list    *x509.RevocationList
	serials map[string]bool
}

// revoked reads lists, one in DER or several in PEM.
func revoked(b []byte) (all []*revocations, err error) {
	var ders [][]byte
	for block := range blocks(b) {
		if block.Type == "X509 CRL" {
			ders = append(ders, block.Bytes)
		}
	}
	if len(ders) == 0 {
		ders = [][]byte{b}
	}
	for _, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("not a revocation list, in PEM or DER: %w", err)
		}
		r := &revocations{list, map[string]bool{}}
		for _, entry := range list.RevokedCertificateEntries {
			r.serials[entry.SerialNumber.String()] = true
		}
		all = append(all, r)
	}
	return all, nil
}

// notRevoked looks for a chain of which nothing is revoked.
func (m *material) notRevoked(chains [][]*x509.Certificate) (err error) {
	if m.crls == nil {
		return nil
	}
	for _, chain := range chains {
		if err = m.chainGood(chain); err == nil {
			return nil
		}
	}
	return err
}

// chainGood looks at all but the root. There must be a list of who has signed the
// first, as there is to OpenSSL; of those above it, if there is one.
func (m *material) chainGood(chain []*x509.Certificate) error {
	for i, cert := range chain[:len(chain)-1] {
		found, err := m.good(cert, chain[i+1])
		if err != nil {
			return err
		}
		if !found && i == 0 {
			return errors.New("there is no revocation list of its issuer in crl")
		}
	}
	return nil
}

// good reports whether there is a list of the issuer, and an error if that cannot
// be relied on or has the certificate.
func (m *material) good(cert, issuer *x509.Certificate) (found bool, err error) {
	for _, r := range m.crls {
		if !bytes.Equal(r.list.RawIssuer, cert.RawIssuer) {
			continue
		}
		if err := r.list.CheckSignatureFrom(issuer); err != nil {
			return false, fmt.Errorf("the revocation list of its issuer is not signed by that: %w", err)
		}
		if next := r.list.NextUpdate; !next.IsZero() && time.Now().After(next) {
			return false, fmt.Errorf("the revocation list of its issuer was to be renewed until %v", next.UTC().Format(time.DateTime))
		}
		if r.serials[cert.SerialNumber.String()] {
			return false, ErrRevoked
		}
		found = true
	}
	return found, nil
}
