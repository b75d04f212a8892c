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
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/term"

	"romanesco/internal/catalog"
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

// options are what the command line says.
type options struct {
	listen, format, eventsFile string
	events                     []string
	patterns                   []string
	connect                    []string
	retry                      time.Duration
	version                    bool
	secureListen               string
	secureConnect              bool
	secure                     secure.Settings
	logs                       logOptions
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("broccoli-collector", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: broccoli-collector [options] [pattern ...]")
		fmt.Fprintln(f.Output(), "Asks each peer for the events whose names match a pattern (/sensor_sshd.*/ if none is given).")
		f.PrintDefaults()
	}
	f.StringVar(&o.listen, "listen", ":47757", "`address` to listen on in the clear, host:port; port 0 takes a free one, \"\" none")
	f.StringVar(&o.format, "format", "auto", "of the lines on standard output: json, summary, or auto, a summary on a terminal")
	f.StringVar(&o.eventsFile, "events", "", "`file` of further events: a name and the names of its arguments a line")
	f.BoolVar(&o.version, "version", false, "print the version and end")
	f.DurationVar(&o.retry, "retry", 10*time.Second, "pause before connecting again, with -connect")
	f.StringVar(&o.secureListen, "tls-listen", "", "`address` to listen on for TLS; Bro's port for it is 47756")
	f.BoolVar(&o.secureConnect, "tls-connect", false, "use TLS with -connect")
	f.StringVar(&o.secure.CACert, "ca-cert", "", "`file` with the certificate of the CA, PEM")
	f.StringVar(&o.secure.HostCert, "host-cert", "", "`file` with our certificate, PEM; the key may be in it")
	f.StringVar(&o.secure.HostKey, "host-key", "", "`file` with our key, PEM; if it is encrypted, you are asked for the passphrase")
	f.StringVar(&o.secure.MinVersion, "tls-min-version", "", "1.0 to 1.3; below 1.2 is broken cryptography, for old Bros only (default 1.2)")
	f.BoolVar(&o.secure.RSAKeyExchange, "tls-rsa-key-exchange", false, "allow suites without forward secrecy, for old Bros")
	f.Func("connect", "`address` of a peer to connect to, host:port (may be repeated)", func(s string) error {
		o.connect = append(o.connect, s)
		return nil
	})
	f.Func("event", "`name` of a further event to ask for (may be repeated)", func(s string) error {
		o.events = append(o.events, s)
		return nil
	})
	o.logs.register(f)
	err := f.Parse(args)
	if err == nil {
		err = o.logs.check(f)
	}
	if o.patterns = f.Args(); len(o.patterns) == 0 && len(o.events) == 0 {
		o.patterns = []string{"/sensor_sshd.*/"}
	}
	return o, err
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
	known, names, err := o.requests()
	if err != nil {
		return err
	}
	c := collect.New(os.Stdout, known, names)
	line, err := o.lineFor(os.Stdout)
	if err != nil {
		return err
	}
	c.Log = eventlog.NewStream(os.Stdout, line)
	c.Asked = commlog.Pattern(slices.Concat(o.patterns, o.events)...)
	c.Logf = func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "broccoli-collector: "+format+"\n", args...)
	}
	logs, err := o.logs.open(c)
	if err != nil {
		return err
	}
	listeners, err := o.listeners(c, len(names))
	if err == nil {
		err = o.receive(ctx, c, listeners, logs.tasks())
		events, peers := c.Totals()
		c.Logf("%d events from %d peers", events, peers)
	}
	return errors.Join(err, logs.close())
}

// listeners opens what is to be listened on, and makes TLS ready.
func (o *options) listeners(c *collect.Collector, events int) ([]net.Listener, error) {
	var listeners []net.Listener
	listen := func(addr, how string) (net.Listener, error) {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("listening on %s: %w", addr, err)
		}
		c.Logf("listening on %s for %d events%s", l.Addr(), events, how)
		c.Comm.Listening(l.Addr(), how != "")
		return l, nil
	}
	if o.listen != "" {
		l, err := listen(o.listen, "")
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
	}
	if o.secureListen == "" && !o.secureConnect {
		return listeners, nil
	}
	o.secure.AskPass = askPass
	cfg, err := o.secure.Listening()
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	if o.secureConnect {
		c.TLS = cfg
	}
	if o.secureListen != "" {
		l, err := listen(o.secureListen, " (TLS)")
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, tls.NewListener(l, cfg))
	}
	return listeners, nil
}

// askPass asks on the terminal, as far as there is one.
func askPass(path string) ([]byte, error) {
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

// receive listens and connects, and does the other tasks, until ctx ends or one
// of these fails.
func (o *options) receive(ctx context.Context, c *collect.Collector, listeners []net.Listener, tasks []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, l := range listeners {
		tasks = append(tasks, func(ctx context.Context) error { return c.Serve(ctx, l) })
	}
	for _, addr := range o.connect {
		tasks = append(tasks, func(ctx context.Context) error { return c.Connect(ctx, addr, o.retry) })
	}
	errs := make(chan error, len(tasks))
	for _, task := range tasks {
		go func() { errs <- task(ctx) }()
	}
	var err error
	for range cap(errs) {
		err = errors.Join(err, <-errs)
		cancel()
	}
	return err
}

// requests returns the catalogue and the names of the events to ask for.
func (o *options) requests() (catalog.Catalog, []string, error) {
	known := catalog.Builtin()
	if o.eventsFile != "" {
		f, err := os.Open(o.eventsFile)
		if err != nil {
			return nil, nil, fmt.Errorf("events file: %w", err)
		}
		defer f.Close()
		if err := known.AddFrom(f, o.eventsFile); err != nil {
			return nil, nil, err
		}
	}
	names := slices.Clone(o.events)
	for _, pattern := range o.patterns {
		selected, err := known.Select(pattern)
		if err != nil {
			return nil, nil, err
		}
		if len(selected) == 0 {
			return nil, nil, fmt.Errorf("pattern %s matches no event that is known; add names with -event or -events", pattern)
		}
		names = append(names, selected...)
	}
	slices.Sort(names)
	return known, slices.Compact(names), nil
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
