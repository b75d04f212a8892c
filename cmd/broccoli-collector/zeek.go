package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/collect"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/hub"
	"github.com/romanesco-broccoli/romanesco/internal/collector/metrics"
	"github.com/romanesco-broccoli/romanesco/internal/collector/refused"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// zeekOptions are what the command line says of Zeek.
type zeekOptions struct {
	forward      string
	listen       string
	secureListen string
	topic        string
	types        string
	exactTime    bool
	timeZone     string
	confirm      websocket.Confirm
	tlsName      string
	maxClients   int
	silence      time.Duration
	origins      []string
}

const (
	defaultClients = 256
	defaultSilence = time.Minute
	// clientMessageTime is enough for the largest message over a line of 1 Mbit/s.
	clientMessageTime = 2 * time.Minute
)

func (o *zeekOptions) register(f *flag.FlagSet) {
	f.StringVar(&o.forward, "zeek-forward", "", "`peer` to send every event to as well: a Zeek's WebSocket port, ws://host:port or wss://host:port")
	f.StringVar(&o.tlsName, "zeek-tls-name", "", "`name` that the certificate of -zeek-forward must have, or any (default the host of its address)")
	f.StringVar(&o.listen, "zeek-listen", "", "`address` to listen on for WebSocket clients, as a Zeek does; its port is 9997")
	f.StringVar(&o.secureListen, "zeek-tls-listen", "", "the same over TLS")
	f.IntVar(&o.maxClients, "zeek-max-clients", defaultClients, "the most `clients` that may be connected at a time")
	f.DurationVar(&o.silence, "zeek-silence", defaultSilence, "how long a client may send nothing and answer no ping, until it counts as lost; 0: for ever")
	f.Func("zeek-origins", "`list` of the origins whose pages in a browser may be clients, such as https://host:port, with commas between (default none)", func(s string) (err error) {
		o.origins, err = parseOrigins(s)
		return err
	})
	f.StringVar(&o.topic, "zeek-topic", "broccoli/from-clients", "`topic` of what is sent to Zeek and to WebSocket clients")
	f.StringVar(&o.types, "zeek-types", "", "`file` with the declarations of Zeek's enums, records and events (default that of -types)")
	o.confirm = websocket.ByScriptIfAny
	f.Func("zeek-confirm", "what confirms what is sent with -zeek-forward: script, ping, or auto, the script if there is one (default auto)", func(s string) error {
		var ok bool
		if o.confirm, ok = confirms[s]; !ok {
			return errors.New("neither auto, nor script, nor ping")
		}
		return nil
	})
	f.BoolVar(&o.exactTime, "zeek-exact-time", false, "put the exact time behind each time, as an interval")
	f.StringVar(&o.timeZone, "zeek-time-zone", "", "time `zone` of the Zeek of -zeek-forward, such as America/New_York, if that is older than 8.0")
}

// parseOrigins takes a list of origins as browsers write them.
func parseOrigins(list string) ([]string, error) {
	var all []string
	for origin := range strings.SplitSeq(list, ",") {
		origin = strings.TrimSpace(origin)
		u, err := url.Parse(origin)
		if origin != "null" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return nil, fmt.Errorf("origin %q: not of the form https://host:port, without anything behind", origin)
		}
		all = append(all, origin)
	}
	return all, nil
}

// checkClients refuses what cannot be meant.
func (o *zeekOptions) checkClients() error {
	if o.maxClients < 1 {
		return errors.New("-zeek-max-clients: at least 1")
	}
	if o.silence < 0 {
		return errors.New("-zeek-silence: not negative")
	}
	return nil
}

// listens reports whether there is a place for WebSocket clients.
func (o *zeekOptions) listens() bool { return o.listen != "" || o.secureListen != "" }

var confirms = map[string]websocket.Confirm{
	"auto": websocket.ByScriptIfAny, "script": websocket.ByScript, "ping": websocket.ByPong,
}

// zeekPeers are the Zeek that events are forwarded to, and the WebSocket clients
// to which we are one.
type zeekPeers struct {
	forwarder *hub.Forwarder
	refused   *refused.File // what Zeek refuses; nil without a folder
	hub       *hub.Hub
	listeners []net.Listener
	topic     string
	sources   []tlsSource
}

// check reports what open would, and opens nothing.
func (o *zeekOptions) check(s secure.Settings) error {
	z := new(zeekPeers)
	if o.types != "" {
		if _, err := zeek.LoadTypes(o.types); err != nil {
			return err
		}
	}
	if o.forward != "" {
		if err := z.forward(o, nil, s); err != nil {
			return fmt.Errorf("-zeek-forward %s: %w", o.forward, err)
		}
	}
	if o.secureListen != "" {
		if _, err := s.Listening(); err != nil {
			return fmt.Errorf("-zeek-tls-listen: TLS: %w", err)
		}
	}
	return nil
}

// refusedName is the file of what Zeek refuses, in the folder of the logs.
const refusedName = "refused.json"

// open makes ready what the options want. log is where the events of clients go,
// folder where logs do, if they have one.
// names returns those of the arguments of an event.
func (o *zeekOptions) open(log eventlog.Log, names func(event string) []string, s secure.Settings, folder string) (*zeekPeers, error) {
	z := &zeekPeers{topic: o.topic}
	var types *zeek.Types
	if o.types != "" {
		var err error
		if types, err = zeek.LoadTypes(o.types); err != nil {
			return nil, err
		}
	}
	if o.forward != "" {
		if err := z.forward(o, types, s); err != nil {
			return nil, fmt.Errorf("-zeek-forward %s: %w", o.forward, err)
		}
		if folder != "" {
			var err error
			if z.refused, err = refused.Open(filepath.Join(folder, refusedName)); err != nil {
				return nil, err
			}
		}
	}
	if !o.listens() {
		return z, nil
	}
	z.hub = &hub.Hub{
		Version: "broccoli-collector-" + version, ExactTime: o.exactTime, Types: types, Logf: saying(slog.Default(), slog.LevelInfo),
		MaxClients: o.maxClients, Origins: o.origins, Silence: o.silence, MessageTime: clientMessageTime,
		Receive: func(ctx context.Context, from hub.Client) hub.Receiver {
			return &clientLog{z.log(log, false).Batch(ctx, eventlog.Peer{Addr: from.Addr, Host: from.Host}, from.Alive), names}
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
		return usageError{errors.New("not of the form ws://host:port or wss://host:port")}
	}
	zone, err := zeek.LoadZone(o.timeZone)
	if err != nil {
		return err
	}
	z.forwarder = hub.NewForwarder(addr, o.topic)
	z.forwarder.Application, z.forwarder.Zone = "broccoli-collector/"+version, zone
	z.forwarder.ExactTime, z.forwarder.Types, z.forwarder.Logf = o.exactTime, types, saying(slog.Default(), slog.LevelInfo)
	z.forwarder.Confirm = o.confirm
	z.forwarder.SetAside = func(ev *event.Event, why error) error { return z.refused.Add(addr, why, ev) }
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
	z.sources = append(z.sources, tlsSource{src, true})
	z.forwarder.TLS = func() *tls.Config { return src.Client(name) } // a reload may change it
	return nil
}

func (z *zeekPeers) listen(o *zeekOptions, s secure.Settings) error {
	tell := func(at net.Addr, how string) {
		slog.Info(fmt.Sprintf("WebSocket clients are served at %s%s", at, how), "address", at.String(), "tls", how != "")
	}
	if o.listen != "" {
		if err := listenOn(listenNow, &z.listeners, o.listen, nil, tell); err != nil {
			return fmt.Errorf("for WebSocket clients: %w", err)
		}
	}
	if o.secureListen == "" {
		return nil
	}
	src, err := s.Source()
	if err != nil {
		return fmt.Errorf("-zeek-tls-listen: TLS: %w", err)
	}
	z.sources = append(z.sources, tlsSource{src, false})
	if err := listenOn(listenNow, &z.listeners, o.secureListen, src.Server(), tell); err != nil {
		return fmt.Errorf("for WebSocket clients: %w", err)
	}
	return nil
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
		z.refused.Close()
	}
}

// facts is what the metrics show of the clients, nil if there can be none.
func (z *zeekPeers) facts() *metrics.Clients {
	if z.hub == nil {
		return nil
	}
	n := z.hub.Stats()
	return &metrics.Clients{
		Open: n.Open, Accepted: n.Accepted, Refused: n.Failed, TurnedAway: n.TurnedAway, CutOff: n.CutOff,
		EventsIn: n.EventsIn, EventsOut: n.EventsOut, Skipped: n.Refused,
	}
}

// report says what has been done.
func (z *zeekPeers) report() {
	if z.hub != nil {
		n := z.hub.Stats()
		slog.Info(fmt.Sprintf("%d events from %d WebSocket clients", n.EventsIn, n.Accepted), "events", n.EventsIn, "clients", n.Accepted)
	}
	if z.forwarder != nil {
		n := z.forwarder.Totals()
		slog.Info(fmt.Sprintf("%d events forwarded to Zeek, %d not confirmed at the end, %d lost for want of room, %d refused",
			n.Forwarded, n.Unconfirmed, n.Lost, n.Refused),
			"forwarded", n.Forwarded, "unconfirmed", n.Unconfirmed, "lost", n.Lost, "refused", n.Refused)
	}
}

// tee is a Log whose events go elsewhere as well.
type tee struct {
	eventlog.Log
	publish func(*event.Event)
}

func (t tee) Batch(ctx context.Context, peer eventlog.Peer, alive func()) eventlog.Batch {
	return &teeBatch{t.Log.Batch(ctx, peer, alive), t.publish}
}

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
	names func(event string) []string
}

// Event implements hub.Receiver.
func (l *clientLog) Event(_ string, ev *event.Event) error {
	l.Add(ev, l.names(ev.Name))
	const enough = 64 << 10
	if l.Len() < enough {
		return nil
	}
	return l.Flush()
}
