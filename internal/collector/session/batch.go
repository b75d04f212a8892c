package session

import (
	"context"
	"errors"
	"net/netip"
	"os"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Batch implements eventlog.Log.
func (l *Log) Batch(ctx context.Context, peer eventlog.Peer, alive func()) eventlog.Batch {
	if alive == nil {
		alive = func() {}
	}
	return &batch{
		Batch: l.inner.Batch(ctx, peer, alive), log: l, ctx: ctx, alive: alive,
		by: l.meet(peer),
	}
}

// batch takes the events of a peer.
type batch struct {
	eventlog.Batch
	log   *Log
	ctx   context.Context // while that lives, we wait for room
	alive func()          // is called meanwhile
	by    *teller
	facts []byte           // that are not taken yet
	heard map[*sensor]bool // over this connection
	err   error            // for good
}

// meet returns a peer that has connected.
func (l *Log) meet(peer eventlog.Peer) *teller {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns++
	by := &teller{owner: l.table.ownerOf(ownerName(peer)), peer: peer.Addr, host: peer.Host, conn: l.conns}
	by.owner.peers++
	by.owner.conns++
	return by
}

// ownerName tells who a peer is: by its certificate or, without one, by its address,
// whatever the port.
func ownerName(peer eventlog.Peer) string {
	if peer.Host != "" {
		return "certificate " + peer.Host
	}
	if ap, err := netip.ParseAddrPort(peer.Addr); err == nil {
		return "address " + ap.Addr().Unmap().String()
	}
	return "peer " + peer.Addr
}

// Add implements eventlog.Batch.
func (b *batch) Add(ev *event.Event, names []string) {
	b.Batch.Add(ev, names)
	b.facts = b.log.encoder.event(b.facts, ev)
}

// Flush implements eventlog.Batch. The facts come first: what comes again since only they
// were written is known by them.
func (b *batch) Flush() error {
	err := b.keep()
	return errors.Join(b.Batch.Flush(), err)
}

// Settle implements eventlog.Batch.
func (b *batch) Settle() error {
	err := b.keep()
	if err := errors.Join(b.Batch.Settle(), err); err != nil || !b.log.set.Events.Sync.OnConfirm() {
		return err
	}
	b.err = b.log.Sync()
	return b.err
}

// keep has the log take the facts, and waits where the disk is full.
func (b *batch) keep() error {
	if b.err != nil || len(b.facts) == 0 {
		return b.err
	}
	try := func() error { return b.log.take(b) }
	err := try()
	if logfile.NoRoom(err) {
		err = b.log.set.Await(b.ctx, err, try, b.alive)
	}
	if err == nil && b.log.set.Events.Sync.OnWrite() {
		err = b.log.Sync()
	}
	b.facts = emptied(b.facts)
	b.err = err
	return err
}

// Close implements eventlog.Batch.
func (b *batch) Close() {
	b.Batch.Close()
	b.log.part(b)
}

// part takes note that a peer is gone.
func (l *Log) part(b *batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look()
	for s := range b.heard {
		if s.conns--; s.conns == 0 {
			s.gone = l.now
		}
	}
	if len(b.heard) == 0 {
		b.by.owner.conns--
	}
	b.by.owner.peers--
	l.table.leave(b.by.owner)
}

// maxHeard is how many sensors are known to be at the other end of a connection.
const maxHeard = 1024

// hears takes note that a sensor is at the other end.
func (b *batch) hears(s *sensor) {
	if b.heard[s] || len(b.heard) >= maxHeard {
		return
	}
	if len(b.heard) == 0 {
		b.by.owner.conns--
		b.heard = map[*sensor]bool{}
	}
	b.heard[s] = true
	s.conns++
}

// Sync returns when all that was taken is safe on the disk.
func (l *Log) Sync() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	upTo, journal, log := l.written, l.journal.file, l.out.file.Handle()
	l.mu.Unlock()
	if l.safe.Load() >= upTo || journal == nil {
		return nil
	}
	if log != nil {
		if err := closedIsSafe(log.Sync()); err != nil {
			return err
		}
	}
	if err := closedIsSafe(journal.Sync()); err != nil {
		return err
	}
	if err := l.dir.Sync(); err != nil {
		return err
	}
	l.safe.Store(upTo)
	return nil
}

// closedIsSafe leaves out the error that somebody has closed the file since: it was made
// safe before.
func closedIsSafe(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
