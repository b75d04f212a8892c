package collect

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/commlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/memory"
	"github.com/romanesco-broccoli/romanesco/internal/collector/queue"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/traffic"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// session is the connection of one peer.
type session struct {
	c       *Collector
	ctx     context.Context // that it is to end with
	nc      net.Conn
	from    string
	name    string // that the peer's certificate has, if there is one
	secured bool
	note    *commlog.Peer
	count   *traffic.Counters
	link    *link // that has connected, nil if the peer has
	class   string
	// role is what the peer is to us, from when we have met.
	role  atomic.Pointer[role]
	batch eventlog.Batch
	// extra is what this one is asked for beyond its audience; told are the names of the
	// audiences that it has been asked for, up whether it can be asked for more and asking
	// whether somebody does. The lock of the relay guards all of them.
	extra   map[string]bool
	told    []map[string]bool
	up      bool
	asking  bool
	ignored map[string]bool    // names that were not asked for and that a line is about
	queue   *queue.Queue[item] // of what goes to the peer, nil if nothing is forwarded
	to      []*session         // whom the event at hand goes to
	conn    *peer.Conn
	pings   atomic.Bool           // it asks whether we live
	saying  atomic.Bool           // it is being told that
	cut     atomic.Pointer[error] // why we have ended it
}

// host returns the address of the peer, or none if it has none.
func (s *session) host() netip.Addr {
	ap, _ := netip.ParseAddrPort(s.from)
	return ap.Addr().Unmap()
}

// handle speaks with one peer, which we have connected to if there is a link, until
// it or ctx ends.
func (c *Collector) handle(ctx context.Context, nc net.Conn, l *link) (err error) {
	s := &session{c: c, ctx: ctx, nc: nc, from: nc.RemoteAddr().String(), link: l, extra: map[string]bool{}}
	_, s.secured = nc.(*tls.Conn)
	if l != nil {
		s.note = c.cfg.Comm.Connected(nc.RemoteAddr())
	} else {
		s.note = c.cfg.Comm.Accepted(nc.RemoteAddr(), s.secured)
	}
	defer func() { s.note.Closed(err) }()
	defer func() { // one peer's fault is not to be that of all
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v", r)
			c.cfg.Messages.Error(fmt.Sprintf("%s: %v\n%s", s.from, err, debug.Stack()), s.attrs("error", err)...)
			_ = nc.Close()
		}
	}()
	s.count = c.Traffic.Open()
	defer c.Traffic.Close(s.count)
	if c.cfg.Forward {
		s.queue = newQueue(c.cfg.Limits.Queue, c.pool.Outgoing, s.count)
		defer c.sends(s)()
	}
	defer c.relay.leave(s)
	if err := aside(func() error { return s.shakeHands(ctx) }); err != nil {
		if ctx.Err() != nil {
			return c.Failure()
		}
		c.refused.Add(1)
		return err
	}
	s.batch = c.cfg.Log.Batch(ctx, eventlog.Peer{Addr: s.from, Host: s.name}, s.alive)
	defer s.end()
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	c.peers.Add(1)
	if s.queue != nil {
		go s.send()
	}
	c.relay.opened(s)
	err = s.receive()
	switch cut := s.cut.Load(); {
	case cut != nil:
		return *cut
	case errors.Is(err, wire.ErrLimit), errors.Is(err, delivery.ErrSilent):
		c.cut.Add(1)
	case errors.Is(err, io.EOF), ctx.Err() != nil:
		return c.Failure()
	}
	return err
}

// end lets go of what a connection that was up has.
func (s *session) end() {
	_ = s.conn.Close()
	s.conn.Release()
	s.batch.Close()
}

// aside runs f elsewhere and waits for it: a peer that is idle is not to keep the stack
// that its handshake has needed.
func aside(f func() error) (err error) {
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if panicked = recover(); panicked != nil {
				panicked = fmt.Sprintf("%v\n%s", panicked, debug.Stack())
			}
		}()
		err = f()
	}()
	if <-done; panicked != nil {
		panic(panicked)
	}
	return err
}

// maxFromCache is how much an event may take from what the peer has sent before: a
// Bro's connection with all that is in it is less than a quarter of that.
const maxFromCache = 32 << 10

// shakeHands opens the connection.
func (s *session) shakeHands(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.handshake)
	defer cancel()
	if secured, ok := s.nc.(*tls.Conn); ok {
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = s.nc.Close()
			return fmt.Errorf("TLS: %w", err)
		}
		if err := s.identify(secured.ConnectionState().PeerCertificates); err != nil {
			_ = s.nc.Close()
			return fmt.Errorf("TLS: %w", err)
		}
	}
	cfg := peer.Config{
		Originator: s.link != nil, Runtime: uint32(time.Since(s.c.started).Seconds()),
		Meet: s.meet, Decompress: true, Whole: s.secured, Sparing: true,
		Limits:      wire.Limits{Budget: s.c.pool.Incoming, MaxFromCache: maxFromCache},
		MessageTime: s.c.message,
		Requested:   s.requested, Counters: s.count, Logf: s.note.Logf,
	}
	if s.link != nil {
		cfg.Class = s.link.dest.Load().Class
	}
	s.conn, err = peer.Open(ctx, s.nc, cfg)
	return err
}

// identify takes note of who the peer is by its certificate: the configuration of
// TLS has verified that. A destination that we have connected to has to be the one
// that we want.
func (s *session) identify(shown []*x509.Certificate) error {
	if len(shown) > 0 {
		s.name = secure.Identity(shown[0])
		s.note.Identified(s.name)
	}
	if s.link == nil {
		return nil
	}
	if d := s.link.dest.Load(); !d.allows(s.name) {
		return fmt.Errorf("the peer's certificate is of \"%s\", which is not one of $tls_names=%v", s.name, d.TLSNames)
	}
	return nil
}

// certificate returns what messages say of the peer's certificate, if there is one.
func (s *session) certificate() string {
	if s.name == "" {
		return ""
	}
	return fmt.Sprintf(", certificate of \"%s\"", s.name)
}

// attrs returns what a message about the peer is about, and more.
func (s *session) attrs(more ...any) []any {
	about := []any{"peer", s.from, "class", s.class}
	if s.name != "" {
		about = append(about, "host", s.name)
	}
	return append(about, more...)
}

// meet decides what the peer is to us, and what to ask of it.
func (s *session) meet(class string, cfg *peer.Config) {
	s.note.Established()
	s.class = class
	names, why := s.c.relay.join(s)
	d := s.role.Load().dest
	if d == nil {
		s.strange(why)
		return
	}
	s.c.cfg.Messages.Info(fmt.Sprintf("%s: connected as %s, class %.200q, asked for %d events%s", s.from, d, class, len(names), s.certificate()),
		s.attrs("destination", d.String(), "events", len(names))...)
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

const noDestination = "there is no destination of its address"

// strange says why a peer is no destination.
func (s *session) strange(why string) {
	why = cmp.Or(why, noDestination)
	s.c.cfg.Messages.Info(fmt.Sprintf("%s: connected, class %.200q, asked for nothing: %s%s", s.from, s.class, why, s.certificate()),
		s.attrs("reason", why)...)
	s.note.Logf("asked for nothing: %s", why)
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
		kind, err := s.conn.Step(&ev)
		if err != nil {
			return errors.Join(err, s.flush())
		}
		switch kind {
		case arrival.Event:
			err = s.take(&ev)
		case arrival.Drained:
			err = s.flush()
		case arrival.Ping:
			s.pings.Store(true)
			if err = s.settle(); err == nil {
				err = s.conn.Pong() // the sensor's receipt
			}
		}
		if err != nil {
			return err
		}
	}
}

// take takes an event over, if the peer was asked for it.
func (s *session) take(ev *event.Event) error {
	if !s.accepts(ev.Name) {
		return nil
	}
	if err := s.add(ev); err != nil || s.batch.Len() < batchSize {
		return err
	}
	return s.flush()
}

// add writes an event, or has it wait to be written, and sends it on.
func (s *session) add(ev *event.Event) error {
	add := func() {
		s.batch.Add(ev, s.c.relay.now.Load().catalog[ev.Name])
		if s.queue != nil {
			s.c.relay.publish(s, ev)
		}
	}
	if s.conn.EventSize() >= memory.LargeEvent {
		return s.addLarge(ev, add)
	}
	add()
	return nil
}

// maxIgnored is how many names have a line that says that they are ignored.
const maxIgnored = 50

// accepts reports whether the peer has been asked for events of that name, or they are
// taken unasked. Who sends others is out of date, or means no good.
func (s *session) accepts(name string) bool {
	ro := s.role.Load() // once: a reload may make it no destination in between
	if ro.audience != nil && ro.dest.AcceptInput && (s.c.relay.requested(s, ro.audience, name) || ro.dest.takes(name)) {
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

// alive tells a peer that would ask, and is held back, that we live. It does not wait for
// that: a peer that reads nothing is not to hold up all who wait.
func (s *session) alive() {
	if !s.pings.Load() || !s.saying.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer s.saying.Store(false)
		_ = s.conn.Alive() // who reads will find what is wrong
	}()
}

func (s *session) flush() error { return s.failed(s.batch.Flush()) }

func (s *session) settle() error { return s.failed(s.batch.Settle()) }

// failed takes note of an error of the log. For a destination that is gone the log has
// only stopped waiting; if it has failed, others will find that.
func (s *session) failed(err error) error {
	if errors.Is(context.Cause(s.ctx), errGone) {
		return err
	}
	return s.c.fail(err)
}

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
