package core

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/descriptor"
	"github.com/romanesco-broccoli/romanesco/internal/library/spool"
)

type spoolSettings struct {
	folder string // "": no spool
	max    int64
	sync   time.Duration
	look   time.Duration // how often to look for orphans; 0: lookEach
}

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
	pending []unconfirmed

	mu      sync.Mutex
	adopted uint64 // batches
	lost    uint64 // of orphans
}

// lookEach is how often a connection that is up looks for what processes have left since.
const lookEach = 10 * time.Second

func openSpool(c *conn) (*spooler, error) {
	own, err := spool.Open(c.set.spool.folder, c.link.Spool, spool.Options{
		Max: c.set.spool.max, Sync: c.set.spool.sync, Logf: c.warnf, Confirmed: c.link.Confirmed,
	})
	if err != nil {
		return nil, err
	}
	p := &spooler{
		conn: c, own: own,
		changed: make(chan struct{}, 1), room: make(chan struct{}, 1), direct: make(chan *spool.Batch),
		stop: make(chan struct{}),
	}
	if tail := own.LastTail(); c.link.Alien && tail-c.link.out.Tail() <= c.link.out.Head()-c.link.out.Tail() {
		c.link.took(tail, false) // a core that has died had it in the log, and had not said so
	}
	p.publish()
	return p, nil
}

func (c *conn) startSpool() {
	if c.spool != nil {
		c.spool.running.Go(c.spool.run)
	}
}

// closeSpool ends the spooler once the ring is empty or cannot be emptied.
func (c *conn) closeSpool() {
	p := c.spool
	if p == nil {
		return
	}
	if c.link.Alien {
		p.own.Unbound() // the ring is in no file: what is in it goes where it survives
	}
	close(p.stop)
	c.wake()
	p.running.Wait()
	p.confirmed()
	p.leaveOrphan()
	if err := onDisk(p.own.Close); err != nil {
		c.warnf("%v", err)
	}
}

// disk bounds how many goroutines are in calls that wait for a disk. Each takes a
// thread there; the host may not allow new ones, and then the runtime ends the process.
var disk = make(chan struct{}, diskMax)

// One less than the threads that behave() has started to spare.
const diskMax = spareThreads - 1

func onDisk(do func() error) error {
	disk <- struct{}{}
	defer func() { <-disk }()
	return do()
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
	p.conn.warnf("%v", err)
	if s := p.conn.current.Load(); s != nil {
		s.end(err)
	}
}

func (p *spooler) empty() error {
	c := p.conn
	t := p.translator()
	for {
		stopping := p.stopping() // before the look at the ring
		some, err := p.batch(t)
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
			signal(p.changed) // the session may be waiting, and nothing else will come
			<-p.stop
		}
	}
}

// batch moves one batch from the ring to the log, and reports whether there
// was anything to move.
func (p *spooler) batch(t *translator) (bool, error) {
	c := p.conn
	start, head := c.link.out.Taken(), c.link.out.Head()
	pos, err := t.take(c.link.out, start, head)
	if err != nil {
		return false, err
	}
	if pos == start {
		return false, nil
	}
	if t.batch.Size() > 0 && !p.store(&t.batch) {
		if c.foreign.Load() {
			return false, descriptor.ErrForeign
		}
		return false, nil
	}
	c.link.took(pos, false)
	p.publish()
	atomic.AddUint64(c.link.refused(), t.unencodable)
	atomic.AddUint64(c.link.done(), t.events)
	c.request(t.requests)
	return true, nil
}

// store puts a batch into the log. When that cannot be written it offers the
// batch to a session as it is, and tries again. It reports false at the end, and when
// the log is not ours any more.
func (p *spooler) store(b *spool.Batch) bool {
	var whole *spool.Batch // a copy, since this one is used again
	for {
		err := onDisk(func() error { return p.own.Append(b) })
		if p.conn.note(err); errors.Is(err, descriptor.ErrForeign) {
			return false
		}
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
			return p.conn.link.Alien && onDisk(func() error { return p.own.Append(b) }) == nil
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
		p.conn.warnf("%v; what is accepted is not safe from the end of the process any more", err)
	} else {
		p.conn.infof("spool %s: can be written again", p.conn.set.spool.folder)
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
