package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/collect"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/collector/policy"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// plan is what is to be done, by the command line and the policy together.
type plan struct {
	opts           *options
	line           eventlog.Line // on standard output
	known          catalog.Catalog
	declared       *zeek.Types
	unasked        *pattern.Pattern // what is taken from peers although they were not asked; nil: nothing
	destinations   []collect.Destination
	forward        bool
	clear, secured []string      // addresses to listen at
	listenRetry    time.Duration // for those that are taken, 0 for never
	secure         secure.Settings
	secureFor      string   // what wants TLS, empty if nothing does
	notes          []string // for the user to know
	skipped        []policy.Skipped
	passphrases    *passphrases
	running        *plan    // that this one is to take the place of, nil at the start
	fixed          []string // what it would have to change and cannot
}

// plan reads the files that the options name. An error is a usageError. With running
// it is the plan of a reload.
func (o *options) plan(running *plan) (*plan, error) {
	p := &plan{opts: o, forward: o.forward, secure: o.secure, passphrases: new(passphrases), running: running}
	if running != nil {
		p.passphrases = running.passphrases
	}
	p.secure.AskPass = p.passphrases.ask
	if err := p.make(); err != nil {
		return nil, usageError{err}
	}
	return p, nil
}

func (p *plan) make() (err error) {
	o := p.opts
	if err := p.learn(); err != nil {
		return err
	}
	if p.line, err = o.lineFor(os.Stdout); err != nil {
		return err
	}
	if p.secure.AllowName, err = allowNames(o.names); err != nil {
		return err
	}
	if len(o.policies) > 0 {
		if err := p.addPolicy(o.policies); err != nil {
			return err
		}
	} else {
		p.keepForwarding()
	}
	if err := p.addOptions(o); err != nil {
		return err
	}
	p.keepListening()
	p.warnOfCaches()
	if len(p.destinations) == 0 && len(p.clear)+len(p.secured) == 0 {
		return p.nothing()
	}
	return p.checkSecure()
}

// nothing is the error of having nothing to do.
func (p *plan) nothing() error {
	const why = "there is nothing to do: no destination to connect to, and nothing to listen on"
	if len(p.skipped) == 0 {
		return errors.New(why)
	}
	first := p.skipped[0]
	return fmt.Errorf("%s; of the policies %d statements do not concern us, the first at %v: %v", why, len(p.skipped), first.At, first)
}

// addPolicy adds what the files say.
func (p *plan) addPolicy(files []string) error {
	read, err := policy.Load(files...)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	p.forward = p.forward || read.Forward
	p.keepForwarding()
	p.notes = append(p.notes, read.Notes...)
	p.skipped, p.listenRetry = read.Skipped, read.ListenRetry
	p.learnHandled(read.Events)
	for _, l := range read.Listeners {
		if l.SSL {
			p.secured = append(p.secured, l.Address.String())
		} else {
			p.clear = append(p.clear, l.Address.String())
		}
	}
	for i := range read.Destinations {
		d := read.Destinations[i]
		if d.Events, err = p.choose(d.EventsAt.String(), d.Events); err != nil {
			if len(read.Skipped) == 0 { // else it is a script of a Bro's, that asks for what it handles
				return fmt.Errorf("policy: %w", err)
			}
			p.note("%v, or a handler for it to the policy: %q is asked for nothing", err, d.Tag)
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

// learnHandled makes the events known that the policy handles: a Bro asks for these.
func (p *plan) learnHandled(events map[string][]string) {
	for name, args := range events {
		if _, known := p.known[name]; !known && catalog.IsName(name) {
			p.known[name] = args
		}
	}
}

// choose makes sure that who is asked for a pattern is asked for something, or will
// be when others ask for it. Bro's guide itself has /ftp_*/ where it means
// /ftp_.*/. at is where the pattern stands.
func (p *plan) choose(at string, events *pattern.Pattern) (*pattern.Pattern, error) {
	if events == nil || len(p.known.Select(events.Match)) > 0 {
		return events, nil
	}
	if other, ok := events.FromGlob(); ok && len(p.known.Select(other.Match)) > 0 {
		p.note("%s: %v matches no event that is known, and is taken for %v", at, events, other)
		return other, nil
	}
	if p.forward {
		p.note("%s: %v matches no event that is known, and is for those that other peers will ask for", at, events)
		return events, nil
	}
	return nil, fmt.Errorf("%s: %v matches no event that is known; add names with -event or -events", at, events)
}

// note has something said at the start.
func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// warnOfCaches says what a cache costs, for each who is to have one.
func (p *plan) warnOfCaches() {
	for i := range p.destinations {
		d := &p.destinations[i]
		if !d.Cache {
			continue
		}
		at := "-peer-cache"
		if d.At.File != "" {
			at = d.At.String() + ": $cache=T"
		}
		p.note("%s: a Bro refers to a record that it has sent although something in it has changed since: values will be old or missing", at)
	}
}

// addOptions adds what the command line says of peers and listening, which comes
// before what a policy does.
func (p *plan) addOptions(o *options) error {
	if err := p.checkEvents(o); err != nil {
		return err
	}
	var err error
	if p.unasked, err = p.askUnknown(); err != nil {
		return err
	}
	events, err := p.asked(o)
	if err != nil {
		return err
	}
	if len(o.policies) == 0 {
		anyone := collect.Anyone(events)
		anyone.Cache, anyone.Unasked = o.peerCache, p.unasked
		p.destinations = append(p.destinations, anyone)
	}
	for _, addr := range o.connect {
		d := o.destination(addr, events)
		d.Unasked = p.unasked
		p.destinations = append(p.destinations, d)
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
		Events: events, Connect: true, Retry: max(o.retry, time.Millisecond), SSL: o.secureConnect, AcceptInput: true, Cache: o.peerCache, TLSName: o.tlsName,
	}}
}

// checkEvents makes sure that a further event is asked of somebody.
func (p *plan) checkEvents(o *options) error {
	if len(o.policies) == 0 || len(o.connect) > 0 {
		return nil
	}
	for _, name := range o.events {
		if !p.asks(name) {
			return fmt.Errorf("-event %s: with -policy each destination is asked for its own $events, of which none matches it", name)
		}
	}
	return nil
}

// asked returns what the command line asks for, nil for nothing.
func (p *plan) asked(o *options) (*pattern.Pattern, error) {
	var all []*pattern.Pattern
	for _, text := range o.patterns {
		bare := text
		if isPattern(text) {
			bare = text[1 : len(text)-1]
		}
		one, err := pattern.Compile(bare)
		if err != nil {
			return nil, fmt.Errorf("pattern %s: %w", text, err)
		}
		if one, err = p.choose("pattern", one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	for _, name := range o.events {
		all = append(all, pattern.Literal(name))
	}
	if p.unasked != nil {
		all = append(all, p.unasked)
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
	if len(p.opts.names) > 0 && len(p.secured) == 0 && p.opts.zeek.secureListen == "" {
		return errors.New("-tls-names: nobody can connect with TLS, there is no -tls-listen")
	}
	if p.secureFor == "" {
		return nil
	}
	if p.secure.CACert == "" || p.secure.HostCert == "" {
		return fmt.Errorf("%s: TLS needs certificates: set ssl_ca_certificate and ssl_private_key in the policy, or give -ca-cert and -host-cert", p.secureFor)
	}
	return nil
}

// connects reports whether there is a destination that we connect to.
func (p *plan) connects() bool {
	return slices.ContainsFunc(p.destinations, func(d collect.Destination) bool { return d.Connect })
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
