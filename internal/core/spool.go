package main

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"romanesco/internal/event"
	"romanesco/internal/flat"
	"romanesco/internal/peer"
	"romanesco/internal/ring"
	"romanesco/internal/spool"
	"romanesco/internal/wire"
)

type spoolSettings struct {
	folder string // "": no spool
	max    int64
	sync   time.Duration
}

// batchSize is from how many bytes on a batch is written: what little may be
// under way at first is one.
const batchSize = 16 << 10

// spooler takes events off the ring and puts them into the log, whether there
// is a connection or not; sessions take them from there. What orphans have
// left goes first.
type spooler struct {
	conn *conn
	own  *spool.Log

	changed chan struct{}     // something was put into the log, or the ring is empty
	room    chan struct{}     // something was confirmed
	direct  chan *spool.Batch // for a session, when the log cannot be written
	stop    chan struct{}     // closed at the end
	running sync.WaitGroup
	failing bool // of the goroutine that runs

	// Touched by one session at a time, and after the last of them.
	orphan  *spool.Orphan
	looked  bool // for orphans, since the connection came up
	marks   uint64
	pending []delivery

	mu      sync.Mutex
	adopted uint64 // batches
	lost    uint64 // of orphans
}

// delivery is a batch that the peer has not confirmed.
type delivery struct {
	mark  uint64 // in the journal
	log   *spool.Log
	index uint64
}

func openSpool(c *conn) (*spooler, error) {
	if c.set.zeek != nil {
		return nil, errors.New("spool_dir keeps events in the form of Bro's protocol, and a Zeek takes none of these: use confirm")
	}
	own, err := spool.Open(c.set.spool.folder, c.link.spoolHeader(), spool.Options{
		Max: c.set.spool.max, Sync: c.set.spool.sync, Logf: c.logf,
	})
	if err != nil {
		return nil, err
	}
	p := &spooler{
		conn: c, own: own,
		changed: make(chan struct{}, 1), room: make(chan struct{}, 1), direct: make(chan *spool.Batch),
		stop: make(chan struct{}),
	}
	p.publish()
	return p, nil
}

// closeSpool ends the spooler once the ring is empty or cannot be emptied.
func (c *conn) closeSpool() {
	p := c.spool
	if p == nil {
		return
	}
	close(p.stop)
	c.wake()
	p.running.Wait()
	p.confirmed()
	p.leaveOrphan()
	if err := p.own.Close(); err != nil {
		c.logf("%v", err)
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (p *spooler) stopping() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// run empties the ring until the end.
func (p *spooler) run() {
	err := guard("spooling", p.empty)
	if err == nil {
		return
	}
	p.conn.logf("%v", err)
	if s := p.conn.current.Load(); s != nil {
		s.end(err)
	}
}

func (p *spooler) empty() error {
	c := p.conn
	var t translator
	for {
		stopping := p.stopping() // before the look at the ring
		some, err := p.batch(&t)
		if err != nil {
			return err
		}
		signal(p.changed)
		if some {
			continue
		}
		if stopping {
			return nil
		}
		// Before the look whether to sleep, so that whoever wakes us later does.
		_ = c.toCore.SetReadDeadline(time.Time{})
		c.sleep(p.stopping)
		if s := c.current.Load(); s != nil {
			s.awake()
		}
		if c.isEnding() && !p.stopping() && c.link.out.Empty() {
			<-p.stop
		}
	}
}

// batch moves one batch from the ring to the log, and reports whether there
// was anything to move.
func (p *spooler) batch(t *translator) (bool, error) {
	c := p.conn
	start, head := c.link.out.Tail(), c.link.out.Head()
	pos, err := t.take(c.link.out, start, head)
	if err != nil {
		return false, err
	}
	if pos == start {
		return false, nil
	}
	if t.batch.Size() > 0 && !p.store(&t.batch) {
		return false, nil
	}
	c.link.out.Release(pos)
	p.publish()
	atomic.AddUint64(c.link.refused(), t.unencodable)
	atomic.AddUint64(c.link.done(), t.events)
	c.request(t.requests)
	return true, nil
}

// store puts a batch into the log. When that cannot be written it offers the
// batch to a session as it is, and tries again. It reports false at the end.
func (p *spooler) store(b *spool.Batch) bool {
	var whole *spool.Batch // a copy, since this one is used again
	for {
		err := p.own.Append(b)
		p.tell(err)
		if err == nil {
			return true
		}
		var direct chan *spool.Batch
		if !errors.Is(err, spool.ErrFull) { // then there will be room, and the events are to be safe
			if direct = p.direct; whole == nil {
				whole = b.Clone()
			}
		}
		select {
		case direct <- whole:
			return true
		case <-p.room:
		case <-time.After(time.Second):
		case <-p.stop:
			return false
		}
	}
}

// publish tells the host how much waits in the log.
func (p *spooler) publish() {
	atomic.StoreUint32(p.conn.link.spooled(), uint32(min(p.own.Unread(), math.MaxUint32)))
}

// tell says that the log cannot be written, and that it can again.
func (p *spooler) tell(err error) {
	if p.failing == (err != nil) {
		return
	}
	if p.failing = err != nil; p.failing {
		p.conn.logf("%v; what is accepted is not safe from the end of the process any more", err)
	} else {
		p.conn.logf("spool %s: can be written again", p.conn.set.spool.folder)
	}
}

// request asks for events that the host has come to want.
func (c *conn) request(names []string) {
	if len(names) == 0 {
		return
	}
	c.ask(names)
	if s := c.current.Load(); s != nil {
		if err := s.peer.Request(names); err != nil {
			s.end(fmt.Errorf("sending: %w", err))
		}
	}
}

// translator makes a batch of records.
type translator struct {
	dec   flat.Decoder
	ev    event.Event
	enc   wire.Encoder
	buf   []byte
	batch spool.Batch

	events, unencodable uint64
	requests            []string
}

// take makes a batch of the records from pos on, and returns the place behind
// the last one that is in it.
func (t *translator) take(r *ring.Ring, pos, head uint64) (uint64, error) {
	t.batch.Reset()
	t.events, t.unencodable, t.requests = 0, 0, nil
	for pos < head && t.batch.Size() < batchSize {
		rec, next, err := r.Next(pos, head)
		if err != nil {
			return pos, err
		}
		pos = next
		if rec == nil {
			break
		}
		if err := t.record(rec); err != nil {
			return pos, err
		}
	}
	t.batch.Tail = pos
	return pos, nil
}

func (t *translator) record(rec []byte) error {
	switch kind := ring.Kind(rec); kind {
	case flat.KindRequest:
		b, err := flat.Raw(rec)
		t.requests = append(t.requests, names(b)...)
		return err
	case flat.KindRaw:
		b, err := flat.Raw(rec)
		if err == nil {
			t.events++
			t.batch.Add(b, true)
		}
		return err
	case flat.KindEvent:
		if err := t.dec.Event(rec, &t.ev); err != nil {
			return err
		}
		t.events++
		var err error
		if t.buf, err = t.enc.AppendSerialEvent(t.buf[:0], &t.ev); err != nil {
			t.unencodable++
			return nil
		}
		t.batch.Add(t.buf, false)
		return nil
	default:
		return fmt.Errorf("%w: kind %d", ring.ErrCorrupt, kind)
	}
}

// sendSpooled sends what is in the logs until the host ends.
func (s *session) sendSpooled() error {
	p := s.conn.spool
	p.looked = false
	if err := s.peer.Flush(); err != nil { // what the last connection has left
		return err
	}
	for {
		// Before the look at the logs.
		ended := s.conn.isEnding() && s.conn.link.out.Empty()
		p.confirmed()
		some, err := s.feed()
		if err != nil {
			return err
		}
		if s.isOver() {
			return nil // the receiver knows why
		}
		if some {
			continue
		}
		if ended && s.unconfirmed() == 0 {
			s.conn.wrote.Store(true)
			return nil
		}
		var direct chan *spool.Batch
		if !s.full() {
			direct = p.direct
		}
		select {
		case <-s.conn.journal.Room():
		case <-p.changed:
		case b := <-direct:
			if err := s.sendBatch(b); err != nil {
				return err
			}
		case <-s.over:
		}
	}
}

// feed sends the next batch, and reports whether there was one.
func (s *session) feed() (bool, error) {
	p := s.conn.spool
	var b spool.Batch
	if s.full() {
		return false, nil
	}
	log, index := p.next(&b)
	if log == nil {
		return false, nil
	}
	err := s.sendBatch(&b)
	p.sent(log, index, s.conn.journal)
	p.publish()
	return true, err
}

// sendBatch gives all of a batch to the peer's journal, even when the
// connection is lost meanwhile: the next one sends it.
func (s *session) sendBatch(b *spool.Batch) error {
	var failed error // the first one; the others follow from it
	for payload, always := range b.Items() {
		name, ok := wire.SerialEventName(payload)
		if ok && !always && !s.peer.Wants(name) {
			atomic.AddUint64(s.conn.link.unwanted(), 1)
			continue
		}
		s.conn.stats.sent.Add(1)
		if err := s.peer.SendSerial(payload); failed == nil {
			failed = err
		}
	}
	if err := s.peer.Flush(); failed == nil {
		failed = err
	}
	return failed
}

// next returns the batch that is to be sent next, and the log that it is from.
func (p *spooler) next(b *spool.Batch) (*spool.Log, uint64) {
	for p.adopt() {
		if index, ok := p.orphan.Next(b); ok {
			return p.orphan.Log, index
		}
		if slices.ContainsFunc(p.pending, func(d delivery) bool { return d.log == p.orphan.Log }) {
			break // not confirmed yet
		}
		p.orphan.Confirm(p.orphan.Last()) // what could not be read at its end, too
		p.leaveOrphan()
	}
	if index, ok := p.own.Next(b); ok {
		return p.own, index
	}
	return nil, 0
}

// adopt reports whether there is an orphan, and looks for one if that has not
// been done on this connection.
func (p *spooler) adopt() bool {
	if p.orphan != nil || p.looked {
		return p.orphan != nil
	}
	dir := filepath.Dir(p.conn.set.spool.folder)
	o, err := spool.Adopt(dir, p.conn.set.peer, p.conn.set.class, p.conn.logf)
	if err != nil {
		p.conn.logf("%v", err)
	}
	p.looked = o == nil
	if o == nil {
		return false
	}
	p.orphan = o
	if err := guard("reading the ring of an orphan", p.finish); err != nil {
		p.conn.logf("%v", err)
	}
	p.mu.Lock()
	p.adopted += o.Last()
	p.mu.Unlock()
	p.conn.logf("spool: adopted %d bytes that a process has left", o.Unread())
	return true
}

// finish puts what the orphan's process had accepted into its log.
func (p *spooler) finish() error {
	o := p.orphan
	if o.Ring == nil {
		return nil
	}
	var t translator
	head := o.Ring.Head()
	for pos := o.Tail; pos < head; {
		next, err := t.take(o.Ring, pos, head)
		if err != nil {
			o.Ring.Release(head) // there is no more to be had
			return err
		}
		if t.batch.Size() > 0 {
			if err := o.Append(&t.batch); err != nil {
				return err
			}
		}
		pos = next
		o.Ring.Release(pos)
	}
	return nil
}

// leaveOrphan gives up the orphan; if all of it is confirmed it is gone.
func (p *spooler) leaveOrphan() {
	if p.orphan == nil {
		return
	}
	p.mu.Lock()
	p.lost += p.orphan.Lost()
	p.mu.Unlock()
	if err := p.orphan.Close(); err != nil {
		p.conn.logf("%v", err)
	}
	p.orphan = nil
}

// sent notes that a batch is in the journal.
func (p *spooler) sent(log *spool.Log, index uint64, j *peer.Journal) {
	p.marks++
	p.pending = append(p.pending, delivery{p.marks, log, index})
	j.Mark(p.marks)
}

// confirmed tells the logs what the peer has confirmed.
func (p *spooler) confirmed() {
	marked := p.conn.journal.Marked()
	n := 0
	for n < len(p.pending) && p.pending[n].mark <= marked {
		n++
	}
	for i, d := range p.pending[:n] {
		if i == n-1 || p.pending[i+1].log != d.log {
			d.log.Confirm(d.index)
		}
	}
	if n > 0 {
		p.pending = append(p.pending[:0], p.pending[n:]...)
		signal(p.room)
	}
}

// counters are those of stats that only a spool has.
func (p *spooler) counters() []counter {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return []counter{
		{"spooled_bytes", uint64(p.own.Unread())},
		{"adopted", p.adopted},
		{"lost", p.lost + p.own.Lost()},
	}
}
