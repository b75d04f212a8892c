// Package core is the core: it takes records from the outbound rings of connections to
// their peers, and what these send to the inbound rings. It is loaded into the host, or a
// process of its own; the rooms inhost and server are the two.
package core

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/library/confine"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
)

// Core has the connections of one process, or of several. A link, which is its shared
// memory, names a connection.
type Core struct {
	Version string // of Romanesco, for those peers that are told
	// Files has those that a process which has given up its right to others kept; nil: all that
	// it can open.
	Files *confine.Files
	links sync.Map // *shared.Link -> *conn
}

// Result is enum link_result: what came of a connect.
type Result int

// The reason of a refusal is in the link.
const (
	Refused Result = iota
	Connected
	Trying // the same, but the core goes on in the background
)

// Connect connects, or connects anew, and does the handshake. The state of the link says
// what has come of it, too. The core owns its half of the link from then on until Close.
func (c *Core) Connect(m Memory, s Settings) (result Result) {
	v := view(m)
	defer func() {
		if r := recover(); r != nil {
			v.refuse(fmt.Errorf("internal error: %v", r))
			result = Refused
		}
	}()
	switch err := c.connect(v, s); {
	case err == nil:
		return Connected
	case v.is(shared.Retry):
		return Trying
	default:
		return Refused
	}
}

// Refuse says that a connect cannot be made, and why.
func Refuse(m Memory, why error) Result {
	view(m).refuse(why)
	return Refused
}

// Abandon says that nobody will connect again by what the host has, and why. What was accepted
// is to be written all the same.
func Abandon(m Memory, why error) {
	l := view(m)
	l.lost(why)
	l.down(false)
}

func (c *Core) connect(v *link, s Settings) error {
	var journal *delivery.Journal
	if found, ok := c.links.Load(v.s); ok {
		old := found.(*conn)
		if !old.disowned() {
			return old.again(s)
		}
		c.links.Delete(v.s)
		old.close(0)
		journal = old.journal
		v.open()
	}
	made, err := openWith(c, v, s, journal)
	if made != nil {
		c.links.Store(v.s, made)
	}
	return err
}

// Close writes what connections have accepted, for at most timeout in all, and ends them.
// Afterwards the core does not touch their links. It reports whether everything was written.
func (c *Core) Close(timeout time.Duration, links ...Memory) bool {
	var all sync.WaitGroup
	var left atomic.Int32
	for _, m := range links {
		all.Go(func() {
			if !c.closeLink(m, timeout) {
				left.Add(1)
			}
		})
	}
	all.Wait()
	return left.Load() == 0
}

func (c *Core) closeLink(m Memory, timeout time.Duration) (written bool) {
	defer func() {
		if recover() != nil {
			written = false
		}
	}()
	found, ok := c.links.LoadAndDelete(m.Link)
	if !ok {
		return m.Out.Empty()
	}
	return found.(*conn).close(timeout)
}

// spools yields the folder of each connection that the core has, "" for one without.
func (c *Core) spools(yield func(folder string) bool) {
	c.links.Range(func(_, found any) bool { return yield(found.(*conn).set.spool.folder) })
}
