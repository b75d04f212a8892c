// Package collect receives events from many peers and hands them to a log and,
// if it is to forward, on to the peers that ask for them. It imports the
// connection, the event model, the policy and the logs; the programs that use it
// own flags, signals and files.
package collect

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/romanesco-broccoli/romanesco/internal/collector/admit"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/commlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/memory"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/traffic"
)

// Config is what a Collector is to do.
type Config struct {
	// Catalog has the events that can be asked for, and the names of their
	// arguments. It, and the Destinations, are those of the start: see Change.
	Catalog catalog.Catalog
	// Destinations are the peers that are asked for events. Others may connect.
	Destinations []Destination
	// Forward says that what a peer sends goes on to the others that ask for
	// it, whoever they are.
	Forward bool
	Limits  Limits
	// HoldMemory has the runtime of the program hold Limits.Memory.
	HoldMemory bool
	Log        eventlog.Log
	// Comm, if set, is told of each peer.
	Comm *commlog.Log
	// Messages, if set, are what whoever runs the collector wants to know: sentences,
	// and beside them, for programs, what they are about.
	Messages *slog.Logger
	// TLS returns how to connect to destinations that want it, whose certificate
	// must be of that name, or of any if it is empty. Who listens hands a TLS
	// listener to Run.
	TLS func(name string) *tls.Config
}

// Limits bound what peers can take. The zero value of a field means its default.
type Limits struct {
	// Peers is how many may be connected at a time.
	Peers int
	// Memory is how many bytes all of them together may make us hold, beyond what each
	// of them usually has, and we ourselves: see package memory.
	Memory int64
	// Queue is how many bytes may wait for a peer that takes them too slowly.
	Queue int
}

// DefaultLimits returns the limits that a Collector has if it is given none.
func DefaultLimits() Limits { return Limits{Peers: 10_000, Memory: 1 << 30, Queue: 16 << 20} }

func (l Limits) withDefaults() Limits {
	def := DefaultLimits()
	if l.Peers <= 0 {
		l.Peers = def.Peers
	}
	if l.Memory <= 0 {
		l.Memory = def.Memory
	}
	if l.Queue <= 0 {
		l.Queue = def.Queue
	}
	return l
}

// handshakeTime is enough for TLS while thousands of others come at the same
// time.
const handshakeTime = 30 * time.Second

// messageTime is enough for the largest message over a line of 1 Mbit/s.
const messageTime = 2 * time.Minute

// Collector asks peers for events and takes what they send.
type Collector struct {
	// Traffic counts what passes.
	Traffic traffic.Ledger

	cfg      Config
	pool     *memory.Pool
	relay    relay
	links    links
	changing sync.Mutex // held by Change
	started  time.Time
	// handshake is how long a peer may take until the connection is up.
	handshake time.Duration
	// message is how long for the rest of a message that was begun.
	message time.Duration

	gate           admit.Gate
	peers, refused atomic.Uint64
	cut            atomic.Uint64 // peers that were cut off
	failed         atomic.Pointer[error]
}

// New returns a Collector.
func New(cfg Config) *Collector {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Messages == nil {
		cfg.Messages = slog.New(slog.DiscardHandler)
	}
	c := &Collector{
		cfg: cfg, started: time.Now(), handshake: handshakeTime, message: messageTime,
		pool: memory.New(cfg.Limits.Memory),
	}
	c.pool.Hold = cfg.HoldMemory
	c.pool.Count(&c.gate.Open)
	c.gate.What, c.gate.Max = "peers", cfg.Limits.Peers
	c.gate.Logf = func(format string, args ...any) { cfg.Messages.Warn(fmt.Sprintf(format, args...)) }
	v := newView(cfg.Catalog, cfg.Destinations)
	c.links.update(v.destinations)
	c.relay.init(v)
	return c
}

// Totals returns how many events and peers there have been.
func (c *Collector) Totals() (events, peers uint64) {
	sum, _ := c.Traffic.Totals()
	return sum.EventsIn, c.peers.Load()
}

// Refused returns with how many peers the handshake has failed.
func (c *Collector) Refused() uint64 { return c.refused.Load() }

// Held is what is held of the bounds, and who has met them.
type Held struct {
	Incoming, Outgoing int64  // bytes of what comes, and of what waits to be sent on
	TurnedAway, CutOff uint64 // peers, since the start
}

// Held returns what is held now.
func (c *Collector) Held() Held {
	return Held{c.pool.Incoming.Used(), c.pool.Outgoing.Used(), c.gate.TurnedAway(), c.cut.Load()}
}

// Run listens, and connects to the destinations that want it, until ctx ends: then
// it returns nil when all peers are done with, or else why it could not go on. The
// first source of peers that cannot go on ends the others.
func (c *Collector) Run(ctx context.Context, listeners ...net.Listener) error {
	c.pool.Limit()
	sources, within := errgroup.WithContext(ctx)
	for _, l := range listeners {
		sources.Go(func() error { return cmp.Or(c.serve(within, l), c.Failure()) })
	}
	sources.Go(func() error {
		c.links.run(within, len(listeners) > 0, c.connect)
		return c.Failure()
	})
	err := sources.Wait()
	if err == nil && ctx.Err() == nil {
		return errors.New("no peer is left, and none can come: there is no $retry, and nothing to listen on")
	}
	return err
}

// serve accepts peers until ctx ends, and returns when all of them are done with.
func (c *Collector) serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return c.gate.Serve(ctx, l, func(ctx context.Context, nc net.Conn) {
		c.pool.Limit()
		if err := c.handle(ctx, nc, nil); err != nil && c.Failure() == nil { // which is told once, at the end
			c.cfg.Messages.Warn(fmt.Sprintf("%v: %v", nc.RemoteAddr(), err), "peer", nc.RemoteAddr().String(), "error", err)
		}
		if c.Failure() != nil {
			cancel()
		}
	})
}

// connect connects to a destination, again and again if it has a retry, until
// ctx ends.
func (c *Collector) connect(ctx context.Context, l *link) error {
	dialer := net.Dialer{Timeout: c.handshake}
	for {
		d := l.dest.Load()
		nc, err := dialer.DialContext(ctx, "tcp", d.address())
		if err == nil {
			if d.SSL {
				nc = tls.Client(nc, c.cfg.TLS(d.certificateName()))
			}
			c.gate.Open.Add(1)
			err = c.handle(ctx, nc, l)
			c.gate.Open.Add(-1)
		}
		if c.Failure() != nil || ctx.Err() != nil {
			return c.Failure()
		}
		if err != nil {
			c.cfg.Messages.Warn(fmt.Sprintf("%s: %v", d.name(), err), "destination", d.String(), "address", d.address(), "error", err)
		}
		if !l.pause(ctx) {
			if ctx.Err() == nil {
				c.cfg.Messages.Warn(fmt.Sprintf("%s: not connecting again, there is no $retry", d.name()), "destination", d.String(), "address", d.address())
			}
			return c.Failure()
		}
	}
}

// sends takes note of a peer that events are sent on to, until the function that it
// returns is called.
func (c *Collector) sends(s *session) (done func()) {
	leave := c.pool.Join(s)
	return func() {
		leave()
		s.queue.Close()
	}
}

// Failure returns why the collector cannot go on, or nil.
func (c *Collector) Failure() error {
	if p := c.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// fail takes note of an error of the log, which ends the collecting.
func (c *Collector) fail(err error) error {
	if err != nil {
		c.failed.CompareAndSwap(nil, &err)
	}
	return err
}
