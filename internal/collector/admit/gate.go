// Package admit lets connections in, for whatever protocol: from listeners, up to a
// number, until a context ends. It imports nothing of the project.
package admit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Gate lets connections in, those of all its listeners together up to a number.
// Its fields are set before the first use.
type Gate struct {
	// What is what messages call the connections, such as "peers".
	What string
	// Max is how many may be open at a time.
	Max int
	// Goodbye, if set, tells a connection that it is turned away, in a bounded time,
	// and ends when the connection is closed. It does not close it itself.
	Goodbye func(nc net.Conn)
	Logf    func(format string, args ...any)

	// Open counts the connections, and those to count among them that came in
	// another way.
	Open atomic.Int64

	away    atomic.Uint64
	leaving leaving
	crowd   crowd
}

// pause is between two attempts while the system lets nobody in.
const pause = 100 * time.Millisecond

// TurnedAway returns how many connections have been.
func (g *Gate) TurnedAway() uint64 { return g.away.Load() }

// Serve lets connections in until ctx ends, and returns when all of them are done
// with. handle has each for itself until it or its context ends, and closes it; its
// panic is the end of that connection alone.
func (g *Gate) Serve(ctx context.Context, l net.Listener, handle func(ctx context.Context, nc net.Conn)) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		nc, err := g.next(ctx, l)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = nc.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("accepting %s: %w", g.What, err)
		}
		if g.Open.Add(1) > int64(g.Max) {
			g.Open.Add(-1)
			g.turnAway(&wg, nc)
			continue
		}
		g.crowd.letIn(g)
		wg.Go(func() {
			defer g.Open.Add(-1)
			g.guard(nc, func() { handle(ctx, nc) })
		})
	}
}

// next returns the next connection. What the network or the system says meanwhile,
// such as that there are no descriptors, passes; it is said once.
func (g *Gate) next(ctx context.Context, l net.Listener) (net.Conn, error) {
	for said := false; ; said = true {
		nc, err := l.Accept()
		var passing net.Error
		if err == nil || !errors.As(err, &passing) || errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return nc, err
		}
		if !said {
			g.Logf("accepting %s: %v; this is tried again", g.What, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// guard keeps the panic of one connection from being the end of all.
func (g *Gate) guard(nc net.Conn, f func()) {
	defer func() {
		if r := recover(); r != nil {
			g.Logf("%v: internal error: %v\n%s", nc.RemoteAddr(), r, debug.Stack())
			_ = nc.Close()
		}
	}()
	f()
}

// turnAway ends a connection for which there is no room.
func (g *Gate) turnAway(wg *sync.WaitGroup, nc net.Conn) {
	g.away.Add(1)
	g.crowd.turnAway(g, nc.RemoteAddr())
	if g.Goodbye == nil {
		_ = nc.Close()
		return
	}
	g.leaving.join(nc)
	wg.Go(func() {
		defer g.leaving.leave(nc)
		g.guard(nc, func() { g.Goodbye(nc) })
		_ = nc.Close()
	})
}
