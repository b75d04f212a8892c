// Command broccoli-collector receives events from Broccoli sensors (or Bros)
// and writes one line for each: to standard output, or into a log folder.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/term"

	"romanesco/internal/collect"
	"romanesco/internal/commlog"
	"romanesco/internal/eventlog"
	"romanesco/internal/secure"
)

// version is set by the linker.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "broccoli-collector:", err)
		os.Exit(1)
	}
}

func logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "broccoli-collector: "+format+"\n", args...)
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.version {
		fmt.Println("broccoli-collector", version)
		return nil
	}
	p, err := o.plan()
	if err != nil {
		return err
	}
	if err := o.holdDescriptors(p); err != nil {
		return err
	}
	line, err := o.lineFor(os.Stdout)
	if err != nil {
		return err
	}
	cfg := collect.Config{
		Catalog: p.known, Destinations: p.destinations, Forward: p.forward, Limits: o.limits, HoldMemory: os.Getenv("GOMEMLIMIT") == "",
		Log: eventlog.NewStream(os.Stdout, line), Logf: logf,
	}
	tls, err := p.tls()
	if err != nil {
		return err
	}
	if tls != nil {
		cfg.TLS = tls.Client
	}
	logs, err := o.logs.open(p.asks)
	if err != nil {
		return err
	}
	if logs.events != nil {
		cfg.Log, cfg.Comm = logs.events, logs.comm
	}
	for _, note := range p.notes {
		logf("%s", note)
	}
	zeek, err := o.zeek.open(cfg.Log, p.known, p.secure)
	if err != nil {
		return errors.Join(err, logs.close())
	}
	cfg.Log = zeek.log(cfg.Log, true)
	stop := zeek.forwarding()
	err = p.collect(ctx, cfg, tls, logs, zeek.tasks()...)
	stop()
	zeek.report()
	return errors.Join(err, logs.close())
}

// tls makes TLS ready, if it is wanted.
func (p *plan) tls() (*secure.Source, error) {
	if p.secureFor == "" {
		return nil, nil
	}
	p.secure.AskPass = askPass
	src, err := p.secure.Source()
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return src, nil
}

// collect listens and connects, and does the tasks of the logs and others, until
// ctx ends or one of these fails.
func (p *plan) collect(ctx context.Context, cfg collect.Config, tls *secure.Source, logs *logs, others ...func(context.Context) error) error {
	listeners, err := p.listen(tls, cfg.Comm)
	if err != nil {
		return err
	}
	c := collect.New(cfg)
	tasks := append(logs.tasks(c), func(ctx context.Context) error { return c.Run(ctx, listeners...) })
	tasks = append(tasks, others...)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(tasks))
	for _, task := range tasks {
		go func() { errs <- task(ctx) }()
	}
	for range cap(errs) {
		err = errors.Join(err, <-errs)
		cancel()
	}
	events, peers := c.Totals()
	logf("%d events from %d peers", events, peers)
	return err
}

// listen opens what is to be listened on.
func (p *plan) listen(secured *secure.Source, comm *commlog.Log) ([]net.Listener, error) {
	var listeners []net.Listener
	events := len(p.known.Select(p.asks))
	open := func(addr, how string) (net.Listener, error) {
		l, err := net.Listen(network(addr), addr)
		if err != nil {
			for _, other := range listeners {
				_ = other.Close()
			}
			return nil, fmt.Errorf("listening on %s: %w", addr, err)
		}
		logf("listening on %s for %d events%s", l.Addr(), events, how)
		comm.Listening(l.Addr(), how != "")
		return l, nil
	}
	for _, addr := range p.clear {
		l, err := open(addr, "")
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
	}
	for _, addr := range p.secured {
		l, err := open(addr, " (TLS)")
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, tls.NewListener(l, secured.Server()))
	}
	return listeners, nil
}

// network keeps 0.0.0.0 to IPv4; to package net it is every address there is.
func network(addr string) string {
	if ap, err := netip.ParseAddrPort(addr); err == nil && ap.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

// said are the passphrases that there have been, by file: several things may want
// the same.
var (
	asking sync.Mutex
	said   = map[string][]byte{}
)

// askPass asks on the terminal, as far as there is one, once for each file.
func askPass(path string) ([]byte, error) {
	asking.Lock()
	defer asking.Unlock()
	if pass, ok := said[path]; ok {
		return slices.Clone(pass), nil
	}
	pass, err := askTerminal(path)
	if err == nil {
		said[path] = slices.Clone(pass)
	}
	return pass, err
}

func askTerminal(path string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("the key is encrypted, and there is no terminal to ask for the passphrase")
	}
	defer tty.Close()
	fmt.Fprintf(tty, "Passphrase of %s: ", path)
	pass, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	return pass, nil
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
	return nil, fmt.Errorf("format %q: json, summary or auto", o.format)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
