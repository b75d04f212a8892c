package collect

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/collector/policy"
)

// Destination is a peer that is asked for events, as a policy has it or the
// command line.
type Destination struct {
	policy.Destination
	// Address is where to connect to, host:port, instead of Host and Port.
	Address string
	// Anyone says that it is every peer that connects, whatever its address and
	// class.
	Anyone bool
	// Unasked, if set, are events that are taken from it although it was not asked for
	// them: names that nobody knows cannot be asked for.
	Unasked *pattern.Pattern
}

// takes reports whether events of that name are taken from it unasked.
func (d *Destination) takes(name string) bool {
	return d.Unasked != nil && len(name) <= maxForeignName && d.Unasked.Match(name)
}

// Anyone returns a destination that is every peer that connects.
func Anyone(events *pattern.Pattern) Destination {
	return Destination{Anyone: true, Destination: policy.Destination{Events: events, AcceptInput: true}}
}

// address returns where to connect to.
func (d *Destination) address() string {
	if d.Address != "" {
		return d.Address
	}
	return netip.AddrPortFrom(d.Host, d.Port).String()
}

// Place returns where it is: the port counts when we connect to it.
func (d *Destination) Place() string {
	if d.Connect {
		return d.address()
	}
	return d.Host.String()
}

// AnyName is the TLSName of a destination whose certificate may be of any name.
const AnyName = "any"

// certificateName returns the name that its certificate must have, empty for any.
func (d *Destination) certificateName() string {
	switch {
	case d.TLSName == AnyName, d.TLSName == "" && d.TLSNames != nil:
		return ""
	case d.TLSName == "":
		host, _, _ := net.SplitHostPort(d.address())
		if addr, err := netip.ParseAddr(host); err == nil {
			return addr.WithZone("").String() // that of an interface of ours
		}
		return host
	}
	return d.TLSName
}

// name returns how messages call it.
func (d *Destination) name() string {
	if d.Tag == "" {
		return d.address()
	}
	return fmt.Sprintf("%s (%s)", quoted(d.Tag), d.address())
}

// who is what is known of a peer that has connected.
type who struct {
	host    netip.Addr
	class   string
	secured bool
	name    string // of its certificate
}

// match reports whether a peer that has connected is this destination. If it is
// not, but of the same address, why says what is missing.
func (d *Destination) match(w who) (ok bool, why string) {
	switch {
	case d.Anyone:
		return true, ""
	case !d.isAt(w.host):
		return false, ""
	case d.Class != w.class:
		return false, fmt.Sprintf("%v %q is of class %q, it is of class %.200q", d.At, d.Tag, d.Class, w.class)
	case d.SSL && !w.secured:
		return false, fmt.Sprintf("%v %q has $ssl=T, it has connected in the clear", d.At, d.Tag)
	case !d.allows(w.name):
		return false, fmt.Sprintf("%v %q has $tls_names=%v, its certificate is of \"%s\"", d.At, d.Tag, d.TLSNames, w.name)
	}
	return true, ""
}

// isAt reports whether an address is that of the destination, on the interface that it
// names if it names one.
func (d *Destination) isAt(host netip.Addr) bool {
	return host.IsValid() && (d.Host == host || d.Host == host.WithZone(""))
}

// allows reports whether the certificate of the peer may be of that name.
func (d *Destination) allows(name string) bool {
	return d.TLSNames == nil || name != "" && d.TLSNames.Match(name)
}

// find returns the destination that a peer is which has connected, or nil and
// perhaps why it is none. Those that we wait for come before those that we
// connect to.
func find(all []Destination, w who) (*Destination, string) {
	var reason string
	for _, connects := range []bool{false, true} {
		for i := range all {
			d := &all[i]
			if d.Connect != connects {
				continue
			}
			ok, why := d.match(w)
			if ok {
				return d, ""
			}
			if why != "" && (reason == "" || d.Class == w.class) {
				reason = why
			}
		}
	}
	return nil, reason
}

// Wants reports whether the destination is asked for an event of that name.
func (d *Destination) Wants(event string) bool {
	return d != nil && d.Events != nil && d.Events.Match(event)
}

// pattern returns what the destination is asked for, empty for nothing.
func (d *Destination) pattern() string {
	if d == nil || d.Events == nil {
		return ""
	}
	return d.Events.String()
}

// String returns what messages call the peers that have connected.
func (d *Destination) String() string {
	switch {
	case d.Tag != "":
		return quoted(d.Tag)
	case d.Anyone:
		return "any peer"
	}
	return d.Address
}

func quoted(s string) string { return strconv.QuoteToASCII(s) }
