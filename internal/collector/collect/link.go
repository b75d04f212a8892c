package collect

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// links are the connections that we make: one for each destination that wants it.
type links struct {
	mu     sync.Mutex
	ctx    context.Context // of run; nil before and after
	end    context.CancelFunc
	all    map[linkKey]*link
	active int // and what keeps run
	none   chan struct{}
}

// link is a destination that we connect to, again and again if it has a retry.
type link struct {
	// dest is what the peer is to us: a reload may change what it is asked for.
	dest atomic.Pointer[Destination]
	// changed has a value when dest has been stored anew.
	changed chan struct{}
	cancel  context.CancelCauseFunc // nil if it does not run
}

func newLink() *link { return &link{changed: make(chan struct{}, 1)} }

// becomes has the link be to d.
func (l *link) becomes(d *Destination) {
	l.dest.Store(d)
	select {
	case l.changed <- struct{}{}:
	default: // who waits looks at dest anyway
	}
}

// hasChanged reports whether there was a change since it was asked last.
func (l *link) hasChanged() bool {
	select {
	case <-l.changed:
		return true
	default:
		return false
	}
}

// pause waits until it is time to connect again, which a change may make sooner or later.
// It returns false when ctx ends, or there is no retry.
func (l *link) pause(ctx context.Context) bool {
	l.hasChanged() // what it has become is looked at here
	for from := time.Now(); ; {
		d := l.dest.Load()
		if d.Retry <= 0 {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Until(from.Add(d.Retry))):
			return true
		case <-l.changed:
		}
	}
}

// errGone is why a link ends that is none any more.
var errGone = errors.New("it is no destination any more")

// linkKey is all that a connection is made with: if something of it changes, another
// connection is made.
type linkKey struct {
	address, class, name, names, filter string
	ssl, cache, sync, auth              bool
	compression, nth                    int
}

func (d *Destination) linkKey() linkKey {
	k := linkKey{
		address: d.address(), class: d.Class, name: d.certificateName(), filter: d.CaptureFilter,
		ssl: d.SSL, cache: d.Cache, sync: d.Sync, auth: d.Auth, compression: d.Compression,
	}
	if d.TLSNames != nil {
		k.names = d.TLSNames.String()
	}
	return k
}

// connector connects to a destination until ctx ends, or there is no use in it. It
// returns an error if no other link can go on either.
type connector func(ctx context.Context, l *link) error

// update takes over destinations: links that there are go on with what is new for
// them. start begins with new ones and ends those that there are no more.
func (ls *links) update(all []Destination) (start func(connect connector)) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	next := map[linkKey]*link{}
	for i := range all {
		d := &all[i]
		if !d.Connect {
			continue
		}
		k := d.linkKey()
		for next[k] != nil {
			k.nth++
		}
		l := ls.all[k]
		if l == nil {
			l = newLink()
		}
		l.becomes(d)
		next[k] = l
	}
	gone := ls.all
	ls.all = next
	return func(connect connector) {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		ls.start(connect)
		for k, l := range gone {
			if next[k] == nil && l.cancel != nil {
				l.cancel(errGone)
			}
		}
	}
}

// start begins with the links that do not run. The lock is held.
func (ls *links) start(connect connector) {
	if ls.ctx == nil {
		return
	}
	for _, l := range ls.all {
		if l.cancel != nil {
			continue
		}
		var ctx context.Context
		ctx, l.cancel = context.WithCancelCause(ls.ctx)
		ls.active++
		go func() {
			defer ls.ended(l, connect)
			if connect(ctx, l) != nil {
				ls.end()
			}
		}()
	}
}

// ended has a later start begin anew with a link: at once if there was a change that it
// has not looked at.
func (ls *links) ended(l *link, connect connector) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.cancel(nil)
	l.cancel = nil
	if l.hasChanged() {
		ls.start(connect)
	}
	ls.done()
}

// done ends run with the last one. The lock is held.
func (ls *links) done() {
	if ls.active--; ls.active == 0 {
		ls.ctx = nil
		close(ls.none)
	}
}

// run connects until ctx ends, or none can go on, or no link is left and none can come:
// that is when stay is false.
func (ls *links) run(ctx context.Context, stay bool, connect connector) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	ls.mu.Lock()
	ls.ctx, ls.end, ls.none, ls.active = ctx, end, make(chan struct{}), 1
	none := ls.none
	ls.start(connect)
	ls.mu.Unlock()
	if stay {
		<-ctx.Done()
	}
	ls.mu.Lock()
	ls.done()
	ls.mu.Unlock()
	<-none
}
