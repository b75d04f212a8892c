package core

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

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

// errBackground is no failure: nobody has waited for the first attempt.
var errBackground = errors.New("connecting in the background")

// errAnew ends a session whose host connects anew.
var errAnew = errors.New("the host connects anew")

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
		put(c.link.s.Error[:], err.Error())
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
// sent again, and what waits goes on waiting. If there is a session it ends only where the
// host says so.
func (c *conn) again(s Settings) error {
	if !s.anew && c.link.is(stateUp) {
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
				c.drain(r)
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
