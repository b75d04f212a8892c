package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"strings"

	"romanesco/internal/catalog"
	"romanesco/internal/collect"
	"romanesco/internal/event"
	"romanesco/internal/eventlog"
	"romanesco/internal/secure"
	"romanesco/internal/zeek"
	"romanesco/internal/zeek/hub"
)

// zeekOptions are what the command line says of Zeek.
type zeekOptions struct {
	forward      string
	listen       string
	secureListen string
	topic        string
	types        string
	exactTime    bool
	tlsName      string
}

func (o *zeekOptions) register(f *flag.FlagSet) {
	f.StringVar(&o.forward, "zeek-forward", "", "`peer` to send every event to as well: a Zeek's WebSocket port, ws://host:port or wss://host:port")
	f.StringVar(&o.tlsName, "zeek-tls-name", "", "`name` that the certificate of -zeek-forward must have, or any (default the host of its address)")
	f.StringVar(&o.listen, "zeek-listen", "", "`address` to listen on for WebSocket clients, as a Zeek does; its port is 9997")
	f.StringVar(&o.secureListen, "zeek-tls-listen", "", "the same over TLS")
	f.StringVar(&o.topic, "zeek-topic", "broccoli/from-clients", "`topic` of what is sent to Zeek and to WebSocket clients")
	f.StringVar(&o.types, "zeek-types", "", "`file` with the declarations of Zeek's enums, records and events")
	f.BoolVar(&o.exactTime, "zeek-exact-time", false, "put the exact time behind each time, as an interval")
}

// zeekPeers are the Zeek that events are forwarded to, and the WebSocket clients
// to which we are one.
type zeekPeers struct {
	forwarder *hub.Forwarder
	hub       *hub.Hub
	listeners []net.Listener
	topic     string
}

// open makes ready what the options want. log is where the events of clients go.
func (o *zeekOptions) open(log eventlog.Log, known catalog.Catalog, s secure.Settings) (*zeekPeers, error) {
	z := &zeekPeers{topic: o.topic}
	var types *zeek.Types
	if o.types != "" {
		var err error
		if types, err = zeek.LoadTypes(o.types); err != nil {
			return nil, err
		}
	}
	s.AskPass = askPass
	if o.forward != "" {
		if err := z.forward(o, types, s); err != nil {
			return nil, fmt.Errorf("-zeek-forward %s: %w", o.forward, err)
		}
	}
	if o.listen == "" && o.secureListen == "" {
		return z, nil
	}
	z.hub = &hub.Hub{
		Version: version, ExactTime: o.exactTime, Types: types, Logf: logf,
		Receive: func(from string) hub.Receiver {
			return &clientLog{z.log(log, false).Batch(from), known}
		},
	}
	if err := z.listen(o, s); err != nil {
		z.close()
		return nil, err
	}
	return z, nil
}

func (z *zeekPeers) forward(o *zeekOptions, types *zeek.Types, s secure.Settings) error {
	scheme, addr, ok := strings.Cut(o.forward, "://")
	if _, _, err := net.SplitHostPort(addr); !ok || scheme != "ws" && scheme != "wss" || err != nil {
		return fmt.Errorf("not of the form ws://host:port or wss://host:port")
	}
	z.forwarder = hub.NewForwarder(addr, o.topic)
	z.forwarder.ExactTime, z.forwarder.Types, z.forwarder.Logf = o.exactTime, types, logf
	if scheme == "ws" {
		return nil
	}
	s.Nameless = true // Zeek need not ask for a certificate
	src, err := s.Source()
	if err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	name := o.tlsName
	if name == "" {
		name, _, _ = net.SplitHostPort(addr)
	} else if name == collect.AnyName {
		name = ""
	}
	z.forwarder.TLS = src.Client(name)
	return nil
}

func (z *zeekPeers) listen(o *zeekOptions, s secure.Settings) error {
	open := func(addr string, cfg *tls.Config) error {
		l, err := net.Listen(network(addr), addr)
		if err != nil {
			return fmt.Errorf("listening on %s for WebSocket clients: %w", addr, err)
		}
		how := ""
		if cfg != nil {
			how = " (TLS)"
		}
		logf("WebSocket clients are served at %s%s", l.Addr(), how)
		if cfg != nil {
			l = tls.NewListener(l, cfg)
		}
		z.listeners = append(z.listeners, l)
		return nil
	}
	if o.listen != "" {
		if err := open(o.listen, nil); err != nil {
			return err
		}
	}
	if o.secureListen == "" {
		return nil
	}
	cfg, err := s.Listening()
	if err != nil {
		return fmt.Errorf("-zeek-tls-listen: TLS: %w", err)
	}
	return open(o.secureListen, cfg)
}

func (z *zeekPeers) close() {
	for _, l := range z.listeners {
		_ = l.Close()
	}
}

// log returns what writes to log, and sends each event on as well: to Zeek and,
// if that is wanted, to the clients.
func (z *zeekPeers) log(log eventlog.Log, toClients bool) eventlog.Log {
	if z.forwarder == nil && (z.hub == nil || !toClients) {
		return log
	}
	return tee{log, func(ev *event.Event) {
		if z.forwarder != nil {
			z.forwarder.Publish(ev)
		}
		if z.hub != nil && toClients {
			_ = z.hub.Publish(z.topic, ev) // what has no counterpart is not for them
		}
	}}
}

// tasks returns what serves clients, each until its context ends.
func (z *zeekPeers) tasks() (tasks []func(context.Context) error) {
	for _, l := range z.listeners {
		tasks = append(tasks, func(ctx context.Context) error { return z.hub.Serve(ctx, l) })
	}
	return tasks
}

// forwarding sends to Zeek until stop is called, which waits for what can still
// be sent.
func (z *zeekPeers) forwarding() (stop func()) {
	if z.forwarder == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = z.forwarder.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// report says what has been done.
func (z *zeekPeers) report() {
	if z.hub != nil {
		events, clients := z.hub.Totals()
		logf("%d events from %d WebSocket clients", events, clients)
	}
	if z.forwarder != nil {
		taken, lost, refused := z.forwarder.Totals()
		logf("%d events forwarded to Zeek, %d lost for want of room, %d refused", taken, lost, refused)
	}
}

// tee is a Log whose events go elsewhere as well.
type tee struct {
	eventlog.Log
	publish func(*event.Event)
}

func (t tee) Batch(peer string) eventlog.Batch { return &teeBatch{t.Log.Batch(peer), t.publish} }

type teeBatch struct {
	eventlog.Batch
	publish func(*event.Event)
}

func (b *teeBatch) Add(ev *event.Event, names []string) {
	b.Batch.Add(ev, names)
	b.publish(ev)
}

// clientLog takes the events of a WebSocket client.
type clientLog struct {
	eventlog.Batch
	known catalog.Catalog
}

// Event implements hub.Receiver.
func (l *clientLog) Event(_ string, ev *event.Event) error {
	l.Add(ev, l.known[ev.Name])
	const enough = 64 << 10
	if l.Len() < enough {
		return nil
	}
	return l.Flush()
}
