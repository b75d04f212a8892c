package broccoli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
)

// Conn is a connection to a peer, or with Config.Reconnect one after another. Its methods
// may be called from any number of goroutines.
type Conn struct {
	cfg     Config
	target  target
	began   time.Time
	out     outbox
	journal *delivery.Journal // nil without Confirm
	in      inbox
	owed    chan func() error // receipts
	asked   chan struct{}     // has a value when events have been asked for since
	// closing is closed by Close, finished when that has waited long enough.
	closing, finished chan struct{}
	closeOnce         sync.Once
	closeErr          error
	done              chan struct{} // closed when nothing comes any more, because of err
	err               error
	cancel            context.CancelFunc // of attempts to connect
	stats             struct {
		sent, received, unwanted, unasked, refused, reconnects atomic.Uint64
	}

	mu     sync.Mutex
	names  []string        // of the events asked for
	has    map[string]bool // the same
	told   int             // how many of them this peer was asked for
	link   link
	stream net.Conn
}

// Stats is what a Conn has done so far.
type Stats struct {
	// Sent are events that were written, Received those that Receive has returned.
	Sent, Received uint64
	// Unwanted are events that were not sent since the peer has not asked for them,
	// Unasked those that have come and nobody has asked for.
	Unwanted, Unasked uint64
	// Refused are events that the peer did not take.
	Refused uint64
	// Reconnects is how often a lost connection was made anew.
	Reconnects uint64
}

// Dial connects to a peer: host:port, or ws://host:port and wss://host:port for a Zeek.
// The context is that of the attempt alone, which includes the handshake.
func Dial(ctx context.Context, address string, cfg Config) (*Conn, error) {
	cfg = cfg.withDefaults()
	t, err := parseTarget(address, &cfg)
	if err != nil {
		return nil, fmt.Errorf("broccoli: %w", err)
	}
	c := newConn(cfg, t)
	s, err := c.connect(ctx)
	if err != nil {
		return nil, known(fmt.Errorf("connecting to %s: %w", address, err))
	}
	c.start(s)
	return c, nil
}

func newConn(cfg Config, t target) *Conn {
	c := &Conn{
		cfg: cfg, target: t, began: time.Now(), owed: make(chan func() error, maxReceipts), asked: make(chan struct{}, 1), has: map[string]bool{},
		closing: make(chan struct{}), finished: make(chan struct{}), done: make(chan struct{}),
	}
	c.out.max, c.in.max = cfg.Pending, cfg.Pending
	if cfg.Confirm {
		c.journal = delivery.NewJournal(cfg.Pending)
	}
	c.add(cfg.Events)
	return c
}

// connect makes a link.
func (c *Conn) connect(ctx context.Context) (*session, error) {
	nc, err := c.target.stream(ctx, &c.cfg)
	if err != nil {
		return nil, err
	}
	return c.shakeHands(ctx, nc)
}

// shakeHands makes a link of a stream, which it closes if it cannot.
func (c *Conn) shakeHands(ctx context.Context, nc net.Conn) (*session, error) {
	c.mu.Lock()
	names := slices.Clone(c.names)
	c.mu.Unlock()
	l, err := c.open(ctx, nc, names)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told, c.link, c.stream = len(names), l, nc
	return &session{conn: c, link: l, nc: nc, over: make(chan struct{})}, nil
}

// start has all go on by itself.
func (c *Conn) start(s *session) {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go c.giveReceipts()
	go c.run(ctx, s)
}

// run goes on with one link after another, until the last one.
func (c *Conn) run(ctx context.Context, s *session) {
	defer c.cancel()
	for {
		err := s.run()
		c.settleConfirmed()
		if ctx.Err() != nil || c.isFinished() {
			err = ErrClosed
		}
		if errors.Is(err, ErrClosed) || !c.cfg.Reconnect {
			c.fail(err)
			return
		}
		c.cfg.Logger.Warn("connection lost", "peer", c.RemoteAddr(), "error", err)
		if s = c.again(ctx); s == nil {
			c.fail(ErrClosed)
			return
		}
		c.stats.reconnects.Add(1)
		c.cfg.Logger.Info("connected again", "peer", c.RemoteAddr())
	}
}

// The pauses between two attempts.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 10 * time.Second
)

// again connects, as often as it takes; nil after Close.
func (c *Conn) again(ctx context.Context) *session {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause)):
		}
		attempt, cancel := context.WithTimeout(ctx, handshakeTime)
		s, err := c.connect(attempt)
		cancel()
		if err == nil {
			return s
		}
		c.cfg.Logger.Info("cannot connect", "address", c.target.addr, "error", err)
	}
}

// fail ends it all, for a reason that Send and Receive return from then on.
func (c *Conn) fail(err error) {
	if !ended(err) && !errors.Is(err, ErrClosed) {
		err = known(err)
	}
	c.err = err
	if ended(err) {
		err = fmt.Errorf("broccoli: the peer has closed the connection: %w", io.EOF)
	}
	c.out.fail(err)
	close(c.done)
}

// Send has an event be sent, and waits while too much waits already. It keeps nothing of
// the arguments. An event that the peer has not asked for is not sent; see Wants.
func (c *Conn) Send(ctx context.Context, name string, args ...any) error {
	return c.SendEvent(ctx, &Event{Name: name, Args: args})
}

// SendEvent is Send, of an event that has come, for instance, or with a time of its own.
func (c *Conn) SendEvent(ctx context.Context, ev *Event) error {
	it, err := c.pack(ev)
	if err != nil {
		return err
	}
	return c.out.put(ctx, it)
}

// Flush waits until all that was accepted before is written or, with Config.Confirm,
// confirmed.
func (c *Conn) Flush(ctx context.Context) error { return c.out.flush(ctx) }

// Events returns what comes, for a range statement, until ctx or the connection ends. The
// last pair has the error, unless that is io.EOF.
func (c *Conn) Events(ctx context.Context) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		for {
			ev, err := c.Receive(ctx)
			if err == io.EOF || !yield(ev, err) || err != nil {
				return
			}
		}
	}
}

// Request asks the peer for further events.
func (c *Conn) Request(names ...string) {
	c.mu.Lock()
	c.add(names)
	c.mu.Unlock()
	select {
	case c.asked <- struct{}{}:
	default:
	}
}

// add takes note of names. The lock is held, or nobody else has c.
func (c *Conn) add(names []string) {
	for _, name := range names {
		if !c.has[name] {
			c.has[name] = true
			c.names = append(c.names, name)
		}
	}
}

// unasked returns the names that the peer is to be asked for now.
func (c *Conn) unasked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := c.names[c.told:]
	c.told = len(c.names)
	return names
}

func (c *Conn) wants(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.has[name]
}

// Wants reports whether the peer has asked for events of that name: others are not sent.
// Of a Zeek that is not known, and true.
func (c *Conn) Wants(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link.Wants(name)
}

// PeerClass returns the class that the peer has announced, which may be empty.
func (c *Conn) PeerClass() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link.PeerClass()
}

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stream.RemoteAddr()
}

// Done is closed when nothing can be sent or received any more.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Stats returns what has been done so far.
func (c *Conn) Stats() Stats {
	return Stats{
		Sent: c.stats.sent.Load(), Received: c.stats.received.Load(), Unwanted: c.stats.unwanted.Load(),
		Unasked: c.stats.unasked.Load(), Refused: c.stats.refused.Load(), Reconnects: c.stats.reconnects.Load(),
	}
}

// closeTime is how long Close waits for what was accepted.
const closeTime = 5 * time.Second

// Close ends the connection. What was accepted is sent before, as Flush does it, if that
// takes no longer than 5 seconds. An error says how much may not have arrived. Receive
// returns at once, and what comes is dropped without a receipt.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() { c.closeErr = c.close() })
	return c.closeErr
}

func (c *Conn) close() error {
	close(c.closing)
	c.out.close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := c.out.flush(ctx)
	close(c.finished)
	c.cancel()
	select {
	case <-c.done:
	case <-time.After(2 * drainTime):
		c.mu.Lock()
		_ = c.stream.Close()
		c.mu.Unlock()
		<-c.done
	}
	if n := c.out.unsettled(); n > 0 {
		return fmt.Errorf("broccoli: %d events may not have arrived: %w", n, err)
	}
	return nil
}

func (c *Conn) isFinished() bool { return isClosed(c.finished) }

func (c *Conn) isDone() bool { return isClosed(c.done) }

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// wrote says that all up to a number have been written.
func (c *Conn) wrote(number uint64) {
	if c.journal == nil {
		c.out.settle(number)
		return
	}
	c.journal.Mark(number)
	c.settleConfirmed()
}

// settleConfirmed tells those who wait how much is confirmed.
func (c *Conn) settleConfirmed() {
	if c.journal != nil {
		c.out.settle(c.journal.Marked())
	}
}

// setAside takes an event that the peer refuses again and again.
func (c *Conn) setAside(ev *event.Event, why error) error {
	c.stats.refused.Add(1)
	if c.cfg.Refused == nil {
		c.cfg.Logger.Error("an event ends each connection, and is given up", "event", ev.Name, "error", why)
		return nil
	}
	c.cfg.Refused(fromEvent(ev), why)
	return nil
}

func (c *Conn) debugf(format string, args ...any) {
	c.cfg.Logger.Debug(fmt.Sprintf(format, args...))
}
