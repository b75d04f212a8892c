package secure

import (
	"crypto/x509"
	"strconv"
)

// maxIdentity is how much of a name is shown.
const maxIdentity = 253 // what a host's may have

// more stands for what was too long.
const more = "..."

// Identity returns the name of a certificate: the first of its alternative names
// (of hosts, then addresses, mail, URIs), or else its common name, in printable ASCII
// with the escapes of Go for all else, and empty if there is no name, and with
// an end that no name of a host has if it is cut.
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
	quoted := strconv.QuoteToASCII(name[:min(len(name), maxIdentity+1)])
	if quoted = quoted[1 : len(quoted)-1]; len(quoted) > maxIdentity {
		return quoted[:maxIdentity-len(more)] + more
	}
	return quoted
}
