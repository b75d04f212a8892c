// Command broccoli-collector receives events from Broccoli sensors (or Bros)
// and writes one line for each: JSON, or a summary on a terminal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"romanesco/internal/catalog"
	"romanesco/internal/collect"
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
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("broccoli-collector", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: broccoli-collector [options] [pattern ...]")
		fmt.Fprintln(f.Output(), "Asks each peer for the events whose names match a pattern (/sensor_sshd.*/ if none is given).")
		f.PrintDefaults()
	}
	f.StringVar(&o.listen, "listen", ":47757", "`address` to listen on, host:port; port 0 takes a free one")
	f.StringVar(&o.format, "format", "auto", "json, summary, or auto: a summary on a terminal")
	f.StringVar(&o.eventsFile, "events", "", "`file` of further events: a name and the names of its arguments a line")
	f.BoolVar(&o.version, "version", false, "print the version and end")
	f.DurationVar(&o.retry, "retry", 10*time.Second, "pause before connecting again, with -connect")
	f.Func("connect", "`address` of a peer to connect to, host:port (may be repeated)", func(s string) error {
		o.connect = append(o.connect, s)
		return nil
	})
	f.Func("event", "`name` of a further event to ask for (may be repeated)", func(s string) error {
		o.events = append(o.events, s)
		return nil
	})
	err := f.Parse(args)
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
	if c.Format, err = o.formatFor(os.Stdout, c.Format); err != nil {
		return err
	}
	c.Logf = func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "broccoli-collector: "+format+"\n", args...)
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", o.listen, err)
	}
	c.Logf("listening on %s for %d events", l.Addr(), len(names))
	err = o.receive(ctx, c, l)
	events, peers := c.Totals()
	c.Logf("%d events from %d peers", events, peers)
	return err
}

// receive listens and connects until ctx ends or one of these fails.
func (o *options) receive(ctx context.Context, c *collect.Collector, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, 1+len(o.connect))
	go func() { errs <- c.Serve(ctx, l) }()
	for _, addr := range o.connect {
		go func() { errs <- c.Connect(ctx, addr, o.retry) }()
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

func (o *options) formatFor(out *os.File, json collect.Format) (collect.Format, error) {
	switch o.format {
	case "json":
		return json, nil
	case "summary":
		return collect.Summary, nil
	case "auto":
		if info, err := out.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return collect.Summary, nil
		}
		return json, nil
	}
	return nil, fmt.Errorf("format %q: json, summary or auto", o.format)
}
