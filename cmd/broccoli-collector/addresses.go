package main

import (
	"fmt"
	"net"

	"github.com/romanesco-broccoli/romanesco/internal/collector/metrics"
)

// place is where something is to listen.
type place struct {
	what string
	*net.TCPAddr
	only4 bool // 0.0.0.0 is of IPv4 alone
}

// checkAddresses reports which addresses cannot be listened at, whatever else
// runs, or are no addresses to connect to. It opens nothing.
func (p *plan) checkAddresses() error {
	var all []place
	add := func(what, addr string) error {
		at, err := net.ResolveTCPAddr(network(addr), addr)
		if err != nil {
			return fmt.Errorf("%s %s: %w", what, addr, err)
		}
		all = append(all, place{what, at, network(addr) == "tcp4"})
		return nil
	}
	for _, addr := range append(p.clear[:len(p.clear):len(p.clear)], p.secured...) {
		if err := add("listening on", addr); err != nil {
			return err
		}
	}
	if o := &p.opts.logs; o.metrics != "" {
		at, err := metrics.Address(o.metrics, o.public)
		if err != nil {
			return err
		}
		all = append(all, place{"-metrics", at, false})
	}
	if addr := p.opts.debug; addr != "" {
		at, err := debugAddress(addr)
		if err != nil {
			return err
		}
		all = append(all, place{"-debug-listen", at, false})
	}
	for _, l := range [][2]string{{"-zeek-listen", p.opts.zeek.listen}, {"-zeek-tls-listen", p.opts.zeek.secureListen}} {
		if l[1] == "" {
			continue
		}
		if err := add(l[0], l[1]); err != nil {
			return err
		}
	}
	for i, a := range all {
		for _, b := range all[:i] {
			if a.meets(b) {
				return fmt.Errorf("%s %v: the address is taken by %s %v", a.what, a, b.what, b)
			}
		}
	}
	return nil
}

// meets reports whether only one of the two can listen.
func (a place) meets(b place) bool {
	return a.Port == b.Port && a.Port != 0 && (a.covers(b) || b.covers(a))
}

// covers reports whether a has all addresses of b.
func (a place) covers(b place) bool {
	if a.IP != nil && !a.IP.IsUnspecified() {
		return a.IP.Equal(b.IP) && a.Zone == b.Zone
	}
	return !a.only4 || b.only4 || b.IP.To4() != nil
}
