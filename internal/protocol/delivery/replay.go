package delivery

import (
	"sync"
	"time"
)

const (
	// receiptWait is how long a peer is waited for that may give no receipts.
	receiptWait = time.Second
	// aloneWait is how long one is waited for that has answered, and has been given
	// a single event while the one that ends connections is searched for.
	aloneWait = 10 * time.Second
)

// Replay is how far a connection has sent again what its journal holds of earlier
// ones. The zero value has nothing to send.
//
// It sends little until that is confirmed, then twice as much each time: a
// connection that does not live long enough for all of it brings us forward all
// the same.
type Replay struct {
	journal *Journal // nil at the end
	sent    uint32   // the last batch
	// Patient waits for each receipt as long as it takes: the peer is known to
	// give them.
	Patient bool
}

// Replay begins with what the journal holds.
func (j *Journal) Replay() Replay {
	j.Connected()
	return Replay{journal: j}
}

// Done reports whether there is nothing to send any more.
func (r *Replay) Done() bool { return r.journal == nil }

// Run sends it all. write sends a few of the batches behind one, and returns the
// last of them, or the same when there is none, and how many bytes that was. lock
// is held but while a receipt is waited for, so that others can say something;
// somebody is to read those receipts.
func (r *Replay) Run(lock sync.Locker, closed <-chan struct{}, write func(behind uint32) (last uint32, bytes int, err error)) error {
	for window := BatchSize; !r.Done(); {
		if err := r.some(window, write); err != nil {
			return err
		}
		if r.Done() {
			return nil
		}
		lock.Unlock()
		alone := r.await(closed)
		lock.Lock()
		if !alone {
			window *= 2
		}
	}
	return nil
}

func (r *Replay) some(window int, write func(behind uint32) (uint32, int, error)) error {
	for window > 0 {
		last, bytes, err := write(r.sent)
		if err != nil {
			r.journal.giveUp() // what was not written has done nothing
			return err
		}
		if last == r.sent {
			r.journal = nil
			return nil
		}
		r.sent = last
		if r.journal.isAlone(last) || r.journal.crowded(r.journal.underWay()) {
			return nil
		}
		window -= bytes
	}
	return nil
}

// await waits until what was sent is confirmed, or the connection closed, and
// reports whether that was a single event.
func (r *Replay) await(closed <-chan struct{}) (alone bool) {
	wait, alone := r.journal.wait(r.sent)
	enough := time.NewTimer(wait)
	defer enough.Stop()
	late := enough.C
	if r.Patient {
		late = nil
	}
	for r.journal.has(r.sent) {
		select {
		case <-r.journal.Room():
		case <-late:
			r.journal.giveUp()
			return alone
		case <-closed:
			return alone
		}
	}
	return alone
}

// isAlone reports whether that batch is a single event that was sent alone.
func (j *Journal) isAlone(seq uint32) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.search.alone == seq
}

// wait returns how long a receipt of that batch is worth waiting for.
func (j *Journal) wait(seq uint32) (d time.Duration, alone bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := j.index(seq)
	switch {
	case j.search.alone != seq || i < 0:
		return receiptWait, j.search.alone == seq
	case j.batches[i].events == 0:
		return receiptWait, true
	}
	return aloneWait, true
}

// giveUp ends the search on this connection.
func (j *Journal) giveUp() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.search.alone, j.search.given = 0, true
}
