package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"romanesco/internal/collector/refused"
	"romanesco/internal/protocol/delivery"
	"romanesco/internal/protocol/peer"
)

// conn is a connection of the host's: one session with the peer after another
// where it is to reconnect, one session otherwise. It lives as long as the host's
// handle: each connect of the host's begins another run, and what the last one has
// left in the journal comes first.
type conn struct {
	scripted atomic.Bool // a script of a Zeek has confirmed on the last connection
	link     *link
	set      settings
	toCore   *bell // read here: the host has produced, or made room
	toHost   *bell // written here
	sock     atomic.Pointer[socket]
	foreign  atomic.Bool // these are not ours any more

	ending chan struct{} // closed when the host wants to end
	ended  sync.Once
	late   chan struct{} // closed when it has waited long enough for that
	run    *run
	wrote  atomic.Bool // all that was accepted has been written

	current    atomic.Pointer[session]
	publishing sync.Mutex        // of what waits in a session: there is one as long as it is held
	journal    *delivery.Journal // nil without confirmed delivery
	spool      *spooler          // nil without a spool
	refused    *refused.File     // nil: there is none
	inbound    *inbound          // nil where the peer waits for the host
	stats      stats
	out        messages

	// Of a begin, and of the supervise that it starts: whether the host knows why
	// the connection is not up; the failure of an attempt that was told last, and when.
	explained bool
	told      string
	toldAt    time.Time
	lostAt    time.Time // when a loss was told last

	mu       sync.Mutex
	requests []string // events that the host has asked for so far
	asked    int      // how many of these the connection was opened with
}

// run is what goes on from one connect of the host's to the next.
type run struct {
	halt     chan struct{} // closed when the host connects anew
	done     chan struct{} // closed when there will be no session any more
	watching sync.WaitGroup
}

func newRun() *run { return &run{halt: make(chan struct{}), done: make(chan struct{})} }

// wait waits until nothing of it runs any more.
func (r *run) wait() {
	<-r.done
	r.watching.Wait()
}

func (r *run) halted() bool {
	select {
	case <-r.halt:
		return true
	default:
		return false
	}
}

// journalMax is how many bytes may be under way without being confirmed.
const journalMax = 8 << 20

// errBackground is no failure: nobody has waited for the first attempt.
var errBackground = errors.New("connecting in the background")

var errLate = errors.New("not everything was written in time")

// errAnew ends a session whose host connects anew.
var errAnew = errors.New("the host connects anew")

// open makes a connection, and connects. With an error there may be one all the
// same, which goes on trying.
func open(l *link, s settings) (*conn, error) { return openWith(l, s, nil) }

// openWith does so for one that has a journal already.
func openWith(l *link, s settings, j *delivery.Journal) (*conn, error) {
	c := &conn{
		link: l, set: s, requests: names(s.requests), run: newRun(),
		ending: make(chan struct{}), late: make(chan struct{}),
	}
	if c.journal = j; j == nil && (s.confirm || s.spool.folder != "") {
		c.journal = delivery.NewJournal(journalMax)
	}
	if s.zeek != nil {
		c.inbound = newInbound(s.zeek.inbound)
	}
	if err := c.prepare(); err != nil {
		l.refuse(err)
		c.out.close()
		return nil, err
	}
	err := c.begin()
	if err != nil && !s.reconnect {
		c.closeSpool()
		c.closeFiles()
		c.out.close()
		return nil, err
	}
	c.startSpool()
	c.startStats()
	return c, err
}

// prepare opens what a connection has of its own.
func (c *conn) prepare() (err error) {
	if c.toCore, err = newBell(c.set.toCore, "to core"); err != nil {
		return err
	}
	if c.toHost, err = newBell(c.set.toHost, "to host"); err != nil {
		_ = c.toCore.Close()
		return err
	}
	if err = c.openRefused(); err == nil && c.set.spool.folder != "" {
		c.spool, err = openSpool(c)
	}
	if err != nil {
		c.closeFiles()
	}
	return err
}

// begin makes the first attempt of a run, and starts what runs in the background.
func (c *conn) begin() error {
	if c.set.background {
		c.link.down(true)
		go c.supervise(nil)
		return errBackground
	}
	p, err := c.connect()
	if err != nil {
		c.explained = true
		put(c.link.c.error[:], err.Error())
		c.link.down(c.set.reconnect) // before anything else can change the state
	}
	if err != nil && !c.set.reconnect {
		close(c.run.done)
		return err
	}
	go c.supervise(p)
	return err
}

// again begins another run, and makes an attempt at once: what is not confirmed is
// sent again, and what waits goes on waiting. anew: also if there is a session.
func (c *conn) again(s settings, anew bool) error {
	if !anew && c.link.is(stateUp) {
		return nil
	}
	toHost, err := newBell(s.toHost, "to host") // the host closes its own after a loss
	if err != nil {
		c.link.refuse(err)
		return err
	}
	c.halt()
	_ = c.toHost.Close()
	c.toHost, c.run = toHost, newRun()
	c.set.class = s.class // nothing else can have changed since
	c.ask(names(s.requests))
	c.link.open()
	return c.begin()
}

// departMax is how long a session may take to write what it has taken off the ring,
// when the host connects anew.
const departMax = 5 * time.Second

// halt ends a run.
func (c *conn) halt() {
	close(c.run.halt)
	if s := c.current.Load(); s != nil {
		s.leave()
		select {
		case <-c.run.done:
		case <-time.After(departMax):
			s.end(errAnew)
		}
	}
	c.run.wait()
}

func (c *conn) closeFiles() {
	_ = c.toCore.Close()
	_ = c.toHost.Close()
	c.refused.Close()
}

// connect makes one attempt, and publishes its success.
func (c *conn) connect() (connection, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.set.timeout)
	var hurrying sync.WaitGroup
	defer hurrying.Wait() // it looks at the link, which may be gone later
	defer cancel()
	r := c.run
	hurrying.Go(func() { c.hurry(ctx, r, cancel) })
	nc, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	requests := c.requests
	c.asked = len(requests)
	c.mu.Unlock()
	p, err := c.speak(ctx, nc, requests)
	if err != nil {
		return nil, fmt.Errorf("peer %s: %w", nc.RemoteAddr(), err)
	}
	c.stats.connects.Add(1)
	c.explained, c.told = false, ""
	c.infof("connected")
	c.link.up(p.PeerClass())
	return p, nil
}

// speak does the handshake of whichever protocol is set.
func (c *conn) speak(ctx context.Context, nc net.Conn, requests []string) (connection, error) {
	if c.set.zeek != nil {
		return c.speakZeek(ctx, nc, requests)
	}
	p, err := peer.Open(ctx, nc, peer.Config{
		Class: c.set.class, Requests: requests, Cache: c.set.cache,
		Whole: c.set.secure != nil, Journal: c.journal, SetAside: c.setAside, Logf: c.logger(),
		Silence:   c.set.silence,
		Unwritten: c.unwritten,
	})
	if err != nil {
		return nil, err // no typed nil
	}
	return p, nil
}

// hurry cancels an attempt when the host connects anew, or ends: then at once if
// nothing is left over.
func (c *conn) hurry(ctx context.Context, r *run, cancel func()) {
	select {
	case <-c.ending:
		if c.leftOver() {
			select {
			case <-c.late:
			case <-ctx.Done():
				return
			}
		}
	case <-r.halt:
	case <-ctx.Done():
		return
	}
	cancel()
}

// leftOver reports whether something waits that the peer should have.
func (c *conn) leftOver() bool {
	if c.spool != nil {
		return false // it is safe where it is
	}
	return !c.link.out.Empty() || c.journal != nil && c.journal.Pending() > 0
}

// patience is how many sessions in a row may come to nothing before that counts
// as failures to connect do: a peer that takes each connection and ends it is
// not to keep us busy.
const patience = 10

// supervise runs sessions until the host ends or connects anew, or until the first
// is lost where it is not to reconnect. p is nil when the first attempt failed.
func (c *conn) supervise(p connection) {
	r := c.run
	defer close(r.done)
	toCore, toHost := c.toCore, c.toHost
	r.watching.Go(func() { c.watch(r, toCore, toHost) })
	if c.inbound != nil {
		r.watching.Go(func() { c.feed(r) })
	}
	for failures, fruitless := 0, 0; ; failures++ {
		if p != nil {
			began, received := time.Now(), c.stats.received.Load()
			err := c.session(r, p)
			if err == nil || r.halted() {
				return // the host has ended it
			}
			fruitless++
			if c.useful(time.Since(began), c.stats.received.Load()-received) {
				fruitless = 0
			}
			failures = max(fruitless-patience, 0)
			c.explain(err)
			c.tellLoss(err, fruitless > 1)
			if !c.set.reconnect {
				c.settle(r)
			}
			c.link.down(c.set.reconnect)
			c.signal() // who waits is to see the loss
		}
		if c.foreign.Load() {
			return
		}
		last := p == nil && failures > 0 && c.isEnding() // what is left over was worth one attempt
		if !c.set.reconnect || last || !c.pause(r, failures) {
			return
		}
		if err := guard("connecting again", func() (err error) { p, err = c.connect(); return err }); err != nil {
			if r.halted() {
				return // which is why it failed
			}
			p = nil
			c.explain(err)
			c.tellFailure(err)
		}
	}
}

// useful tells whether a session was of use, that has lasted for so long and
// had so many events from the peer.
func (c *conn) useful(lasted time.Duration, received uint64) bool {
	return lasted >= firstPause || received > 0 || c.journal != nil && c.journal.Advanced()
}

const firstPause = 500 * time.Millisecond

// backoff is how long to wait after that many failures: not at all at first,
// then twice as long each time, up to most, and up to a quarter less, so that a
// thousand sensors do not come at once.
func backoff(failures int, most time.Duration) time.Duration {
	if failures == 0 {
		return 0
	}
	d := min(firstPause<<min(failures-1, 16), most)
	return d - rand.N(d/4+1)
}

// pause waits before the next attempt. It reports false when the host ends; but
// what is left over is worth one more attempt.
func (c *conn) pause(r *run, failures int) bool {
	ending, enough := c.ending, time.After(backoff(failures, c.set.retry))
	if c.isEnding() {
		if !c.leftOver() {
			return false
		}
		ending = nil
	}
	select {
	case <-ending:
		return c.leftOver()
	case <-c.late:
		return false
	case <-r.halt:
		return false
	case <-enough:
		return !c.isLate() && !r.halted()
	}
}

// session runs one session to its end: nil when the host has ended it.
func (c *conn) session(r *run, p connection) error {
	s := &session{
		conn: c, peer: p,
		room: make(chan struct{}, 1), left: make(chan struct{}), over: make(chan struct{}),
	}
	if c.spool == nil {
		_ = c.toCore.SetReadDeadline(time.Time{})
	}
	if c.inbound != nil {
		s.room = c.inbound.room
	}
	c.current.Store(s)
	defer func() {
		c.publishing.Lock()
		c.current.Store(nil)
		c.publishing.Unlock()
	}()
	defer c.publishLoss()
	switch { // close() and halt() have looked for a session before there was this one
	case c.isLate():
		_ = p.Close()
		return errLate // and nothing is taken off the ring
	case r.halted():
		_ = p.Close()
		return errAnew
	}
	return s.run()
}

// unasked returns the events that the host has asked for while the connection was
// being made.
func (c *conn) unasked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[c.asked:]
}

// publishLoss tells the host what waits when there is no connection: what
// nobody has confirmed.
func (c *conn) publishLoss() {
	atomic.StoreUint32(c.link.received(), 0)
	if c.inbound != nil {
		c.inbound.buffered.Store(0)
		c.publishReceived()
	}
	unsent := 0
	if c.journal != nil {
		unsent = c.journal.Bytes()
	}
	c.publishUnsent(unsent)
}

// publishUnsent tells the host what waits to be sent in the core.
func (c *conn) publishUnsent(bytes int) { atomic.StoreUint32(c.link.unsent(), uint32(bytes)) }

// unwritten passes on what waits to be written in a session. The bytes of a
// handshake are nothing that the host has sent. A PING that waits for a peer may
// outlast its session, and the link.
func (c *conn) unwritten(bytes int) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	if c.current.Load() != nil {
		c.publishUnsent(bytes)
	}
}

// guard makes a panic the end of a connection, not of the host.
func guard(what string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: internal error: %v", what, r)
		}
	}()
	if err = f(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// hasteTime is how long before the end of the time for it all that is left is given
// to the kernel, even to a peer that reads it slowly: what the kernel has may
// arrive, what the core has will not.
const hasteTime = 1500 * time.Millisecond

// close flushes, for at most timeout, and ends. It reports whether everything
// that was accepted has been written.
func (c *conn) close(timeout time.Duration) bool {
	c.end()
	hasten := time.AfterFunc(timeout-hasteTime, func() {
		if s := c.current.Load(); s != nil {
			s.hasten()
		}
	})
	defer hasten.Stop()
	select {
	case <-c.run.done:
	case <-time.After(timeout):
		close(c.late)
		if sock := c.sock.Load(); sock != nil {
			sock.late.Store(true)
		}
		if s := c.current.Load(); s != nil {
			s.end(errLate)
		}
		<-c.run.done
	}
	c.run.wait()
	c.stopStats()
	c.closeSpool()
	c.closeFiles()
	c.out.close()
	return c.wrote.Load() || c.spool == nil && !c.leftOver()
}

func (c *conn) end() {
	c.ended.Do(func() { close(c.ending) })
	c.wake()
}

// wake makes the sender look around.
func (c *conn) wake() { _ = c.toCore.SetReadDeadline(time.Unix(1, 0)) }

// isEnding reports whether the host has ended it.
func (c *conn) isEnding() bool {
	select {
	case <-c.ending:
		return true
	default:
		return false
	}
}

func (c *conn) isLate() bool {
	select {
	case <-c.late:
		return true
	default:
		return false
	}
}

// signal makes the host's descriptor readable, if it is not.
func (c *conn) signal() {
	if atomic.LoadUint32(c.link.signaled()) == 0 && atomic.SwapUint32(c.link.signaled(), 1) == 0 {
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = c.toHost.Write(one[:])
	}
}

// ask remembers names that the host has asked for, for later sessions.
func (c *conn) ask(more []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[string]bool, len(c.requests))
	for _, name := range c.requests {
		known[name] = true
	}
	for _, name := range more {
		if !known[name] {
			known[name] = true
			c.requests = append(c.requests, name)
		}
	}
}

func names(b []byte) []string {
	var list []string
	for name := range bytes.SplitSeq(b, []byte{0}) {
		if len(name) > 0 {
			list = append(list, string(name))
		}
	}
	return list
}
