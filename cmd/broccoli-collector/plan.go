package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"romanesco/internal/catalog"
	"romanesco/internal/collect"
	"romanesco/internal/eventlog"
	"romanesco/internal/pattern"
	"romanesco/internal/policy"
	"romanesco/internal/secure"
)

// plan is what is to be done, by the command line and the policy together.
type plan struct {
	opts           *options
	line           eventlog.Line // on standard output
	known          catalog.Catalog
	destinations   []collect.Destination
	forward        bool
	clear, secured []string // addresses to listen at
	secure         secure.Settings
	secureFor      string   // what wants TLS, empty if nothing does
	notes          []string // for the user to know
}

// plan reads the files that the options name. An error is a usageError.
func (o *options) plan() (*plan, error) {
	p := &plan{opts: o, forward: o.forward, secure: o.secure}
	if err := p.make(); err != nil {
		return nil, usageError{err}
	}
	return p, nil
}

func (p *plan) make() (err error) {
	o := p.opts
	if p.known, err = o.catalog(); err != nil {
		return err
	}
	if p.line, err = o.lineFor(os.Stdout); err != nil {
		return err
	}
	if len(o.policies) > 0 {
		if err := p.addPolicy(o.policies); err != nil {
			return err
		}
	}
	if err := p.addOptions(o); err != nil {
		return err
	}
	if len(p.destinations) == 0 && len(p.clear)+len(p.secured) == 0 {
		return errors.New("there is nothing to do: no destination to connect to, and nothing to listen on")
	}
	return p.checkSecure()
}

// catalog returns the events that are known.
func (o *options) catalog() (catalog.Catalog, error) {
	known := catalog.Builtin()
	for _, name := range o.events {
		known.Add(name)
	}
	if o.eventsFile == "" {
		return known, nil
	}
	f, err := os.Open(o.eventsFile)
	if err != nil {
		return nil, fmt.Errorf("events file: %w", err)
	}
	defer f.Close()
	return known, known.AddFrom(f, o.eventsFile)
}

// addPolicy adds what the files say.
func (p *plan) addPolicy(files []string) error {
	read, err := policy.Load(files...)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	p.forward = p.forward || read.Forward
	for _, l := range read.Listeners {
		if l.SSL {
			p.secured = append(p.secured, l.Address.String())
		} else {
			p.clear = append(p.clear, l.Address.String())
		}
	}
	for i := range read.Destinations {
		d := read.Destinations[i]
		if err := p.choose(&d); err != nil {
			return err
		}
		p.destinations = append(p.destinations, collect.Destination{Destination: d})
	}
	if at, needs := read.NeedsSSL(); needs {
		p.secureFor = at.String()
	}
	if p.secure.CACert == "" {
		p.secure.CACert = read.CACertificate
	}
	if p.secure.HostCert == "" {
		p.secure.HostCert = read.PrivateKey // has both
	}
	p.secure.HostPass = read.Passphrase
	return nil
}

// choose makes sure that a destination of a policy is asked for something, if it
// is to be. Bro's guide itself has /ftp_*/ where it means /ftp_.*/.
func (p *plan) choose(d *policy.Destination) error {
	if d.Events == nil || len(p.known.Select(d.Events.Match)) > 0 {
		return nil
	}
	if other, ok := d.Events.FromGlob(); ok && len(p.known.Select(other.Match)) > 0 {
		p.notes = append(p.notes, fmt.Sprintf("%v: %v matches no event that is known, and is taken for %v", d.EventsAt, d.Events, other))
		d.Events = other
		return nil
	}
	if p.forward {
		return nil // for what others will ask for
	}
	return fmt.Errorf("policy: %v: %v matches no event that is known; add names with -events", d.EventsAt, d.Events)
}

// addOptions adds what the command line says of peers and listening, which comes
// before what a policy does.
func (p *plan) addOptions(o *options) error {
	events, err := o.asked(p.known)
	if err != nil {
		return err
	}
	if len(o.policies) == 0 {
		p.destinations = append(p.destinations, collect.Anyone(events))
	}
	for _, addr := range o.connect {
		p.destinations = append(p.destinations, o.destination(addr, events))
	}
	if len(o.policies) == 0 || o.given["listen"] {
		p.clear = addresses(o.listen)
	}
	if len(o.policies) == 0 || o.given["tls-listen"] {
		p.secured = addresses(o.secureListen)
	}
	switch {
	case len(o.connect) > 0 && o.secureConnect:
		p.secureFor = "-tls-connect"
	case o.secureListen != "":
		p.secureFor = "-tls-listen"
	}
	return nil
}

func addresses(addr string) []string {
	if addr == "" {
		return nil
	}
	return []string{addr}
}

func (o *options) destination(addr string, events *pattern.Pattern) collect.Destination {
	return collect.Destination{Address: addr, Destination: policy.Destination{
		Events: events, Connect: true, Retry: max(o.retry, time.Millisecond), SSL: o.secureConnect, AcceptInput: true,
	}}
}

// asked returns what the command line asks for, nil for nothing.
func (o *options) asked(known catalog.Catalog) (*pattern.Pattern, error) {
	var all []*pattern.Pattern
	for _, text := range o.patterns {
		bare := text
		if len(bare) > 1 && bare[0] == '/' && bare[len(bare)-1] == '/' {
			bare = bare[1 : len(bare)-1]
		}
		one, err := pattern.Compile(bare)
		if err != nil {
			return nil, fmt.Errorf("pattern %s: %w", text, err)
		}
		if len(known.Select(one.Match)) == 0 {
			return nil, fmt.Errorf("pattern %s matches no event that is known; add names with -event or -events", text)
		}
		all = append(all, one)
	}
	for _, name := range o.events {
		all = append(all, pattern.Literal(name))
	}
	if len(all) == 0 {
		return nil, nil
	}
	joined, err := pattern.Or(all...)
	if err != nil {
		return nil, fmt.Errorf("patterns: %w", err)
	}
	return joined, nil
}

// checkSecure refuses TLS without certificates before anything is opened.
func (p *plan) checkSecure() error {
	if p.secureFor == "" {
		return nil
	}
	if p.secure.CACert == "" || p.secure.HostCert == "" {
		return fmt.Errorf("%s: TLS needs certificates: set ssl_ca_certificate and ssl_private_key in the policy, or give -ca-cert and -host-cert", p.secureFor)
	}
	return nil
}

// asks reports whether any peer is asked for an event of that name.
func (p *plan) asks(event string) bool {
	if _, known := p.known[event]; !known {
		return false
	}
	for i := range p.destinations {
		if d := &p.destinations[i]; d.Events != nil && d.Events.Match(event) {
			return true
		}
	}
	return false
}
