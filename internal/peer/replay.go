package peer

import (
	"sync"
	"time"
)

// receiptWait is how long a peer is waited for that may give no receipts.
const receiptWait = time.Second

// Replay is how far a connection has sent again what its journal holds of earlier
// ones. The zero value has nothing to send.
//
// It sends little until that is confirmed, then twice as much each time: a
// connection that does not live long enough for all of it brings us forward all
// the same.
type Replay struct {
	journal *Journal // nil at the end
	sent    uint32   // the last batch
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
	for window := batchSize; !r.Done(); window *= 2 {
		if err := r.some(window, write); err != nil {
			return err
		}
		if !r.Done() {
			lock.Unlock()
			r.await(closed)
			lock.Lock()
		}
	}
	return nil
}

func (r *Replay) some(window int, write func(behind uint32) (uint32, int, error)) error {
	for window > 0 {
		last, bytes, err := write(r.sent)
		if err != nil {
			return err
		}
		if last == r.sent {
			r.journal = nil
			return nil
		}
		r.sent = last
		window -= bytes
	}
	return nil
}

// await waits until what was sent is confirmed, or the connection closed.
func (r *Replay) await(closed <-chan struct{}) {
	enough := time.NewTimer(receiptWait)
	defer enough.Stop()
	for r.journal.has(r.sent) {
		select {
		case <-r.journal.Room():
		case <-enough.C:
			return
		case <-closed:
			return
		}
	}
}
