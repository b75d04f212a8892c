package core

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/printable"
)

// Levels of messages: BRO_LOG_* of romanesco.h, which are syslog's.
const (
	levelWarning = 4
	levelInfo    = 6
	levelDebug   = 7
)

// messages is the core's end of the log in a link, for all goroutines of a connection.
type messages struct {
	mu     sync.Mutex
	closed bool // the link is the host's
}

// close returns when nothing will be put into the link any more.
func (m *messages) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
}

// maxShown is more than there is room for in a link.
const maxShown = 4 << 10

// shown returns a text in which words of the peer may be as one that may be shown:
// on one line, and harmless to a terminal.
func shown(s string) string {
	s = strings.ReplaceAll(s, "\n", " ") // of errors that were joined
	return string(printable.Append(nil, s, maxShown))
}

// say tells the host something: in the link's log if it takes messages itself,
// or else on standard error, with debugging. The host's function is never called
// from here.
func (c *conn) say(level uint32, format string, args ...any) {
	toHost := c.set.log != nil && atomic.LoadUint32(c.set.log) != 0
	if !c.set.debug && (level == levelDebug || !toHost) {
		return
	}
	s := shown(fmt.Sprintf("[%s] %s", c.set.peer, fmt.Sprintf(format, args...)))
	if !toHost {
		fmt.Fprintf(os.Stderr, "libbroccoli: %s\n", s)
		return
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if !c.out.closed {
		c.link.say(level, s)
	}
}

func (c *conn) warnf(format string, args ...any) { c.say(levelWarning, format, args...) }
func (c *conn) infof(format string, args ...any) { c.say(levelInfo, format, args...) }
func (c *conn) logf(format string, args ...any)  { c.say(levelDebug, format, args...) }

// logger returns what a person debugging a connection needs, nil without debugging.
func (c *conn) logger() func(string, ...any) {
	if !c.set.debug {
		return nil
	}
	return c.logf
}

// explain tells the host why there is no connection, unless it knows: the first
// cause is what it wants, and what follows is mostly a consequence.
func (c *conn) explain(err error) {
	if !c.explained {
		c.link.lost(err)
	}
	c.explained = true
}

// failureEach is how often the failure of attempts is worth a line at the most.
const failureEach = time.Minute

// tellLoss tells why a connection is lost; again: it was of no use, as the one before it.
func (c *conn) tellLoss(err error, again bool) {
	if again && time.Since(c.lostAt) < failureEach {
		c.logf("connection lost: %v", err)
		return
	}
	c.lostAt = time.Now()
	c.warnf("connection lost: %v", err)
}

// tellFailure tells why an attempt has failed: the first one since the connection
// was up, and later ones that fail in another way.
func (c *conn) tellFailure(err error) {
	s := err.Error()
	if s == c.told || c.told != "" && time.Since(c.toldAt) < failureEach {
		c.logf("%s", s)
		return
	}
	c.told, c.toldAt = s, time.Now()
	c.warnf("%s", s)
}
