package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/collect"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// options are what the command line says.
type options struct {
	policies      []string
	listen        string
	secureListen  string
	given         map[string]bool   // which options there are
	values        map[string]string // what each of them is, as text
	connect       []string
	secureConnect bool
	tlsName       string
	retry         time.Duration
	patterns      []string
	events        []string
	eventsFile    string // or a pattern: see unknownEvents
	types         string // file of declarations
	forward       bool
	peerCache     bool
	limits        collect.Limits
	secure        secure.Settings
	names         []string // that certificates may have
	format        string
	logs          logOptions
	zeek          zeekOptions
	messages      messageOptions
	config        string
	debug         string
	version       bool
	verbose       bool
	checkOnly     bool
}

const (
	defaultListen  = ":47757"
	defaultPattern = "/sensor_sshd.*/"
)

// usageError is a command line or a configuration that is wrong.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// parse reads the command line, and the configuration that it names: where both set
// an option, the command line counts; where options may be repeated, all do.
func parse(args []string) (options, error) {
	o, check := newOptions(), len(args) > 0 && args[0] == "check"
	if check {
		args = args[1:]
	}
	f := recordedFlags(&o)
	if err := f.Parse(args); err != nil {
		return o, usageError{err}
	}
	patterns := f.Args()
	if path := o.config; path != "" {
		o = newOptions()
		f = recordedFlags(&o)
		more, err := readConfig(f, path)
		if err == nil {
			err = f.Parse(args)
		}
		if err != nil {
			return o, usageError{err}
		}
		patterns = append(more, patterns...)
	}
	o.checkOnly, o.patterns = check, patterns
	f.Visit(func(g *flag.Flag) { o.given[g.Name] = true })
	o.values = recordedValues(f)
	o.zeek.types = cmp.Or(o.zeek.types, o.types)
	if err := o.logs.check(f); err != nil {
		return o, usageError{err}
	}
	if err := o.check(); err != nil {
		return o, usageError{err}
	}
	if o.verbose && !check {
		return o, usageError{errors.New("-v: it is for \"check\", which stands before the options")}
	}
	return o, nil
}

func newOptions() options {
	return options{given: map[string]bool{}, limits: collect.DefaultLimits()}
}

// usage writes what there is to say on the command line.
func (o *options) usage(to io.Writer) {
	fmt.Fprintln(to, "usage: broccoli-collector [check] [options] [pattern ...]")
	fmt.Fprintln(to, "Asks each peer for the events whose names match a pattern ("+defaultPattern+" if none is given).")
	fmt.Fprintln(to, "With -policy the destinations in that file are asked, each for its own events.")
	fmt.Fprintln(to, "\"check\" says whether it would start with these options, and starts nothing.")
	f := o.flags()
	f.SetOutput(to)
	f.PrintDefaults()
}

// flags returns the options, each of which sets its part of o. Nothing is printed of
// what is wrong: the error says it.
func (o *options) flags() *flag.FlagSet {
	f := flag.NewFlagSet("broccoli-collector", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	many := func(name, usage string, into *[]string) {
		f.Func(name, usage+" (may be repeated)", func(s string) error {
			*into = append(*into, s)
			return nil
		})
	}
	size := func(name, usage string, set func(int64)) {
		f.Func(name, usage, func(s string) error {
			n, err := parseSize(s)
			set(n)
			return err
		})
	}
	many("policy", "`file` of Bro's policy scripts with destinations, such as local.bro", &o.policies)
	f.StringVar(&o.listen, "listen", defaultListen, "`address` to listen on in the clear, host:port; port 0 takes a free one, \"\" none; with -policy the default is what that says")
	f.StringVar(&o.secureListen, "tls-listen", "", "`address` to listen on for TLS; Bro's port for it is 47756; with -policy as above")
	many("connect", "`address` of a peer to connect to, host:port", &o.connect)
	f.StringVar(&o.tlsName, "tls-peer-name", "", "`name` that the certificate of each peer of -connect must have, or any (default the host of its address)")
	f.StringVar(&o.secure.CRL, "crl", "", "`file` with revocation lists of the CA, PEM or DER; read anew when it changes")
	many("tls-names", "`names` that the certificates of peers which connect to us may have, with commas between them, or a /pattern/ (default any of the CA)", &o.names)
	f.BoolVar(&o.secureConnect, "tls-connect", false, "use TLS with -connect")
	f.DurationVar(&o.retry, "retry", 10*time.Second, "pause before connecting again, with -connect")
	many("event", "`name` of a further event to ask for", &o.events)
	f.StringVar(&o.eventsFile, "events", "", "`file` of further events: a name and the names of its arguments a line; or a pattern of events that may become known")
	f.StringVar(&o.types, "types", "", "`file` with declarations of Bro or Zeek scripts: events, and the names of what is in records, for the logs")
	f.BoolVar(&o.forward, "forward", false, "send what comes on to every peer that asks for it")
	f.BoolVar(&o.peerCache, "peer-cache", false, "let the peers of the command line refer to what they have sent before: far fewer bytes from a Bro, but its records are then old where something nested has changed")
	f.IntVar(&o.limits.Peers, "max-peers", o.limits.Peers, "the most `peers` that may be connected at a time")
	size("max-memory", "the most memory that all peers and WebSocket clients together may take for what is large, a `size` (default 1G)", func(n int64) { o.limits.Memory = n })
	size("max-queue", "how much may wait for a peer that takes events too slowly, with -forward, a `size` (default 16M)", func(n int64) { o.limits.Queue = int(n) })
	f.StringVar(&o.secure.CACert, "ca-cert", "", "`file` with the certificate of the CA, PEM")
	f.StringVar(&o.secure.HostCert, "host-cert", "", "`file` with our certificate, PEM; the key may be in it")
	f.StringVar(&o.secure.HostKey, "host-key", "", "`file` with our key, PEM; if it is encrypted, you are asked for the passphrase")
	f.StringVar(&o.secure.MinVersion, "tls-min-version", "", "1.0 to 1.3; below 1.2 is broken cryptography, for old Bros only (default 1.2)")
	f.BoolVar(&o.secure.RSAKeyExchange, "tls-rsa-key-exchange", false, "allow suites without forward secrecy, for old Bros")
	f.StringVar(&o.format, "format", "auto", "of the lines on standard output: json, summary, or auto, a summary on a terminal")
	f.StringVar(&o.config, "config", "", "`file` with options: a name and a value a line")
	f.StringVar(&o.debug, "debug-listen", "", "`address` of this host, host:port, to serve profiles of the program at, /debug/pprof/ (default none)")
	f.BoolVar(&o.verbose, "v", false, "with check: list what of the policies is skipped, with its lines, and the events by name")
	f.BoolVar(&o.version, "version", false, "print the version and end")
	o.messages.register(f)
	o.logs.register(f)
	o.zeek.register(f)
	return f
}

// check refuses what does not go together.
func (o *options) check() error {
	if len(o.policies) > 0 && len(o.connect) == 0 {
		if len(o.patterns) > 0 {
			return errors.New("with -policy each destination is asked for its own $events; a pattern is for the peers of -connect, of which there are none")
		}
		if o.unknownEvents() != "" {
			return errors.New("with -policy each destination is asked for its own $events; -events with a pattern is for the peers of -connect, of which there are none")
		}
		if o.peerCache {
			return errors.New("with -policy each destination has its own $cache; -peer-cache is for the peers of -connect, of which there are none")
		}
	}
	if len(o.policies) == 0 && len(o.patterns)+len(o.events) == 0 && o.unknownEvents() == "" {
		o.patterns = []string{defaultPattern}
	}
	for _, addr := range o.connect {
		if _, port, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("-connect %q: not of the form host:port: %w", addr, err)
		} else if _, err := net.LookupPort("tcp", port); err != nil {
			return fmt.Errorf("-connect %q: %w", addr, err)
		}
	}
	if o.debug != "" {
		if _, err := debugAddress(o.debug); err != nil {
			return err
		}
	}
	if o.limits.Peers < 1 {
		return errors.New("-max-peers: at least 1")
	}
	return cmp.Or(o.zeek.checkClients(), o.messages.check())
}
