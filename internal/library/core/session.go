package core

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
)

// nearMax is from how many bytes on a record travels outside the ring
// (LINK_NEAR_MAX).
const nearMax = shared.NearMax

// farMax is how many bytes of such records may wait for the host
// (LINK_FAR_MAX).
const farMax = shared.FarMax

// roomPoll is how often a full inbound ring is looked at when nobody says that
// there is room again.
const roomPoll = 20 * time.Millisecond

// connection is what a session needs of a connection, whatever its peer speaks.
// One goroutine calls Step, Pong and Buffered, another what sends.
type connection interface {
	PeerClass() string
	Buffered() int
	Step(ev *event.Event) (arrival.Kind, error)
	Pong() error
	Wants(name string) bool
	Send(ev *event.Event) error
	SendSerial(payload []byte) error
	Request(names []string) error
	Flush() error
	Close() error
}

// finisher is a connection that can tell when the peer has read everything, as
// long as somebody calls Next. Hasten ends the care for a peer that reads slowly:
// no time is left for that.
type finisher interface {
	Finish() error
	Hasten()
}

// session moves records between the link and one connection to the peer: one
// goroutine each way.
type session struct {
	conn *conn
	peer connection
	room chan struct{} // the host may have made room
	left chan struct{} // closed when it is to end with what it has taken written
	over chan struct{} // closed at the end
	sent uint64        // events that the host has not been told of yet
	gone atomic.Uint64 // how far the ring has been written
	got  uint64        // the same of those received
	rec  []byte        // the record of the last one

	unsaid bool   // the host may not have been told of what it could see
	pos    uint64 // behind the record that is being sent
	once   sync.Once
	err    error // why it ended; nil when the host has ended it
}

func (s *session) run() error {
	var wg sync.WaitGroup
	wg.Go(func() { s.end(guard("receiving", s.receive)) })
	s.end(guard("sending", s.sendAll))
	wg.Wait()
	if errors.Is(s.err, io.EOF) {
		return errors.New("the peer closed the connection")
	}
	return s.err
}

// end ends the session, both ways; the first reason is the one that counts.
func (s *session) end(err error) {
	s.once.Do(func() {
		s.err = err
		close(s.over)
		_ = s.peer.Close()
		s.conn.wake()
	})
}

// leave has the session end by itself, with errAnew.
func (s *session) leave() {
	close(s.left)
	s.conn.wake()
}

func (s *session) isLeaving() bool {
	select {
	case <-s.left:
		return true
	default:
		return false
	}
}

func (s *session) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// sendAll sends what earlier sessions have left, then what the host produces.
func (s *session) sendAll() error {
	if err := s.peer.Flush(); err != nil {
		return err
	}
	s.conn.publishUnsent(0)
	if more := s.conn.unasked(); len(more) > 0 {
		if err := s.peer.Request(more); err != nil {
			return err
		}
	}
	if s.conn.spool != nil {
		return s.sendSpooled()
	}
	return s.send()
}

// send takes records off the outbound ring until the host ends.
func (s *session) send() error {
	var dec flat.Decoder
	var ev event.Event
	for {
		ending := s.conn.isEnding() // before the look at the ring
		some, err := s.drain(&dec, &ev)
		if err != nil {
			return err
		}
		if some && !s.isLeaving() {
			continue
		}
		leaving := s.isLeaving()
		if err := s.flush(); err != nil {
			return err
		}
		if s.isOver() {
			return nil // the receiver knows why
		}
		if leaving {
			s.finish()
			return errAnew
		}
		// Meanwhile a receipt may have made room for what is in the ring.
		switch empty := s.conn.link.out.Empty(); {
		case ending && empty && s.unconfirmed() == 0:
			s.conn.wrote.Store(true)
			s.finish()
			return nil
		case s.full() || ending && empty:
			s.awaitConfirmation()
		case empty:
			s.sleep()
		}
	}
}

// flush writes what has been taken off the ring, and tells the host.
func (s *session) flush() error {
	taken := s.conn.link.out.Taken()
	if err := s.peer.Flush(); err != nil {
		return err
	}
	s.conn.mark(taken)
	s.conn.link.hasSent(taken)
	s.gone.Store(taken)
	s.publishWritten()
	return nil
}

// finish waits until the peer has read what was written, if it can tell, or until
// somebody ends the session.
func (s *session) finish() {
	if p, ok := s.peer.(finisher); ok {
		if err := p.Finish(); err != nil && !s.isOver() {
			s.conn.logf("the peer may not have read everything: %v", err)
		}
	}
}

// hasten has what is left be written at once.
func (s *session) hasten() {
	if p, ok := s.peer.(finisher); ok {
		p.Hasten()
	}
}

// publishWritten tells the host how far its ring is with the kernel, or with the peer
// if that confirms.
func (s *session) publishWritten() {
	if gone := s.gone.Load(); s.unconfirmed() == 0 { // in this order
		s.conn.link.wrote(gone)
	}
}

func (s *session) full() bool { return s.conn.journal != nil && s.conn.journal.Full() }

func (s *session) unconfirmed() int {
	if s.conn.journal == nil {
		return 0
	}
	return s.conn.journal.Pending()
}

// awaitConfirmation waits until the peer has confirmed something.
func (s *session) awaitConfirmation() {
	select {
	case <-s.conn.journal.Room():
	case <-s.left:
	case <-s.over:
	}
}

// batch is how many events are sent before the host sees that they are, or
// received before it sees them: the cache line that tells it is the one that it
// reads for each event.
const batch = 32

// drain sends what is in the outbound ring, and reports whether there was any.
func (s *session) drain(dec *flat.Decoder, ev *event.Event) (bool, error) {
	out := s.conn.link.out
	pos, head := out.Taken(), out.Head()
	if pos == head || s.full() || s.isOver() {
		return false, nil
	}
	release := func() { // also on an error: what a far record points to is gone
		s.conn.link.took(pos, s.conn.keeps())
		atomic.AddUint64(s.conn.link.done(), s.sent)
		s.sent = 0
	}
	defer release()
	for {
		rec, next, err := out.Next(pos, head)
		if err != nil {
			return true, err
		}
		pos, s.pos = next, next
		if rec == nil {
			return true, nil
		}
		if err = s.record(rec, dec, ev); err != nil || s.full() {
			return true, err
		}
		if s.sent == batch {
			release()
			if s.conn.link.flushing() {
				if err := s.flush(); err != nil {
					return true, err
				}
			}
		}
	}
}

// record sends one record.
func (s *session) record(rec []byte, dec *flat.Decoder, ev *event.Event) error {
	switch kind := ring.Kind(rec); kind {
	case flat.KindFar:
		at, size, err := flat.Far(rec)
		if err != nil {
			return err
		}
		far, err := s.conn.link.Far.Get(at, size)
		if err == nil && ring.Kind(far) == flat.KindFar {
			err = fmt.Errorf("%w: a large record within another", ring.ErrCorrupt)
		}
		if err != nil {
			return err
		}
		defer func() {
			atomic.AddUint64(s.conn.link.farOut(), -size)
			s.conn.through(kept{at, size, s.pos})
		}()
		return s.record(far, dec, ev)
	case flat.KindRequest:
		b, err := flat.Raw(rec)
		if err != nil {
			return err
		}
		s.conn.ask(names(b))
		return s.peer.Request(names(b))
	case flat.KindRaw:
		b, err := flat.Raw(rec)
		if err != nil {
			return err
		}
		s.sent++
		return s.passed("event in raw form", s.peer.SendSerial(b))
	case flat.KindEvent:
		s.sent++
		return s.event(rec, dec, ev)
	default:
		return fmt.Errorf("%w: kind %d", ring.ErrCorrupt, kind)
	}
}

func (s *session) event(rec []byte, dec *flat.Decoder, ev *event.Event) error {
	if err := dec.Event(rec, ev); err != nil {
		return err
	}
	if !s.peer.Wants(ev.Name) {
		atomic.AddUint64(s.conn.link.unwanted(), 1)
		return nil
	}
	return s.passed(ev.Name, s.peer.Send(ev))
}

// passed passes the error of sending on, but for one that concerns the event alone.
func (s *session) passed(what string, err error) error {
	if err == nil {
		s.conn.stats.sent.Add(1)
		return nil
	}
	if errors.Is(err, event.ErrUnencodable) {
		s.conn.logf("%s was not sent: %v", what, err)
		atomic.AddUint64(s.conn.link.refused(), 1)
		return nil
	}
	s.conn.stats.sent.Add(1)
	return err
}

// sleep waits until the host has produced something or made room.
func (s *session) sleep() {
	s.conn.sleep(func() bool { return s.isOver() || s.isLeaving() })
	s.awake()
}

// awake says that the host may have made room.
func (s *session) awake() {
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// sleep waits until the host has produced something, made room, or ended, or
// somebody calls wake and over reports true.
func (c *conn) sleep(over func() bool) {
	atomic.StoreUint32(c.link.asleep(), 1)
	if c.link.out.Empty() && !c.isEnding() && !over() {
		var b [8]byte
		if _, err := c.toCore.Read(b[:]); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.disown(c.sock.Load())
		}
	}
	atomic.StoreUint32(c.link.asleep(), 0)
}

// receive puts what the peer sends into the inbound ring.
func (s *session) receive() error {
	var ev event.Event
	defer s.deliver()
	for {
		kind, err := s.peer.Step(&ev)
		if err != nil {
			return err
		}
		switch kind {
		case arrival.Event:
			if !s.take(&ev) {
				return nil
			}
		case arrival.Drained: // more may be long in coming
			s.deliver()
		case arrival.Ping:
			if err := s.peer.Pong(); err != nil {
				return err
			}
		}
	}
}

// take hands an event to the host. It reports false when the session is over.
func (s *session) take(ev *event.Event) bool {
	s.got++
	if cap(s.rec) > 2*nearMax {
		s.rec = nil
	}
	var err error
	if s.rec, err = flat.AppendEvent(s.rec[:0], ev); err != nil {
		return true // a value that C has no form for; the event is lost to it
	}
	if !s.hand(s.rec) && s.isOver() {
		return false
	}
	if s.got >= batch {
		s.show()
	}
	return true
}

// show lets the host see what is in the inbound ring, if it looks.
func (s *session) show() {
	s.conn.stats.received.Add(s.got)
	s.got = 0
	if in := s.conn.inbound; in != nil {
		in.buffered.Store(int64(s.peer.Buffered()))
		s.conn.publishReceived()
		s.unsaid = in.show(s.conn.link) || s.unsaid
		return
	}
	atomic.StoreUint32(s.conn.link.received(), uint32(s.peer.Buffered()))
	s.unsaid = s.conn.link.in.Publish() || s.unsaid
}

// deliver makes the host look. To wake it costs more than a few events do, so
// that it is done for all that one read of the stream has brought.
func (s *session) deliver() {
	s.show()
	if s.conn.keeps() {
		s.conn.forget() // a receipt may have come
	}
	if s.conn.spool == nil && s.conn.journal != nil && s.conn.link.flushing() {
		s.publishWritten() // the same
	}
	if s.unsaid {
		s.unsaid = false
		s.conn.signal()
	}
}

// hand puts a record into the inbound ring, waiting for room. It reports false
// when the connection ends meanwhile, or the host does: that has no time for what
// comes in any more, but what it has sent is still to be written. From a Zeek it
// waits elsewhere, or is dropped.
func (s *session) hand(rec []byte) bool {
	if s.conn.inbound != nil {
		s.conn.take(rec)
		return true
	}
	if len(rec) > nearMax {
		return s.handFar(rec)
	}
	return s.wait(func() bool { return s.conn.link.in.Put(rec) })
}

// handFar hands over a pointer to a copy of the record.
func (s *session) handFar(rec []byte) bool {
	size := uint64(len(rec))
	waiting := s.conn.link.farIn()
	if !s.wait(func() bool {
		n := atomic.LoadUint64(waiting)
		return n == 0 || n+size <= farMax
	}) {
		return false
	}
	at, ok := s.conn.link.Far.Put(rec)
	if !ok {
		s.end(fmt.Errorf("no memory for an event of %d bytes", len(rec)))
		return false
	}
	atomic.AddUint64(waiting, size)
	if !s.hand(flat.FarRecord(at, size)) {
		atomic.AddUint64(waiting, -size)
		s.conn.link.Far.Back(at, size)
		return false
	}
	return true
}

// wait tries again whenever the host has made room, and reports false when the
// connection ends meanwhile.
func (s *session) wait(try func() bool) bool {
	if try() {
		return true
	}
	s.deliver()
	for !try() {
		atomic.StoreUint32(s.conn.link.starved(), 1)
		if try() {
			break
		}
		select {
		case <-s.room:
		case <-time.After(roomPoll): // the sender may be held by the peer
		case <-s.over:
			return false
		case <-s.conn.ending:
			return false
		}
	}
	return true
}
