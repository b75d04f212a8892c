// Command broccoli-collector receives events from Broccoli sensors (or Bros)
// and writes one line for each: to standard output, or into a log folder.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/commlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// version is set by the linker.
var version = "unknown"

// Exit statuses.
const (
	statusFailed = 1 // it could not start, or not go on
	statusUsage  = 2 // the command line, the configuration or a policy is wrong
)

func main() {
	slog.SetDefault((&messageOptions{}).logger(os.Stderr)) // until we know how they are wanted
	s := hearSignals(func(why string) {
		slog.Error(why)
		os.Exit(statusFailed)
	})
	err := run(s, os.Args[1:])
	var usage usageError
	switch {
	case err == nil:
	case errors.As(err, &usage):
		slog.Error(once(err) + " (broccoli-collector -help lists the options)")
		os.Exit(statusUsage)
	default:
		slog.Error(once(err))
		os.Exit(statusFailed)
	}
}

// once returns what an error of several says, but each cause once: when the disk
// is full, everything that ends has met that.
func once(err error) string {
	var all []string
	causes := map[string]bool{}
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSuffix(line, "\n")
		cause := line[strings.LastIndex(line, ": ")+1:]
		if !causes[cause] {
			all = append(all, line)
		}
		causes[cause] = true
	}
	return strings.Join(all, "; ")
}

func run(s *signals, args []string) error {
	o, err := parse(args)
	if err != nil {
		o.messages.find(args)
	}
	slog.SetDefault(o.messages.logger(os.Stderr))
	switch {
	case errors.Is(err, flag.ErrHelp):
		o.usage(os.Stdout)
		return nil
	case err != nil:
		return err
	case o.version:
		fmt.Println("broccoli-collector", version)
		return nil
	}
	p, err := o.plan(nil)
	if err != nil {
		return err
	}
	if o.checkOnly {
		return p.report(os.Stdout)
	}
	return p.start(s, args)
}

// tls makes TLS ready, if it is wanted.
func (p *plan) tls() (*secure.Source, error) {
	if p.secureFor == "" {
		return nil, nil
	}
	src, err := p.secure.Source()
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return src, nil
}

// listen opens what is to be listened on.
func (p *plan) listen(ctx context.Context, secured *secure.Source, comm *commlog.Log) (listeners []net.Listener, err error) {
	events := len(p.known.Select(p.asks))
	tell := func(at net.Addr, how string) {
		slog.Info(fmt.Sprintf("listening on %s for %d events%s", at, events, how), "address", at.String(), "tls", how != "", "events", events)
		comm.Listening(at, how != "")
	}
	open := func(addr string) (net.Listener, error) { return p.listenAgain(ctx, addr) }
	for _, addr := range p.clear {
		if err := listenOn(open, &listeners, addr, nil, tell); err != nil {
			return nil, err
		}
	}
	for _, addr := range p.secured {
		if err := listenOn(open, &listeners, addr, secured.Server(), tell); err != nil {
			return nil, err
		}
	}
	return listeners, nil
}

// listenOn adds what listens on an address, over TLS if cfg is set, or closes all there
// are. tell says that it does.
func listenOn(open opener, listeners *[]net.Listener, addr string, cfg *tls.Config, tell func(at net.Addr, how string)) error {
	l, err := open(addr)
	if err != nil {
		for _, other := range *listeners {
			_ = other.Close()
		}
		return fmt.Errorf("listening on %s: %w", addr, err)
	}
	if cfg == nil {
		tell(l.Addr(), "")
	} else {
		tell(l.Addr(), " (TLS)")
		l = tls.NewListener(l, cfg)
	}
	*listeners = append(*listeners, l)
	return nil
}

// opener opens what listens on an address.
type opener func(addr string) (net.Listener, error)

func listenNow(addr string) (net.Listener, error) { return net.Listen(network(addr), addr) }

// listenAgain waits for an address that is taken, if the policy says so.
func (p *plan) listenAgain(ctx context.Context, addr string) (net.Listener, error) {
	for {
		l, err := listenNow(addr)
		if !errors.Is(err, syscall.EADDRINUSE) || p.listenRetry == 0 {
			return l, err
		}
		slog.Warn(fmt.Sprintf("listening on %s: %v; trying again in %v", addr, err, p.listenRetry), "address", addr, "error", err)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(p.listenRetry):
		}
	}
}

// network keeps 0.0.0.0 to IPv4; to package net it is every address there is.
func network(addr string) string {
	if ap, err := netip.ParseAddrPort(addr); err == nil && ap.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

func (o *options) lineFor(out *os.File) (eventlog.Line, error) {
	switch o.format {
	case "json":
		return eventlog.JSON, nil
	case "summary":
		return eventlog.Summary, nil
	case "auto":
		if isTerminal(out) {
			return eventlog.Summary, nil
		}
		return eventlog.JSON, nil
	}
	return nil, fmt.Errorf("-format %q: json, summary or auto", o.format)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
