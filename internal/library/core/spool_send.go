package core

import (
	"cmp"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/library/spool"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// unconfirmed is a batch that the peer has not confirmed.
type unconfirmed struct {
	mark  uint64 // in the journal
	log   *spool.Log
	index uint64
}

// sendSpooled sends what is in the logs until the host ends.
func (s *session) sendSpooled() error {
	p := s.conn.spool
	p.looked = false
	look := time.NewTicker(cmp.Or(s.conn.set.spool.look, lookEach))
	defer look.Stop()
	for {
		// Before the look at the logs.
		ended := s.conn.isEnding() && s.conn.link.out.Empty()
		spooled := s.conn.link.out.Taken()
		p.confirmed()
		some, err := s.feed()
		if err != nil {
			return err
		}
		if s.isOver() {
			return nil // the receiver knows why
		}
		if s.isLeaving() {
			return errAnew // each batch was flushed
		}
		if some {
			continue
		}
		if p.own.Unread() == 0 {
			s.conn.link.wrote(spooled)
		}
		if ended && s.unconfirmed() == 0 && p.own.Drained() {
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
		case <-look.C:
			p.looked = false
		case b := <-direct:
			if err := s.sendBatch(b); err != nil {
				return err
			}
		case <-s.left:
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
	var log *spool.Log
	var index uint64
	_ = onDisk(func() error {
		log, index = p.next(&b)
		return nil
	})
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
		if err := s.passed(name, s.peer.SendSerial(payload)); failed == nil {
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
		if slices.ContainsFunc(p.pending, func(d unconfirmed) bool { return d.log == p.orphan.Log }) {
			break // not confirmed yet
		}
		if p.orphan.Drained() {
			p.orphan.Confirm(p.orphan.Last()) // what could not be read at its end, too
		} else {
			p.looked = true // it cannot be read now; the next connection may
		}
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
	o, err := spool.Adopt(dir, p.conn.set.peer, p.conn.set.class, p.inUse, p.conn.link.ownAdopted, p.conn.warnf)
	if err != nil {
		p.conn.warnf("%v", err)
	}
	p.looked = o == nil
	if o == nil {
		return false
	}
	p.orphan = o
	if err := guard("reading the ring of an orphan", p.finish); err != nil {
		p.conn.warnf("%v", err)
		p.looked = true // it will be no better before the next connection
	}
	p.mu.Lock()
	p.adopted += o.Unconfirmed()
	p.mu.Unlock()
	p.conn.infof("spool: adopted %d bytes that a process has left", o.Unread())
	return true
}

// inUse reports whether a connection of this process has the folder of that name.
func (p *spooler) inUse(name string) bool {
	used := filepath.Base(p.conn.set.spool.folder) == name // which may not be among the links yet
	for folder := range p.conn.core.spools {
		used = used || filepath.Base(folder) == name
	}
	return used
}

// finish puts what the orphan's process had accepted into its log.
func (p *spooler) finish() error {
	o := p.orphan
	if o.Ring == nil {
		return nil
	}
	t := p.translator()
	head := o.Ring.Head()
	for pos := o.Tail; pos < head; {
		next, damaged := t.take(o.Ring, pos, head)
		if damaged != nil {
			next = head // there is no more to be had
			t.batch.Tail = head
		}
		if t.batch.Size() > 0 {
			if err := o.Append(&t.batch); err != nil {
				return err
			}
		}
		o.Ring.Release(next)
		if damaged != nil {
			return damaged
		}
		pos = next
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
		p.conn.warnf("%v", err)
	}
	p.orphan = nil
}

// sent notes that a batch is in the journal.
func (p *spooler) sent(log *spool.Log, index uint64, j *delivery.Journal) {
	p.marks++
	p.pending = append(p.pending, unconfirmed{p.marks, log, index})
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
