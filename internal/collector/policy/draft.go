package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Bro's ports.
const (
	portSSL   = 47756
	portClear = 47757
)

// draft is what has been read so far. Defaults that depend on other settings
// are filled in at the end.
type draft struct {
	Policy
	entries            []*entry
	clearPort, sslPort uint16 // of Remote::default_port_*
	clear, ssl, nodes  listening
	nodesSSL           bool
	nodesIPv6          bool
	nodesZone          string
	listened           []listening // by listen()
	// How much is compressed, by the default of either table.
	remoteCompression, nodesCompression int
}

// listening is one of the three scripts that listen.
type listening struct {
	loaded *Pos // where
	host   netip.Addr
	port   uint16 // 0: the default
	ssl    bool   // of listen()
}

func newDraft() *draft {
	anywhere := netip.IPv4Unspecified()
	return &draft{
		clearPort: portClear, sslPort: portSSL,
		clear: listening{host: anywhere}, ssl: listening{host: anywhere},
		nodes: listening{host: anywhere, port: portClear},
	}
}

// finish fills in defaults and checks what concerns more than one statement.
func (d *draft) finish() (*Policy, error) {
	if d.clear.port == 0 {
		d.clear.port = d.clearPort
	}
	if d.ssl.port == 0 {
		d.ssl.port = d.sslPort
	}
	for _, e := range d.entries {
		if e.Port == 0 {
			e.Port = d.port(e)
		}
	}
	if d.nodesIPv6 && d.nodes.host == netip.IPv4Unspecified() {
		d.nodes.host = netip.IPv6Unspecified() // which takes IPv4 too
	}
	if d.nodesZone != "" && d.nodes.host.Is6() {
		d.nodes.host = d.nodes.host.WithZone(d.nodesZone)
	}
	if err := d.checkSame(); err != nil {
		return nil, err
	}
	if err := d.checkIPv6(); err != nil {
		return nil, err
	}
	if err := d.listeners(); err != nil {
		return nil, err
	}
	for _, e := range d.entries {
		d.Destinations = append(d.Destinations, e.Destination)
	}
	return &d.Policy, nil
}

func (d *draft) port(e *entry) uint16 {
	switch {
	case e.table == nodesTable:
		return d.nodes.port
	case e.SSL:
		return d.sslPort
	}
	return d.clearPort
}

// checkSame refuses two destinations of which the second would never be found.
func (d *draft) checkSame() error {
	type key struct {
		host         netip.Addr
		class, names string
	}
	seen := map[key]*entry{}
	for _, e := range d.entries {
		if e.Connect {
			continue
		}
		anyName := key{host: e.Host, class: e.Class}
		k := anyName
		if e.TLSNames != nil {
			k.names = e.TLSNames.String()
		}
		if first := cmp.Or(seen[anyName], seen[k]); first != nil {
			return &Error{Pos: e.At, Msg: fmt.Sprintf("%s has the same host and class as %s (%v): the peer cannot be told apart",
				quote(e.Tag), quote(first.Tag), first.At)}
		}
		seen[k] = e
	}
	return nil
}

func (d *draft) checkIPv6() error {
	if at := d.nodes.loaded; at != nil && d.nodes.host.Is6() && !d.nodesIPv6 {
		return &Error{Pos: *at, Msg: fmt.Sprintf("Communication::listen_interface is [%v]: expected Communication::listen_ipv6 = T", d.nodes.host)}
	}
	return nil
}

// listeners decides where to listen: where a script that listens has been
// loaded, and where a destination is waited for that could not come otherwise.
func (d *draft) listeners() error {
	if at := d.clear.loaded; at != nil {
		d.listen(d.clear, false, *at)
	}
	if at := d.ssl.loaded; at != nil {
		d.listen(d.ssl, true, *at)
	}
	if at := d.nodes.loaded; at != nil {
		d.listen(d.nodes, d.nodesSSL, *at)
	}
	for _, l := range d.listened {
		d.listen(l, l.ssl, *l.loaded)
	}
	explicit := len(d.Listeners) > 0
	for _, e := range d.entries {
		if e.Connect || d.listens(e.SSL) || explicit && !e.SSL {
			continue // who need not use TLS may all the same
		}
		switch {
		case e.table == nodesTable && e.SSL && !d.nodesSSL:
			return &Error{Pos: e.At, Msg: fmt.Sprintf("%s is waited for with $ssl=T: expected Communication::listen_ssl = T", quote(e.Tag))}
		case e.table == nodesTable:
			d.listen(d.nodes, d.nodesSSL, e.At)
		case e.SSL:
			d.listen(d.ssl, true, e.At)
		default:
			d.listen(d.clear, false, e.At)
		}
	}
	return d.checkAddresses()
}

func (d *draft) listens(ssl bool) bool {
	return slices.ContainsFunc(d.Listeners, func(l Listener) bool { return l.SSL == ssl })
}

func (d *draft) listen(l listening, ssl bool, at Pos) {
	address := netip.AddrPortFrom(l.host, l.port)
	if !slices.ContainsFunc(d.Listeners, func(o Listener) bool { return o.Address == address && o.SSL == ssl }) {
		d.Listeners = append(d.Listeners, Listener{address, ssl, at})
	}
}

func (d *draft) checkAddresses() error {
	for i, l := range d.Listeners {
		for _, o := range d.Listeners[:i] {
			same := l.Address.Addr() == o.Address.Addr() || l.Address.Addr().IsUnspecified() || o.Address.Addr().IsUnspecified()
			if same && l.Address.Port() == o.Address.Port() {
				return &Error{Pos: l.At, Msg: fmt.Sprintf("asks to listen on %v, but so does %v (%v)", l.Address, o.At, o.Address)}
			}
		}
	}
	return nil
}
