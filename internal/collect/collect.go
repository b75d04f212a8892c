// Package collect receives events from many peers and hands them to a log. It
// imports the connection, the event model and the logs; the programs that use
// it own flags, signals and files.
package collect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"romanesco/internal/catalog"
	"romanesco/internal/commlog"
	"romanesco/internal/event"
	"romanesco/internal/eventlog"
	"romanesco/internal/peer"
	"romanesco/internal/traffic"
)

// handshakeTime is how long a peer may take until the connection is up.
const handshakeTime = 10 * time.Second

// Collector asks each peer for events and writes what arrives. Its fields are
// set before the first use.
type Collector struct {
	Catalog  catalog.Catalog
	Requests []string
	Log      eventlog.Log
	// Comm, if set, is told of each peer; Asked is what Requests look like there.
	Comm  *commlog.Log
	Asked string
	Logf  func(format string, args ...any)
	// TLS, if set, is how Connect connects. Who listens hands a TLS listener
	// to Serve.
	TLS *tls.Config

	// Traffic counts what passes.
	Traffic traffic.Ledger

	peers, refused atomic.Uint64
	failed         atomic.Pointer[error]
}

// New returns a Collector that writes JSON to out.
func New(out io.Writer, c catalog.Catalog, requests []string) *Collector {
	return &Collector{
		Catalog: c, Requests: requests, Log: eventlog.NewStream(out, eventlog.JSON),
		Logf: func(string, ...any) {},
	}
}

// Totals returns how many events and peers there have been.
func (c *Collector) Totals() (events, peers uint64) {
	sum, _ := c.Traffic.Totals()
	return sum.EventsIn, c.peers.Load()
}

// Refused returns with how many peers the handshake has failed.
func (c *Collector) Refused() uint64 { return c.refused.Load() }

// Serve accepts peers until ctx ends, and returns when all of them are done
// with: nil, or why it could not go on.
func (c *Collector) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = nc.Close()
			}
			return c.Failure()
		}
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && !errors.Is(err, net.ErrClosed) {
				c.Logf("accepting: %v", err) // out of descriptors, perhaps: that passes
				time.Sleep(100 * time.Millisecond)
				continue
			}
			return fmt.Errorf("accepting: %w", err)
		}
		wg.Go(func() {
			_, secured := nc.(*tls.Conn)
			if err := c.Handle(ctx, nc, c.Comm.Accepted(nc.RemoteAddr(), secured)); err != nil {
				c.Logf("%s: %v", nc.RemoteAddr(), err)
			}
			if c.Failure() != nil {
				cancel()
			}
		})
	}
}

// Connect connects to a peer that listens, again and again with a pause of
// retry between the attempts, until ctx ends.
func (c *Collector) Connect(ctx context.Context, addr string, retry time.Duration) error {
	d := net.Dialer{Timeout: handshakeTime}
	for {
		nc, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			if c.TLS != nil {
				nc = tls.Client(nc, c.TLS)
			}
			err = c.Handle(ctx, nc, c.Comm.Connected(nc.RemoteAddr()))
		}
		if c.Failure() != nil || ctx.Err() != nil {
			return c.Failure()
		}
		if err != nil {
			c.Logf("%s: %v", addr, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

// Failure returns why the collector cannot go on, or nil.
func (c *Collector) Failure() error {
	if p := c.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// Handle receives the events of one peer, to whom either side has connected,
// until it or ctx ends. What happens is told to note, which may be nil.
func (c *Collector) Handle(ctx context.Context, nc net.Conn, note *commlog.Peer) (err error) {
	defer func() { note.Closed(err) }()
	count := c.Traffic.Open()
	defer c.Traffic.Close(count)
	from := nc.RemoteAddr().String()
	s := &stream{collector: c, batch: c.Log.Batch(from)}
	open, cancel := context.WithTimeout(ctx, handshakeTime)
	_, secured := nc.(*tls.Conn)
	p, err := peer.Open(open, nc, peer.Config{
		Requests: c.Requests, Cache: true, Whole: secured,
		BeforePong: s.settle, // the PONG is the sensor's receipt
		Counters:   count,
		Logf:       note.Logf,
		Requested: func(event string) {
			_, known := c.Catalog[event]
			note.Requested(event, known)
		},
	})
	cancel()
	if ctx.Err() != nil {
		if err == nil {
			_ = p.Close()
		}
		return c.Failure()
	}
	if err != nil {
		c.refused.Add(1)
		return err
	}
	defer p.Close()
	stop := context.AfterFunc(ctx, func() { _ = p.Close() })
	defer stop()
	c.peers.Add(1)
	c.Logf("%s: connected, class %q", from, p.PeerClass())
	note.Established()
	note.Requesting(c.Asked)
	err = s.receive(p)
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		return c.Failure()
	}
	return err
}

// batchSize is how much of a peer's lines is written at once while more of its
// bytes are there.
const batchSize = 64 << 10

// stream is what arrives from one peer.
type stream struct {
	collector *Collector
	batch     eventlog.Batch
}

func (s *stream) receive(p *peer.Conn) error {
	c := s.collector
	var ev event.Event
	for {
		if err := p.Next(&ev); err != nil {
			return errors.Join(err, s.flush())
		}
		s.batch.Add(&ev, c.Catalog[ev.Name])
		if p.Buffered() == 0 || s.batch.Len() >= batchSize {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
}

func (s *stream) flush() error { return s.collector.written(s.batch.Flush()) }

func (s *stream) settle() error { return s.collector.written(s.batch.Settle()) }

// written takes note of an error of the log, which ends the collecting.
func (c *Collector) written(err error) error {
	if err != nil {
		c.failed.CompareAndSwap(nil, &err)
	}
	return err
}
