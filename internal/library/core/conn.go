package core

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/refused"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
)

// conn is a connection of the host's: one session with the peer after another
// where it is to reconnect, one session otherwise. It lives as long as the host's
// handle: each connect of the host's begins another run, and what the last one has
// left in the journal comes first.
type conn struct {
	scripted atomic.Bool // a script of a Zeek has confirmed on the last connection
	link     *link
	set      Settings
	core     *Core
	toCore   *bell // read here: the host has produced, or made room
	toHost   *bell // written here
	sock     atomic.Pointer[socket]
	foreign  atomic.Bool // these are not ours any more

	ending chan struct{} // closed when the host wants to end
	ended  sync.Once
	late   chan struct{} // closed when it has waited long enough for that
	run    *run
	wrote  atomic.Bool // all that was accepted has been written

	current    atomic.Pointer[session]
	publishing sync.Mutex        // of what waits in a session: there is one as long as it is held
	journal    *delivery.Journal // nil without confirmed delivery
	spool      *spooler          // nil without a spool
	refused    *refused.File     // nil: there is none
	inbound    *inbound          // nil where the peer waits for the host
	stats      stats
	out        messages

	// Of a begin, and of the supervise that it starts: whether the host knows why
	// the connection is not up; the failure of an attempt that was told last, and when.
	explained bool
	told      string
	toldAt    time.Time
	lostAt    time.Time // when a loss was told last

	releasing sync.Mutex // of what the peer has confirmed, in the ring
	fars      []kept     // large records that it has not

	mu       sync.Mutex
	requests []string // events that the host has asked for so far
	asked    int      // how many of these the connection was opened with
}

// journalMax is how many bytes may be under way without being confirmed.
const journalMax = 8 << 20

var errLate = errors.New("not everything was written in time")

// open makes a connection, and connects. With an error there may be one all the
// same, which goes on trying.
func open(l *link, s Settings) (*conn, error) { return openWith(new(Core), l, s, nil) }

// openWith does so for one that has a journal already.
func openWith(core *Core, l *link, s Settings, j *delivery.Journal) (*conn, error) {
	c := &conn{
		core: core, link: l, set: s, requests: names(s.requests), run: newRun(),
		ending: make(chan struct{}), late: make(chan struct{}),
	}
	if s.secure != nil {
		s.secure.ReadFile = core.Files.Read
	}
	if c.journal = j; j == nil && (s.confirm || s.spool.folder != "") {
		c.journal = delivery.NewJournal(journalMax)
	}
	if s.zeek != nil {
		c.inbound = newInbound(s.zeek.inbound)
	}
	if err := c.prepare(); err != nil {
		l.refuse(err)
		c.out.close()
		return nil, err
	}
	err := c.begin()
	if err != nil && !s.reconnect {
		c.closeSpool()
		c.closeFiles()
		c.out.close()
		return nil, err
	}
	c.startSpool()
	c.startStats()
	return c, err
}

// prepare opens what a connection has of its own.
func (c *conn) prepare() (err error) {
	if c.toCore, err = newBell(c.set.toCore, "to core"); err != nil {
		return err
	}
	if c.toHost, err = newBell(c.set.toHost, "to host"); err != nil {
		_ = c.toCore.Close()
		return err
	}
	if err = c.openRefused(); err == nil && c.set.spool.folder != "" {
		c.spool, err = openSpool(c)
	}
	if err != nil {
		c.closeFiles()
	}
	return err
}

func (c *conn) closeFiles() {
	_ = c.toCore.Close()
	_ = c.toHost.Close()
	c.refused.Close()
}

// hasteTime is how long before the end of the time for it all that is left is given
// to the kernel, even to a peer that reads it slowly: what the kernel has may
// arrive, what the core has will not.
const hasteTime = 1500 * time.Millisecond

// close flushes, for at most timeout, and ends. It reports whether everything
// that was accepted has been written.
func (c *conn) close(timeout time.Duration) bool {
	c.end()
	hasten := time.AfterFunc(timeout-hasteTime, func() {
		if s := c.current.Load(); s != nil {
			s.hasten()
		}
	})
	defer hasten.Stop()
	select {
	case <-c.run.done:
	case <-time.After(timeout):
		close(c.late)
		if sock := c.sock.Load(); sock != nil {
			sock.late.Store(true)
		}
		if s := c.current.Load(); s != nil {
			s.end(errLate)
		}
		<-c.run.done
	}
	c.run.wait()
	c.stopStats()
	c.closeSpool()
	c.closeFiles()
	c.out.close()
	return c.wrote.Load() || c.spool == nil && !c.leftOver()
}

func (c *conn) end() {
	c.ended.Do(func() { close(c.ending) })
	c.wake()
}

// wake makes the sender look around.
func (c *conn) wake() { _ = c.toCore.SetReadDeadline(time.Unix(1, 0)) }

// isEnding reports whether the host has ended it.
func (c *conn) isEnding() bool {
	select {
	case <-c.ending:
		return true
	default:
		return false
	}
}

func (c *conn) isLate() bool {
	select {
	case <-c.late:
		return true
	default:
		return false
	}
}
