package collect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"romanesco/internal/collector/commlog"
	"romanesco/internal/collector/eventlog"
	"romanesco/internal/collector/queue"
	"romanesco/internal/event"
	"romanesco/internal/protocol/peer"
	"romanesco/internal/protocol/traffic"
	"romanesco/internal/protocol/wire"
)

// session is the connection of one peer.
type session struct {
	c       *Collector
	nc      net.Conn
	from    string
	secured bool
	note    *commlog.Peer
	count   *traffic.Counters
	// dest is what the peer is to us, nil for a stranger: known from the start
	// when we have connected.
	dest  *Destination
	batch eventlog.Batch
	// audience are those that are asked for the same events, extra what this one
	// is asked for beyond that, which the lock of the relay guards.
	audience *audience
	extra    map[string]bool
	ignored  map[string]bool    // names that were not asked for and that a line is about
	queue    *queue.Queue[item] // of what goes to the peer, nil if nothing is forwarded
	to       []*session         // whom the event at hand goes to
	conn     *peer.Conn
	cut      atomic.Pointer[error] // why we have ended it
}

// host returns the address of the peer, or none if it has none.
func (s *session) host() netip.Addr {
	ap, _ := netip.ParseAddrPort(s.from)
	return ap.Addr().Unmap().WithZone("")
}

// handle speaks with one peer, which is d if we have connected to it, until it or
// ctx ends.
func (c *Collector) handle(ctx context.Context, nc net.Conn, d *Destination) (err error) {
	s := &session{c: c, nc: nc, from: nc.RemoteAddr().String(), dest: d, extra: map[string]bool{}}
	_, s.secured = nc.(*tls.Conn)
	if d != nil {
		s.note = c.cfg.Comm.Connected(nc.RemoteAddr())
	} else {
		s.note = c.cfg.Comm.Accepted(nc.RemoteAddr(), s.secured)
	}
	defer func() { s.note.Closed(err) }()
	defer func() { // one peer's fault is not to be that of all
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v", r)
			c.cfg.Logf("%s: %v\n%s", s.from, err, debug.Stack())
			_ = nc.Close()
		}
	}()
	s.count = c.Traffic.Open()
	defer c.Traffic.Close(s.count)
	s.batch = c.cfg.Log.Batch(s.from)
	if c.cfg.Forward {
		s.queue = newQueue(c.cfg.Limits.Queue, c.outgoing, s.count)
		defer c.sends(s)()
	}
	defer c.relay.leave(s)
	if err := s.shakeHands(ctx, d != nil); err != nil {
		if ctx.Err() != nil {
			return c.Failure()
		}
		c.refused.Add(1)
		return err
	}
	defer s.conn.Release()
	defer s.conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	c.peers.Add(1)
	if s.queue != nil {
		go s.send()
	}
	err = s.receive()
	switch cut := s.cut.Load(); {
	case cut != nil:
		return *cut
	case errors.Is(err, wire.ErrLimit), errors.Is(err, peer.ErrSilent):
		c.cut.Add(1)
	case errors.Is(err, io.EOF), ctx.Err() != nil:
		return c.Failure()
	}
	return err
}

// maxFromCache is how much an event may take from what the peer has sent before: a
// Bro's connection with all that is in it is less than a quarter of that.
const maxFromCache = 32 << 10

// shakeHands opens the connection.
func (s *session) shakeHands(ctx context.Context, connected bool) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.handshake)
	defer cancel()
	if secured, ok := s.nc.(*tls.Conn); ok {
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = s.nc.Close()
			return fmt.Errorf("TLS: %w", err)
		}
	}
	cfg := peer.Config{
		Originator: connected, Runtime: uint32(time.Since(s.c.started).Seconds()),
		Meet: s.meet, Decompress: true, Whole: s.secured,
		Limits:     wire.Limits{Budget: s.c.memory, MaxFromCache: maxFromCache},
		BeforePong: s.settle, // the PONG is the sensor's receipt
		BeforeRead: s.flush, MessageTime: s.c.message,
		Requested: s.requested, Counters: s.count, Logf: s.note.Logf,
	}
	if s.dest != nil {
		cfg.Class = s.dest.Class
	}
	s.conn, err = peer.Open(ctx, s.nc, cfg)
	return err
}

// meet decides what the peer is to us, and what to ask of it.
func (s *session) meet(class string, cfg *peer.Config) {
	s.note.Established()
	if s.dest == nil {
		s.dest = s.recognize(class)
	}
	names := s.c.relay.join(s)
	d := s.dest
	if d == nil {
		return
	}
	s.c.cfg.Logf("%s: connected as %s, class %.200q, asked for %d events", s.from, d, class, len(names))
	cfg.Requests = names
	if d.Events != nil {
		s.note.Requesting(commlog.Pattern(d.Events.String()))
	}
	if cfg.CaptureFilter = d.CaptureFilter; cfg.CaptureFilter != "" {
		s.note.Remotef("sending capture_filter: %s", d.CaptureFilter)
	}
	if d.AcceptInput {
		s.note.Remotef("accepting state")
	}
	if cfg.Sync, cfg.Authoritative = d.Sync, d.Auth; d.Sync {
		s.note.Remotef("requesting synchronized state")
	}
	cfg.Compression, cfg.Cache = d.Compression, d.Cache
}

// recognize finds out which destination a peer is that has connected.
func (s *session) recognize(class string) *Destination {
	d, why := find(s.c.cfg.Destinations, s.host(), class, s.secured)
	if d != nil {
		return d
	}
	if why == "" {
		why = "there is no destination of its address"
	}
	s.c.cfg.Logf("%s: connected, class %.200q, asked for nothing: %s", s.from, class, why)
	s.note.Logf("asked for nothing: %s", why)
	return nil
}

// requested takes note of an event that the peer asks for.
func (s *session) requested(name string) {
	s.note.Requested(name, s.c.relay.want(s, name))
}

// batchSize is how much of a peer's lines is written at once, while more of its
// bytes are there: before we wait for others, everything is.
const batchSize = 64 << 10

// receive takes events until the connection ends.
func (s *session) receive() error {
	var ev event.Event
	for {
		if err := s.conn.Next(&ev); err != nil {
			return errors.Join(err, s.flush())
		}
		if s.accepts(ev.Name) {
			if err := s.add(&ev); err != nil {
				return err
			}
		}
		if s.batch.Len() >= batchSize {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
}

// add writes an event, or has it wait to be written, and sends it on.
func (s *session) add(ev *event.Event) error {
	add := func() {
		s.batch.Add(ev, s.c.cfg.Catalog[ev.Name])
		if s.queue != nil {
			s.c.relay.publish(s, ev)
		}
	}
	if s.conn.EventSize() >= largeEvent {
		return s.addLarge(ev, add)
	}
	add()
	return nil
}

// maxIgnored is how many names have a line that says that they are ignored.
const maxIgnored = 50

// accepts reports whether the peer has been asked for events of that name. Who
// sends others is out of date, or means no good.
func (s *session) accepts(name string) bool {
	if s.c.relay.requested(s, name) && s.dest.AcceptInput {
		return true
	}
	s.count.Ignored()
	if !s.ignored[name] && len(s.ignored) < maxIgnored {
		if s.ignored == nil {
			s.ignored = map[string]bool{}
		}
		s.ignored[name] = true
		s.note.Logf("event %.80q was not asked for, and is ignored", name)
	}
	return false
}

func (s *session) flush() error { return s.c.fail(s.batch.Flush()) }

func (s *session) settle() error { return s.c.fail(s.batch.Settle()) }

// send writes what is in the queue until the connection ends.
func (s *session) send() {
	for s.queue.Wait(nil) {
		items := s.queue.Take()
		err := s.write(items)
		s.queue.Sent(items)
		if err != nil {
			_ = s.conn.Close() // who receives will say so
			return
		}
	}
}

func (s *session) write(items []item) error {
	var names []string
	for i := range items {
		if it := &items[i]; it.request != "" {
			names = append(names, it.request)
		} else if err := s.conn.SendSerial(it.event); err != nil {
			return err
		}
	}
	if len(names) > 0 {
		if err := s.conn.Request(names); err != nil {
			return err
		}
	}
	return s.conn.Flush()
}

// put hands something to the peer. One that does not keep up is cut off: it can
// connect again, and knows then that it has lost something.
func (s *session) put(it item) {
	if s.queue == nil {
		return
	}
	err := s.queue.Put(it)
	for errors.Is(err, queue.ErrMemory) && s.c.pool.MakeRoom() {
		err = s.queue.Put(it)
	}
	if err != nil {
		s.cutOff(fmt.Errorf("cut off: %w, %s wait for it", err, s.queue))
	}
}

// Waits implements memory.Waiting.
func (s *session) Waits() int { return s.queue.Size() }

// CutOff implements memory.Waiting.
func (s *session) CutOff(why error) { s.cutOff(fmt.Errorf("cut off: %w", why)) }

// cutOff ends the connection, and gives back the memory of what waits.
func (s *session) cutOff(err error) {
	if s.cut.CompareAndSwap(nil, &err) {
		s.c.cut.Add(1)
		s.queue.Close()
		go s.nc.Close() // TLS may want to say goodbye first
	}
}
