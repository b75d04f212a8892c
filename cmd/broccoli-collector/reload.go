package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/romanesco-broccoli/romanesco/internal/regular"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// reloadable reports whether a reload takes over what an option says.
func reloadable(option string) bool {
	switch option {
	case "policy", "connect", "tls-connect", "tls-peer-name", "tls-names", "retry", "event", "events", "types", "peer-cache",
		"ca-cert", "host-cert", "host-key", "crl", "tls-min-version", "tls-rsa-key-exchange":
		return true
	}
	return false
}

// withPolicies reports whether policies say the same as an option, so that only a
// plan knows whether that has changed.
func withPolicies(option string) bool {
	return option == "listen" || option == "tls-listen" || option == "forward"
}

// reloadOnSignal rotates the logs and takes over what has changed, at each SIGHUP
// until ctx ends.
func (r *service) reloadOnSignal(ctx context.Context, hup <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			r.logs.rotate()
			done := make(chan struct{})
			go func() {
				defer close(done)
				r.reload()
			}()
			select {
			case <-done:
			case <-ctx.Done(): // nobody waits for a file that hangs, or a passphrase
			}
		}
	}
}

// reload takes over what the files say now, all of it or nothing.
func (r *service) reload() {
	tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	defer tell(daemon.SdNotifyReady)
	p, err := nextPlan(r.args, r.plan.Load())
	if err == nil {
		err = r.renewCertificates(p)
	}
	if err != nil {
		slog.Error("not reloaded, all stays as it was: "+once(err), "error", err)
		return
	}
	for _, what := range p.fixed {
		slog.Warn(what+" cannot be changed by a reload: restart", "option", what)
	}
	if !r.collects && p.connects() {
		slog.Warn("connecting to a destination, which nothing did so far, cannot be begun by a reload: restart")
	}
	for _, note := range p.notes {
		if !slices.Contains(p.running.notes, note) {
			slog.Warn(note)
		}
	}
	p.running = nil
	r.plan.Store(p)
	asked := r.collector.Change(p.known, p.destinations)
	events := len(p.known.Select(p.asks))
	slog.Info(fmt.Sprintf("reloaded: %d destinations, %d events, %d peers are asked for more", len(p.destinations), events, asked),
		"destinations", len(p.destinations), "events", events, "peers", asked)
}

// nextPlan returns what is to take the place of the plan that is running.
func nextPlan(args []string, running *plan) (*plan, error) {
	if path := running.opts.config; path != "" {
		if err := readable(path); err != nil {
			return nil, usageError{fmt.Errorf("configuration: %w", err)}
		}
	}
	o, err := parse(args)
	if err != nil {
		return nil, err
	}
	if o.eventsFile != "" && o.unknownEvents() == "" {
		if err := readable(o.eventsFile); err != nil {
			return nil, usageError{fmt.Errorf("events file: %w", err)}
		}
	}
	var fixed []string
	for _, name := range slices.Sorted(maps.Keys(o.values)) {
		if before := running.opts.values[name]; o.values[name] != before && !reloadable(name) && !withPolicies(name) {
			fixed = append(fixed, "-"+name)
			o.values[name] = before
		}
	}
	p, err := o.plan(running)
	if err != nil {
		return nil, err
	}
	p.fixed = append(fixed, p.fixed...)
	return p, nil
}

// readable refuses what can be read only once, such as a pipe: nobody writes to it
// again, and to wait for that would be for ever.
func readable(path string) error {
	f, err := regular.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// keepForwarding has a reload forward, or not, as before.
func (p *plan) keepForwarding() {
	if p.running != nil && p.forward != p.running.forward {
		p.forward = p.running.forward
		p.fixed = append(p.fixed, "-forward, or forward_remote_events,")
	}
}

// keepListening has a reload listen where we do.
func (p *plan) keepListening() {
	if p.running == nil {
		return
	}
	if !slices.Equal(p.clear, p.running.clear) {
		p.clear = p.running.clear
		p.fixed = append(p.fixed, "-listen, or where a policy has us listen,")
	}
	if !slices.Equal(p.secured, p.running.secured) {
		p.secured = p.running.secured
		p.fixed = append(p.fixed, "-tls-listen, or where a policy has us listen,")
	}
	if p.secureFor == "" {
		p.secureFor = p.running.secureFor
	}
}

// tlsSource is what TLS is made of somewhere, where we may be nameless or not.
type tlsSource struct {
	*secure.Source
	nameless bool
}

// renewCertificates reads the files that a plan names, and has all that uses TLS have
// them.
func (r *service) renewCertificates(p *plan) error {
	used := r.zeek.sources
	if src := r.tls.Load(); src != nil {
		used = append(slices.Clip(used), tlsSource{src, false})
	}
	var all []*secure.Source
	for _, u := range used {
		s := p.secure
		s.Nameless = u.nameless
		src, err := s.Source()
		if err != nil {
			return usageError{fmt.Errorf("TLS: %w", err)}
		}
		all = append(all, src)
	}
	first, err := p.tls() // by a destination that is new
	if err != nil {
		return usageError{err}
	}
	for i, src := range all {
		used[i].Adopt(src)
	}
	r.tls.CompareAndSwap(nil, first)
	return nil
}
