package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/queue"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

const (
	// maxForwarding is how many bytes of events may wait for Zeek, and how many
	// may be under way to it.
	maxForwarding = 16 << 20
	// flushTime is how long Run goes on at the end with what waits, while Zeek
	// confirms nothing of it, flushMax for how long altogether.
	flushTime = 3 * time.Second
	flushMax  = 30 * time.Second
)

// Forwarder sends events to a Zeek, over one connection after another: what one
// did not deliver, the next does.
type Forwarder struct {
	// Addr is the Zeek's host:port.
	Addr string
	// TLS, if set, returns how the next connection is secured.
	TLS func() *tls.Config
	// Application and Zone are those of websocket.Config.
	Application string
	Zone        *time.Location
	// Topic, ExactTime and Types are those of package zeek.
	Topic     string
	ExactTime bool
	Types     *zeek.Types
	// Confirm is what confirms events.
	Confirm websocket.Confirm
	// SetAside, if set, takes an event that Zeek refuses again and again, before it
	// is forgotten. With an error it is tried again.
	SetAside func(ev *event.Event, why error) error
	// Retry is the longest pause between two attempts, Silence after which time
	// Zeek counts as lost.
	Retry, Silence time.Duration
	Logf           func(format string, args ...any)

	queue   *queue.Queue[message] // events in the form of the wire
	journal *delivery.Journal

	zoned       string      // what was told last of times: Run alone has it
	scripted    atomic.Bool // a script of Zeek has confirmed on the last connection
	taken, lost atomic.Uint64
	handed      atomic.Uint64 // of those taken, how many have left the queue
	refused     atomic.Uint64 // before they were taken
	dropped     atomic.Uint64 // the same, afterwards
}

// Totals are how many events have gone which way.
type Totals struct {
	Forwarded   uint64 // Zeek has confirmed them
	Unconfirmed uint64 // they wait, or are under way
	Lost        uint64 // there was no room for them
	Refused     uint64 // Zeek has no counterpart of them, or did not want them
}

// NewForwarder returns a Forwarder to a Zeek; its fields may be set before the
// first use.
func NewForwarder(addr, topic string) *Forwarder {
	return &Forwarder{
		Addr: addr, Topic: topic, Retry: 10 * time.Second, Silence: time.Minute,
		Logf:  func(string, ...any) {},
		queue: queue.New[message](maxForwarding, nil, nil), journal: delivery.NewJournal(maxForwarding),
	}
}

// Totals returns what has become of the events. It is exact when Run has returned.
// An event that Zeek refuses and does not confirm, or refuses twice, makes Forwarded
// too small.
func (f *Forwarder) Totals() Totals {
	dropped, handed := f.dropped.Load(), f.handed.Load()
	pending := uint64(f.journal.Pending())
	t := Totals{Unconfirmed: f.taken.Load() - handed + pending, Lost: f.lost.Load(), Refused: f.refused.Load() + dropped}
	if handed > pending+dropped {
		t.Forwarded = handed - pending - dropped
	}
	return t
}

// Publish takes a copy of an event, and waits for nothing.
func (f *Forwarder) Publish(ev *event.Event) {
	b, err := (&wire.Encoder{Named: true}).AppendSerialEvent(nil, ev)
	switch {
	case err != nil:
		f.refused.Add(1)
	case f.take(b):
	case f.lost.Add(1) == 1:
		f.Logf("Zeek at %s does not take events as fast as they come: some are lost to it", f.Addr)
	}
}

// take queues an event; false: there is no room. It is counted first, so that no
// more are ever handed on than were taken.
func (f *Forwarder) take(b []byte) bool {
	f.taken.Add(1)
	if f.queue.Put(b) == nil {
		return true
	}
	f.taken.Add(^uint64(0))
	return false
}

// Run connects, and again when the connection is lost, until ctx ends; then it
// sends what waits, if that can be done soon.
func (f *Forwarder) Run(ctx context.Context) error {
	for failures := 0; ; failures++ {
		up, err := f.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		f.Logf("Zeek at %s: %v", f.Addr, err)
		if up {
			failures = 0
		}
		pause := min(500*time.Millisecond<<min(failures, 16), f.Retry)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause*3/4 + rand.N(pause/2+1)):
		}
	}
}

// session runs one connection to its end, and reports whether there was one.
func (f *Forwarder) session(ctx context.Context) (bool, error) {
	c, err := f.open(ctx)
	if err != nil {
		return false, err
	}
	f.Logf("forwarding to Zeek at %s", f.Addr)
	over := make(chan struct{})
	var wg sync.WaitGroup
	var sendErr error
	wg.Go(func() {
		sendErr = f.send(c, over)
		_ = c.Close()
	})
	stop := context.AfterFunc(ctx, func() {
		f.await(over)
		_ = c.Close()
	})
	defer stop()
	err = c.Next(&event.Event{}) // nothing is asked for: returns at the end
	close(over)
	_ = c.Close()
	wg.Wait()
	return true, errors.Join(sendErr, err)
}

func (f *Forwarder) open(ctx context.Context) (*websocket.Conn, error) {
	// At the end there is still something to be sent, and a little time for it.
	end := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handshakeTime)
	defer cancel()
	stop := context.AfterFunc(end, func() { time.AfterFunc(flushTime, cancel) })
	defer stop()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", f.Addr)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	if f.TLS != nil {
		nc = tls.Client(nc, f.TLS())
	}
	return websocket.Open(ctx, nc, websocket.Config{
		Host: f.Addr, Application: f.Application, Zone: f.Zone, Topic: f.Topic, ExactTime: f.ExactTime, Types: f.Types,
		Journal: f.journal, Silence: f.Silence,
		Confirm: f.confirm(), OnConfirm: f.tellConfirm, OnZone: f.tellZone, SetAside: f.setAside,
		OnFailure: func(why *zeek.Failure) {
			f.dropped.Add(1)
			f.Logf("Zeek at %s did not take an event: %.200q", f.Addr, why.Error())
		},
	})
}

// confirm is what confirms on the next connection.
func (f *Forwarder) confirm() websocket.Confirm {
	if f.Confirm == websocket.ByScriptIfAny && f.scripted.Load() {
		return websocket.ByScriptAgain
	}
	return f.Confirm
}

// tellConfirm tells what confirms the events.
func (f *Forwarder) tellConfirm(script bool, why string) {
	f.scripted.Store(script)
	if script {
		f.Logf("Zeek at %s: its script confirms what it has handled", f.Addr)
		return
	}
	f.Logf("Zeek at %s: its script does not confirm: %s; pongs do, which say that events are read, not that they are handled "+
		"(load confirm.zeek where they are handled, or give -zeek-confirm ping)", f.Addr, why)
}

// tellZone tells what becomes of times, once.
func (f *Forwarder) tellZone(why string) {
	if f.zoned != why {
		f.zoned = why
		f.Logf("Zeek at %s: %s", f.Addr, why)
	}
}

// setAside takes an event that Zeek refuses again and again.
func (f *Forwarder) setAside(ev *event.Event, why error) error {
	if f.SetAside != nil {
		if err := f.SetAside(ev, why); err != nil {
			f.Logf("Zeek at %s refuses event %s again and again (%v), and it is kept: %v", f.Addr, ev.Name, why, err)
			return err
		}
	}
	f.dropped.Add(1)
	f.Logf("Zeek at %s: event %s is set aside, since it is refused again and again: %v", f.Addr, ev.Name, why)
	return nil
}

// send sends what waits until the connection is over. What it has handed to the
// connection is in the journal.
func (f *Forwarder) send(c *websocket.Conn, over <-chan struct{}) error {
	if err := c.Flush(); err != nil { // what earlier connections have left
		return err
	}
	for f.queue.Wait(over) {
		list := f.queue.Take()
		rest, err := f.sendList(c, list, over)
		if err == nil {
			err = c.Flush()
			f.mark()
		}
		f.queue.Sent(list[:len(list)-len(rest)])
		f.queue.Return(rest)
		if err != nil {
			return err
		}
	}
	return nil
}

// sendList returns what was not sent.
func (f *Forwarder) sendList(c *websocket.Conn, list []message, over <-chan struct{}) ([]message, error) {
	for i, b := range list {
		if !f.room(over) {
			return list[i:], nil
		}
		f.mark()
		err := c.SendSerial(b)
		f.handed.Add(1)
		if errors.Is(err, event.ErrUnencodable) {
			if f.dropped.Add(1) == 1 {
				f.Logf("an event has no counterpart in Zeek: %v", err)
			}
		} else if err != nil {
			return list[i+1:], err
		}
	}
	return nil, nil
}

// room waits until the journal has room; it reports false when the connection is over.
func (f *Forwarder) room(over <-chan struct{}) bool {
	for f.journal.Full() {
		select {
		case <-over:
			return false
		case <-f.journal.Room():
		}
	}
	return true
}

// await waits until everything has arrived, as long as there is progress.
func (f *Forwarder) await(over <-chan struct{}) {
	last := time.NewTimer(flushMax)
	defer last.Stop()
	before, seen := f.progress(), time.Now()
	for f.queue.Pending() > 0 || f.journal.Pending() > 0 {
		select {
		case <-over:
			return
		case <-last.C:
			return
		case <-time.After(10 * time.Millisecond):
		}
		if now := f.progress(); now != before {
			before, seen = now, time.Now()
		}
		if time.Since(seen) > flushTime {
			return
		}
	}
}

// mark numbers what the journal has got, for progress.
func (f *Forwarder) mark() { f.journal.Mark(f.handed.Load()) }

// progress is what changes whenever Zeek confirms something: what is under way may
// be as much as before, since more has been sent.
func (f *Forwarder) progress() [2]uint64 {
	return [2]uint64{f.journal.Marked(), f.Totals().Unconfirmed}
}
