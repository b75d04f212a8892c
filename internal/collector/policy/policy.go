// Package policy reads the part of Bro's policy scripts that configures the
// communication between Bros: destinations, ports, listening, TLS. docs/policy.md says
// what is understood. What does not concern communication is skipped; what does and is
// not understood is an error that says where, and what was expected.
package policy

import (
	"net/netip"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// Policy is what the files say, with defaults filled in.
type Policy struct {
	// Destinations are in the order of the files.
	Destinations []Destination
	Listeners    []Listener
	// CACertificate and PrivateKey are paths, empty if not given. PrivateKey has
	// our certificate too.
	CACertificate, PrivateKey, Passphrase string
	// ListenRetry is how long to wait before trying again to listen, 0 for never.
	ListenRetry time.Duration
	// Events are those that the files handle, with what their arguments are called: of
	// these a Bro asks its peers for those that match $events.
	Events map[string][]string
	// Notes are for the user to know: what is skipped, and what has no meaning here.
	Notes []string
	// Skipped are the statements that do not concern us.
	Skipped []Skipped
	// Forward says that what one peer sends goes on to others that want it
	// (forward_remote_events).
	Forward bool
}

// Destination is a peer, whoever connects.
type Destination struct {
	Tag string
	// At is where the file has it, EventsAt where its pattern.
	At, EventsAt Pos
	Host         netip.Addr
	Port         uint16
	// Class is announced when we connect, and otherwise what the peer must have
	// announced.
	Class string
	// Events are those to ask for, nil for none.
	Events  *pattern.Pattern
	Connect bool
	// Retry is the pause before connecting again, 0 for never.
	Retry time.Duration
	// AcceptInput is false when what the peer sends is to be ignored.
	AcceptInput bool
	// Cache allows the peer to refer to objects that it has sent before.
	Cache bool
	// Sync asks the peer to synchronize state; Auth says that ours is the one
	// that counts.
	Sync, Auth bool
	// CaptureFilter is for the peer's packet capture, empty for none.
	CaptureFilter string
	// SSL is how we connect, and otherwise what the peer must have used.
	SSL bool
	// TLSName is the name that the certificate must have when we connect, "any" for
	// any, and empty for Host.
	TLSName string
	// TLSNames are the names that the certificate may have, nil for any. Then the
	// peer must use TLS.
	TLSNames    *pattern.Pattern
	Compression int // 0 to 9
}

// Listener is where to wait for peers.
type Listener struct {
	Address netip.AddrPort
	SSL     bool
	At      Pos // what made us listen
}

// NeedsSSL reports whether anything uses TLS, and where the files say so.
func (p *Policy) NeedsSSL() (Pos, bool) {
	for _, l := range p.Listeners {
		if l.SSL {
			return l.At, true
		}
	}
	for i := range p.Destinations {
		if p.Destinations[i].SSL {
			return p.Destinations[i].At, true
		}
	}
	return Pos{}, false
}

// Pos is a place in a file, Error what is wrong with it and where.
type (
	Pos   = script.Pos
	Error = script.Error
)
