package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/romanesco-broccoli/romanesco/internal/collector/collect"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// service is what runs: peers come in by the listeners and go through the collector
// to the logs, and from there to Zeeks and WebSocket clients.
type service struct {
	args      []string             // of the command line
	plan      atomic.Pointer[plan] // that counts now
	tls       atomic.Pointer[secure.Source]
	logs      *logs
	zeek      *zeekPeers
	collector *collect.Collector
	listeners []net.Listener
	// collects is whether peers can come, or are connected to; else there are
	// WebSocket clients alone.
	collects bool
	debug    net.Listener // nil without -debug-listen
}

// start opens all that the plan needs and runs it, until a signal ends it or
// something cannot go on.
func (p *plan) start(s *signals, args []string) (err error) {
	if p.opts.logs.dir == "" && isTerminal(os.Stdout) {
		s.endOnHangup()
	}
	r := &service{args: args}
	r.plan.Store(p)
	defer func() { err = errors.Join(err, r.close()) }()
	if err := p.opts.holdDescriptors(p); err != nil {
		return err
	}
	for _, note := range p.notes {
		slog.Warn(note)
	}
	if err := r.open(p, s); err != nil {
		return err
	}
	tell(daemon.SdNotifyReady)
	return r.run(s)
}

// open opens, in the order in which data flows back: nobody can connect before
// there is a place for what comes.
func (r *service) open(p *plan, s *signals) (err error) {
	stream := eventlog.NewStream(os.Stdout, p.line)
	stream.MaxLine = int(p.opts.logs.line)
	cfg := collect.Config{
		Catalog: p.known, Destinations: p.destinations, Forward: p.forward, Limits: p.opts.limits,
		HoldMemory: os.Getenv("GOMEMLIMIT") == "", Log: stream, Messages: slog.Default(),
	}
	src, err := p.tls()
	if err != nil {
		return err
	}
	r.tls.Store(src)
	cfg.TLS = func(name string) *tls.Config { return r.tls.Load().Client(name) }
	if r.logs, err = p.opts.logs.open(func(event string) bool { return r.plan.Load().asks(event) }, p.opts.limits.Memory); err != nil {
		return err
	}
	r.logs.stream = stream
	if r.logs.events != nil {
		cfg.Log, cfg.Comm = r.logs.log(), r.logs.comm
	}
	cfg.Log = eventlog.WithDeclared(cfg.Log, func() eventlog.Declared { return r.plan.Load().declared }, misfit)
	if r.zeek, err = p.opts.zeek.open(cfg.Log, func(event string) []string { return r.plan.Load().known[event] }, p.secure, p.opts.logs.dir); err != nil {
		return err
	}
	cfg.Log = r.zeek.log(cfg.Log, true)
	if r.listeners, err = p.listen(s.ctx, src, cfg.Comm); err != nil {
		return err
	}
	if r.debug, err = p.opts.listenForDebugging(); err != nil {
		return err
	}
	r.collects = len(r.listeners) > 0 || p.connects() || len(r.zeek.listeners) == 0
	r.logs.clients = r.zeek.facts
	r.collector = collect.New(cfg)
	if r.zeek.hub != nil {
		r.zeek.hub.Memory = r.collector.Memory()
	}
	return nil
}

// misfit says that something of a peer's is not as it is declared.
func misfit(peer eventlog.Peer, what string) {
	about := []any{"peer", peer.Addr}
	if peer.Host != "" {
		about = append(about, "host", peer.Host)
	}
	slog.Warn(fmt.Sprintf("%s: %s (-types has other declarations read)", peer.Addr, what), about...)
}

// run starts everything that runs, all of it here, and returns when all of it has
// ended: at the end of ctx, or with the first that cannot go on.
func (r *service) run(s *signals) error {
	stopForwarding := r.zeek.forwarding() // until all that comes in has come
	g, ctx := errgroup.WithContext(s.ctx)
	if r.collects {
		g.Go(func() error { return r.collector.Run(ctx, r.listeners...) })
	}
	for _, task := range append(r.logs.tasks(r.collector), r.zeek.tasks()...) {
		g.Go(func() error { return task(ctx) })
	}
	g.Go(func() error { return r.watchdog(ctx) })
	g.Go(func() error { return r.reloadOnSignal(ctx, s.hup) })
	if r.debug != nil {
		g.Go(func() error { return serveProfiles(ctx, r.debug) })
	}
	err := g.Wait()
	tell(daemon.SdNotifyStopping)
	stopForwarding()
	events, peers := r.collector.Totals()
	slog.Info(fmt.Sprintf("%d events from %d peers", events, peers), "events", events, "peers", peers)
	r.logs.report()
	r.zeek.report()
	return err
}

func (r *service) close() (err error) {
	for _, l := range r.listeners {
		_ = l.Close()
	}
	if r.zeek != nil {
		r.zeek.close()
	}
	if r.logs != nil {
		err = r.logs.close()
	}
	return err
}

// watchdog tells the service manager at half of the time that it has set that we
// live, as long as we are well.
func (r *service) watchdog(ctx context.Context) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return nil // nobody watches
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if r.collector.Failure() == nil {
				tell(daemon.SdNotifyWatchdog)
			}
		}
	}
}

// tell tells the service manager, if there is one.
func tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		slog.Warn(fmt.Sprintf("telling the service manager: %v", err), "error", err)
	}
}
