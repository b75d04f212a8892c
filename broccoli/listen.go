package broccoli

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
)

// Listener waits for peers.
type Listener struct {
	cfg       Config
	l         net.Listener
	peers     chan *Conn
	turns     chan struct{} // of those that are between the network and Accept
	ctx       context.Context
	cancel    context.CancelFunc
	work      sync.WaitGroup
	accepting chan struct{} // closed when nobody comes any more, because of err
	err       error
}

// maxWaiting is how many peers may be in the handshake, or wait for Accept. Others
// wait in the kernel.
const maxWaiting = 64

// acceptPause is how long nobody is accepted after an error.
const acceptPause = 100 * time.Millisecond

// Listen waits for peers at an address, host:port. The Config is for each of them;
// Reconnect has no meaning.
func Listen(address string, cfg Config) (*Listener, error) {
	cfg = cfg.withDefaults()
	cfg.Reconnect = false
	if strings.Contains(address, "://") {
		return nil, fmt.Errorf("broccoli: listening on %q: host:port alone, there is no listener for WebSocket clients", address)
	}
	var secured *tls.Config
	if cfg.TLS != nil {
		var err error
		if secured, err = cfg.TLS.server(); err != nil {
			return nil, fmt.Errorf("broccoli: %w", err)
		}
	}
	nl, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("broccoli: %w", err)
	}
	l := &Listener{
		cfg: cfg, l: nl, peers: make(chan *Conn), turns: make(chan struct{}, maxWaiting), accepting: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	go l.run(secured)
	return l, nil
}

// Addr returns the address that is listened at.
func (l *Listener) Addr() net.Addr { return l.l.Addr() }

// Accept returns the next peer, when its handshake is done. Peers whose handshake fails
// are told to Config.Logger.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-l.peers:
		return c, nil
	case <-l.accepting:
		return nil, l.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Close ends the listening. Peers that Accept has returned stay.
func (l *Listener) Close() error {
	l.cancel()
	err := l.l.Close()
	<-l.accepting
	l.work.Wait()
	return err
}

func (l *Listener) run(secured *tls.Config) {
	defer close(l.accepting)
	for {
		select {
		case l.turns <- struct{}{}:
		case <-l.ctx.Done():
			l.err = ErrClosed
			return
		}
		nc, err := l.l.Accept()
		if err != nil {
			<-l.turns
			l.refuse(err)
			continue
		}
		l.work.Go(func() {
			defer func() { <-l.turns }()
			l.welcome(nc, secured)
		})
	}
}

// refuse waits a little after an error, such as that of no descriptor being left: they
// pass.
func (l *Listener) refuse(err error) {
	if l.ctx.Err() != nil {
		return
	}
	l.cfg.Logger.Error("accepting", "address", l.Addr(), "error", err)
	select {
	case <-l.ctx.Done():
	case <-time.After(acceptPause):
	}
}

// welcome does the handshake, and waits for Accept.
func (l *Listener) welcome(nc net.Conn, secured *tls.Config) {
	delivery.KeepAlive(nc, l.cfg.Silence)
	ctx, cancel := context.WithTimeout(l.ctx, handshakeTime)
	defer cancel()
	c, s, err := l.greet(ctx, nc, secured)
	if err != nil {
		l.cfg.Logger.Info("handshake failed", "peer", nc.RemoteAddr(), "error", err)
		_ = nc.Close()
		return
	}
	c.start(s)
	select {
	case l.peers <- c:
	case <-c.done: // it has gone again
	case <-l.ctx.Done():
		_ = c.Close()
	}
}

func (l *Listener) greet(ctx context.Context, nc net.Conn, secured *tls.Config) (*Conn, *session, error) {
	if secured != nil {
		server := tls.Server(nc, secured)
		if err := server.HandshakeContext(ctx); err != nil {
			return nil, nil, fmt.Errorf("TLS: %w", err)
		}
		nc = server
	}
	c := newConn(l.cfg, target{secured: secured != nil})
	s, err := c.shakeHands(ctx, nc)
	return c, s, err
}
