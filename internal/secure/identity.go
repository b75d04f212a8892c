package secure

import (
	"crypto/x509"
	"strconv"
)

// maxIdentity is how much of a name is shown.
const maxIdentity = 253 // what a host's may have

// Identity returns the name of a certificate: the first of its alternative names
// (of hosts, then addresses, mail, URIs), or else its common name, in printable ASCII
// with the escapes of Go for all else, and empty if there is no name.
func Identity(cert *x509.Certificate) string {
	name := cert.Subject.CommonName
	switch {
	case len(cert.DNSNames) > 0:
		name = cert.DNSNames[0]
	case len(cert.IPAddresses) > 0:
		name = cert.IPAddresses[0].String()
	case len(cert.EmailAddresses) > 0:
		name = cert.EmailAddresses[0]
	case len(cert.URIs) > 0:
		name = cert.URIs[0].String()
	}
	if len(name) > maxIdentity {
		name = name[:maxIdentity]
	}
	quoted := strconv.QuoteToASCII(name)
	return quoted[1 : len(quoted)-1]
}
