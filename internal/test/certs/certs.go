// Package certs makes the certificates of a test network: a CA, and for each
// host a file with its certificate and key, as the guide to inter-Bro
// communication describes them. It imports nothing of this project.
package certs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Old Bros know RSA only.
const keyBits = 2048

// CA signs certificates.
type CA struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
	// PEM is the CA's certificate.
	PEM []byte
}

// NewCA makes a CA whose certificates are valid for the time given.
func NewCA(name string, valid time.Duration) (*CA, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making the key of the CA: %w", err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	ca := &CA{cert: template, key: key}
	der, err := ca.sign(template, key)
	if err != nil {
		return nil, err
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("reading the CA's certificate: %w", err)
	}
	ca.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return ca, nil
}

func (ca *CA) sign(template *x509.Certificate, key *rsa.PrivateKey) ([]byte, error) {
	var err error
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return der, nil
}

// Issue makes a certificate for a host, by name or address, and returns it
// with its key in one PEM.
func (ca *CA) Issue(host string) ([]byte, error) {
	if ip := net.ParseIP(host); ip != nil {
		return ca.issue(x509.Certificate{Subject: pkix.Name{CommonName: host}, IPAddresses: []net.IP{ip}})
	}
	return ca.IssueTo(host, host)
}

// IssueTo makes a certificate with these names, as they are.
func (ca *CA) IssueTo(commonName string, hosts ...string) ([]byte, error) {
	return ca.issue(x509.Certificate{Subject: pkix.Name{CommonName: commonName}, DNSNames: hosts})
}

// Revoke returns a revocation list, PEM, with the certificates that begin these files.
func (ca *CA) Revoke(files ...[]byte) ([]byte, error) {
	list := &x509.RevocationList{
		Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: ca.cert.NotBefore, NextUpdate: ca.cert.NotAfter,
	}
	for _, file := range files {
		block, _ := pem.Decode(file)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading a certificate to revoke: %w", err)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.cert, ca.key)
	if err != nil {
		return nil, fmt.Errorf("signing the revocation list: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), nil
}

func (ca *CA) issue(names x509.Certificate) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making the key of %s: %w", names.Subject.CommonName, err)
	}
	template := &x509.Certificate{
		Subject: names.Subject, DNSNames: names.DNSNames, IPAddresses: names.IPAddresses, NotBefore: ca.cert.NotBefore, NotAfter: ca.cert.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := ca.sign(template, key)
	if err != nil {
		return nil, err
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})...), nil
}
