package broccoli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
)

const (
	// writeSize is how many bytes of events are written before the others are looked
	// at.
	writeSize = 64 << 10
	// drainTime is how long the peer is read when nothing can be written to it any
	// more, or nothing more is to be: what it has sent before is to be seen, and a
	// stream that is closed with something unread takes what the peer has not read.
	drainTime = time.Second
)

// session moves events over one link, one goroutine each way.
type session struct {
	conn *Conn
	link link
	nc   net.Conn
	over chan struct{} // closed when reading has ended

	mu   sync.Mutex
	werr error // why writing has ended
}

// run returns why the link has ended; io.EOF if the peer has ended it in order.
func (s *session) run() error {
	var writing sync.WaitGroup
	writing.Go(func() { s.stopWriting(s.write()) })
	err := s.read()
	close(s.over)
	_ = s.link.Close()
	writing.Wait()
	s.link.Release()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.werr != nil && (errors.Is(err, net.ErrClosed) || isTimeout(err)) {
		return s.werr
	}
	return err
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// stopWriting takes note of why writing has ended. Reading goes on for a little.
func (s *session) stopWriting(err error) {
	s.mu.Lock()
	s.werr = err
	s.mu.Unlock()
	if p, ok := s.link.(finisher); ok && err == nil {
		_ = p.Finish()
		_ = s.link.Close() // with good-bye, and waits for that of the peer
		return
	}
	if half, ok := s.nc.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
	}
	_ = s.nc.SetReadDeadline(time.Now().Add(drainTime))
}

// read takes what comes until the link ends.
func (s *session) read() error {
	for {
		var ev event.Event
		kind, err := s.link.Step(&ev)
		switch {
		case err != nil:
			return err
		case kind == arrival.Event:
			s.conn.deliver(&ev)
		case kind == arrival.Ping:
			if err := s.pong(); err != nil {
				return err
			}
		}
	}
}

// pong gives the receipt for what has come, when that has been taken; until then a sign
// of life. After Close nobody takes anything.
func (s *session) pong() error {
	receipt := s.link.Receipt()
	kept := s.conn.in.putReceipt(receipt, s.conn.closing)
	switch {
	case isClosed(s.conn.closing):
		return nil
	case kept:
		return s.link.Alive()
	}
	return receipt()
}

// write sends what waits until the link ends, or all is sent after Close.
func (s *session) write() error {
	if err := s.link.Flush(); err != nil { // what earlier links have left
		return err
	}
	s.conn.wrote(s.conn.out.gone(0))
	for {
		some, changed := s.conn.out.first(writeSize)
		if s.full() {
			some = nil
		}
		if err := s.requestMore(); err != nil {
			return err
		}
		if len(some) > 0 {
			if err := s.writeSome(some); err != nil {
				return err
			}
			continue
		}
		s.conn.settleConfirmed()
		select {
		case <-changed: // nil if only receipts make room
		case <-s.receipts():
		case <-s.conn.asked:
		case <-s.conn.finished:
			return nil
		case <-s.over:
			return nil
		}
	}
}

// full reports whether nothing is to be sent until something is confirmed.
func (s *session) full() bool { return s.conn.journal != nil && s.conn.journal.Full() }

func (s *session) receipts() <-chan struct{} {
	if s.conn.journal == nil {
		return nil
	}
	return s.conn.journal.Room()
}

func (s *session) requestMore() error {
	names := s.conn.unasked()
	if len(names) == 0 {
		return nil
	}
	return errors.Join(s.link.Request(names), s.link.Flush())
}

// writeSome writes some events. Those that it could not the journal has, if there is
// one, and else the outbox keeps them.
func (s *session) writeSome(some []item) error {
	sent, err := 0, error(nil)
	for ; sent < len(some) && err == nil; sent++ {
		err = s.send(some[sent])
	}
	if err == nil {
		err = s.link.Flush()
	}
	if err != nil && s.conn.journal == nil {
		return err
	}
	last := s.conn.out.gone(sent)
	if err == nil {
		s.conn.wrote(last)
	}
	return err
}

// send sends an event that the peer wants.
func (s *session) send(it item) (err error) {
	switch {
	case !s.link.Wants(it.name):
		s.conn.stats.unwanted.Add(1)
		return nil
	case it.ev != nil:
		err = s.link.Send(it.ev)
	default:
		err = s.link.SendSerial(it.payload)
	}
	if errors.Is(err, event.ErrUnencodable) { // of this Zeek
		s.conn.stats.refused.Add(1)
		s.conn.cfg.Logger.Warn(fmt.Sprintf("event %s cannot be sent: %v", it.name, err), "peer", s.conn.RemoteAddr())
		return nil
	}
	if err == nil {
		s.conn.stats.sent.Add(1)
	}
	return err
}

// ended says whether a link has ended as the peer wanted it.
func ended(err error) bool { return err == io.EOF }
