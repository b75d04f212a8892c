package broccoli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// link is one connection to a peer, whatever that speaks. One goroutine steps, and
// asks for the receipt of a ping; others send, and give receipts.
type link interface {
	PeerClass() string
	Step(ev *event.Event) (arrival.Kind, error)
	Receipt() func() error
	Alive() error
	Wants(name string) bool
	Send(ev *event.Event) error
	SendSerial(payload []byte) error
	Request(names []string) error
	Flush() error
	Close() error
	Release()
}

// finisher is a link that can tell when the peer has read everything.
type finisher interface{ Finish() error }

// target is where to connect to.
type target struct {
	addr    string // host:port
	zeek    bool
	secured bool
}

// parseTarget reads host:port, ws://host:port or wss://host:port.
func parseTarget(address string, cfg *Config) (target, error) {
	t := target{addr: address, secured: cfg.TLS != nil}
	if scheme, addr, found := strings.Cut(address, "://"); found {
		t.addr, t.zeek = addr, true
		switch {
		case scheme == "wss" && cfg.TLS != nil, scheme == "ws" && cfg.TLS == nil:
		case scheme == "wss":
			return t, fmt.Errorf("address %q wants Config.TLS", address)
		case scheme == "ws":
			return t, fmt.Errorf("address %q is in the clear and Config.TLS is set: it is wss://", address)
		default:
			return t, fmt.Errorf("address %q: host:port, ws://host:port or wss://host:port", address)
		}
	}
	_, err := hostOf(t.addr)
	return t, err
}

// stream connects, within the time of ctx.
func (t target) stream(ctx context.Context, cfg *Config) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, err
	}
	delivery.KeepAlive(nc, cfg.Silence)
	if !t.secured {
		return nc, nil
	}
	host, _ := hostOf(t.addr)
	secured, err := cfg.TLS.client(host, t.zeek)
	if err == nil {
		client := tls.Client(nc, secured)
		if err = client.HandshakeContext(ctx); err == nil {
			return client, nil
		}
		if t.zeek {
			err = websocket.TLSError(err)
		}
		err = fmt.Errorf("TLS with %s: %w", t.addr, err)
	}
	_ = nc.Close()
	return nil, err
}

// open does the handshake on a stream.
func (c *Conn) open(ctx context.Context, nc net.Conn, names []string) (link, error) {
	if c.target.zeek {
		l, err := websocket.Open(ctx, nc, c.zeekConfig(names))
		if err != nil {
			return nil, err // no typed nil
		}
		return l, nil
	}
	l, err := peer.Open(ctx, nc, c.peerConfig(names))
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Of what a peer may make us hold, beside its largest event: values in one event,
// what references make of one, what is remembered for later ones.
const (
	maxValues    = 1 << 16
	maxFromCache = 32 << 10
	maxCache     = 1 << 20
)

func (c *Conn) peerConfig(names []string) peer.Config {
	return peer.Config{
		Class: c.cfg.Class, Originator: c.target.addr != "", Runtime: uint32(time.Since(c.began).Seconds()),
		Requests: names, Whole: c.target.secured, Journal: c.journal, SetAside: c.setAside,
		Silence: c.cfg.Silence, MessageTime: messageTime, Logf: c.debugf,
		Limits: wire.Limits{
			MaxChunk: c.cfg.MaxEvent, MaxBytes: c.cfg.MaxEvent, MaxElems: maxValues,
			MaxFromCache: maxFromCache, MaxCacheBytes: maxCache,
		},
	}
}

func (c *Conn) zeekConfig(names []string) websocket.Config {
	return websocket.Config{
		Host: c.target.addr, Application: "romanesco-broccoli", Topic: c.cfg.Zeek.Topic, Subscribe: c.cfg.Zeek.Subscribe,
		Requests: names, Journal: c.journal, SetAside: c.setAside,
		Silence: c.cfg.Silence, MessageTime: messageTime, Logf: c.debugf,
		Limits: zeek.Limits{MaxMessage: c.cfg.MaxEvent, MaxValues: maxValues},
		OnFailure: func(f *zeek.Failure) {
			c.stats.refused.Add(1)
			c.cfg.Logger.Warn("Zeek has not taken an event", "peer", c.RemoteAddr(), "reason", f.Error())
		},
	}
}

// pack encodes an event for the peer, and finds whatever cannot be sent.
func (c *Conn) pack(ev *Event) (item, error) {
	e, err := toEvent(ev)
	if err != nil {
		return item{}, err
	}
	it := item{name: ev.Name, ev: e}
	var b []byte
	if c.target.zeek {
		b, err = zeek.NewEncoder(c.cfg.Zeek.Topic, zeek.Current).AppendEvent(nil, e)
	} else {
		b, err = (&wire.Encoder{Named: true}).AppendSerialEvent(nil, e)
		it.ev, it.payload = nil, b
	}
	if errors.Is(err, event.ErrUnencodable) {
		return item{}, fmt.Errorf("%w: %w", ErrValue, err)
	}
	it.size = len(b) + itemSize
	return it, err
}

// itemSize is what an event takes beside its bytes.
const itemSize = 128
