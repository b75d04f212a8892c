package hosttest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between a host and its peer, and does what networks do.
type proxy struct {
	addr string // for the host
	to   func() string

	// life is how many bytes a connection passes on, both ways together,
	// until it breaks; nil: any number.
	life func() int64

	calm  atomic.Bool // no more of that
	cuts  atomic.Int64
	mu    sync.Mutex
	links []*passage // those that are open
}

// passage is one connection through the proxy.
type passage struct {
	near, far net.Conn
	left      atomic.Int64
	swallows  atomic.Bool
}

func newProxy(t *testing.T, to func() string, life func() int64) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{addr: l.Addr().String(), to: to, life: life}
	t.Cleanup(func() {
		_ = l.Close()
		p.swallow(false)
		p.each(func(q *passage) { _ = q.near.Close() })
	})
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(near)
		}
	}()
	return p
}

func (p *proxy) each(f func(*passage)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.links {
		f(q)
	}
}

// swallow makes the connections that are open lead nowhere, without a word.
func (p *proxy) swallow(yes bool) { p.each(func(q *passage) { q.swallows.Store(yes) }) }

func (p *proxy) serve(near net.Conn) {
	far, err := net.Dial("tcp", p.to())
	if err != nil {
		_ = near.Close()
		return
	}
	q := &passage{near: near, far: far}
	q.left.Store(1 << 62)
	if p.life != nil && !p.calm.Load() {
		q.left.Store(p.life())
	}
	p.mu.Lock()
	p.links = append(p.links, q)
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(q, near, far) })
	both.Go(func() { p.pass(q, far, near) })
	both.Wait()
}

// pass ends both directions when one of them does; a cut is a reset, so that
// what is under way is gone.
func (p *proxy) pass(q *passage, from, to net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if q.swallows.Load() && err == nil {
			continue
		}
		left := q.left.Add(-int64(n))
		if left < 0 && left+int64(n) >= 0 {
			_, _ = to.Write(b[:n+int(left)])
			p.cuts.Add(1)
			_ = q.near.(*net.TCPConn).SetLinger(0)
			_ = q.far.(*net.TCPConn).SetLinger(0)
		} else if left >= 0 {
			_, _ = to.Write(b[:n])
		}
		if left < 0 || err != nil {
			_ = q.near.Close()
			_ = q.far.Close()
			return
		}
	}
}
