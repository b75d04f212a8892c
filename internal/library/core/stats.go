package core

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/descriptor"
)

// stats counts what the link does not, and tells all of it from time to time.
type stats struct {
	connects, sent, received atomic.Uint64
	setAside                 atomic.Uint64 // of those sent

	file *descriptor.File // nil: there is none, or it cannot be opened
	stop chan struct{}
	over sync.WaitGroup
}

func (c *conn) startStats() {
	if c.set.statsEach == 0 {
		return
	}
	// Opened now, while that is possible: the host may give up the right to it.
	c.openStats()
	c.stats.stop = make(chan struct{})
	c.stats.over.Go(func() {
		tick := time.NewTicker(c.set.statsEach)
		defer tick.Stop()
		for {
			select {
			case <-c.stats.stop:
				c.tell()
				return
			case <-tick.C:
				c.tell()
			}
		}
	})
}

// stopStats tells it for the last time.
func (c *conn) stopStats() {
	if c.stats.stop == nil {
		return
	}
	close(c.stats.stop)
	c.stats.over.Wait()
	if c.stats.file != nil {
		_ = c.stats.file.Close()
	}
}

// openStats opens the file anew, so that it can be rotated; where that is not
// possible any more the one that is open serves.
func (c *conn) openStats() {
	if c.set.statsFile == "" {
		return
	}
	f, err := c.core.Files.Append(c.set.statsFile)
	if err != nil {
		if c.stats.file == nil {
			c.warnf("stats_file: %v", err)
		}
		return
	}
	if c.stats.file != nil {
		c.note(c.stats.file.Close())
	}
	c.stats.file = descriptor.Keep(f)
}

func (c *conn) tell() {
	if c.set.statsFile == "" {
		c.infof("%s", c.counters())
		return
	}
	_ = onDisk(c.writeStats)
}

func (c *conn) writeStats() error {
	c.openStats()
	if c.stats.file == nil {
		return nil
	}
	line := fmt.Sprintf("%.3f pid=%d peer=%s %s\n", float64(time.Now().UnixMilli())/1e3, c.set.pid, c.set.peer, c.counters())
	// One write: several processes append to the file.
	err := c.stats.file.Use(func(f *os.File) error {
		_, err := f.WriteString(line)
		return err
	})
	if c.note(err); err != nil {
		c.warnf("stats_file: %v", err)
	}
	return nil
}

type counter struct {
	name  string
	value uint64
}

// counters is one line; docs/statistics.md says what they mean.
func (c *conn) counters() string {
	l := c.link
	done, accepted := atomic.LoadUint64(l.done()), atomic.LoadUint64(l.accepted())
	unwanted, refused := atomic.LoadUint64(l.unwanted()), atomic.LoadUint64(l.refused())
	unconfirmed := 0
	if c.journal != nil {
		unconfirmed = c.journal.Pending()
	}
	var b strings.Builder
	for _, n := range append([]counter{
		{"connects", c.stats.connects.Load()},
		{"accepted", accepted},
		{"full", atomic.LoadUint64(l.full())},
		{"queued", accepted - done},
		{"sent", c.stats.sent.Load()},
		{"unwanted", unwanted},
		{"unsendable", refused},
		{"unconfirmed", uint64(unconfirmed)},
		{"received", c.stats.received.Load()},
		{"set_aside", c.stats.setAside.Load()},
	}, append(c.inbound.counters(), c.spool.counters()...)...) {
		fmt.Fprintf(&b, " %s=%d", n.name, n.value)
	}
	state := "down"
	if c.current.Load() != nil {
		state = "up"
	}
	return "state=" + state + b.String()
}
