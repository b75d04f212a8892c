package admit

import (
	"net"
	"sync"
	"time"
)

// quiet is how long at least a gate counts as full, so that connections which come
// and go at the bound do not make a line each.
const quiet = time.Minute

// crowd says that a gate is full, and how many were turned away while it was.
type crowd struct {
	mu   sync.Mutex
	full time.Time // since when; zero: there is room
	away uint64    // since then
}

func (c *crowd) turnAway(g *Gate, from net.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away++
	if c.full.IsZero() {
		c.full = time.Now()
		g.Logf("%d %s are connected, and no more may: %v is the first that is turned away", g.Max, g.What, from)
	}
}

func (c *crowd) letIn(g *Gate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full.IsZero() || time.Since(c.full) < quiet {
		return
	}
	g.Logf("there is room for %s again: %d were turned away since %s", g.What, c.away, c.full.Format(time.TimeOnly))
	c.full, c.away = time.Time{}, 0
}
