// Package policy reads the part of Bro's policy scripts that configures the
// communication between Bros: destinations, ports, listening, TLS. docs/policy.md
// says what is understood; anything else in a file is an error that says where,
// and what was expected. It imports nothing of this project but the patterns.
package policy

import (
	"fmt"
	"net/netip"
	"time"

	"romanesco/internal/collector/pattern"
)

// Policy is what the files say, with defaults filled in.
type Policy struct {
	// Destinations are in the order of the files.
	Destinations []Destination
	Listeners    []Listener
	// CACertificate and PrivateKey are paths, empty if not given. PrivateKey has
	// our certificate too.
	CACertificate, PrivateKey, Passphrase string
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

// Pos is a place in a file. Lines and columns count from 1.
type Pos struct {
	File         string
	Line, Column int
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Error is what is wrong with a file, and where.
type Error struct {
	Pos Pos
	Msg string
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }
