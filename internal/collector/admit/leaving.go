package admit

import (
	"net"
	"slices"
	"sync"
)

// mostLeaving is how many are told goodbye at a time, so that they cost few descriptors
// and goroutines.
const mostLeaving = 32

// leaving are the connections that are being told goodbye, the first one first.
type leaving struct {
	mu  sync.Mutex
	all []net.Conn
}

// join adds a connection. Beyond the bound the first one gives way: who listens has
// been told at once, so that it is most likely one that says nothing.
func (l *leaving) join(nc net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == mostLeaving {
		_ = l.all[0].Close()
		l.all = slices.Delete(l.all, 0, 1)
	}
	l.all = append(l.all, nc)
}

// leave takes it out, unless it has given way.
func (l *leaving) leave(nc net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.all, nc); i >= 0 {
		l.all = slices.Delete(l.all, i, i+1)
	}
}
