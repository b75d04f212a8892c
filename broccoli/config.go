package broccoli

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// Config is what one side brings to a connection. The zero Config asks for nothing, and
// sends in the clear.
type Config struct {
	// Events are the names of the events that are asked of the peer. Who asks for any
	// has to call Receive until the end: when Pending bytes of events wait for it,
	// nothing more is read, no confirmations either.
	Events []string
	// Class is the class that a Bro may have configured for this peer.
	Class string
	// TLS, if set, secures the connection.
	TLS *TLS
	// Confirm keeps what is sent until the peer has confirmed it: each event arrives at
	// least once, over reconnects too. It is for peers that confirm: a Romanesco, a
	// program that uses this package, a Zeek (which has read it then), a Bro (whose
	// kernel has it then). The original libbroccoli does not.
	Confirm bool
	// Reconnect makes a connection anew that Dial has made and that is lost, again and
	// again until Close. What waits to be sent is kept. Without Confirm, what was under
	// way may be lost or come twice.
	Reconnect bool
	// Pending is how many bytes of events may wait to be sent, and with Confirm how many
	// more may wait for their confirmation, until Send waits, and how many may wait for
	// Receive; 0: 1 MiB.
	Pending int
	// MaxEvent is how many bytes an event that comes may have; 0: 4 MiB. A larger one
	// ends the connection.
	MaxEvent int
	// Silence is how long a peer may give no sign of life; 0: one minute, negative: for
	// ever.
	Silence time.Duration
	// Zeek is for peers that are a Zeek.
	Zeek Zeek
	// Refused, if set, is told of each event that was confirmed by nobody because the
	// peer ends the connection whenever it comes; without Refused it is logged. It is
	// not to call the Conn.
	Refused func(ev *Event, why error)
	// Logger, if set, is told what may interest who looks for a fault.
	Logger *slog.Logger
}

// Zeek is what Zeek's WebSocket API wants to know: addresses ws://host:port and
// wss://host:port.
type Zeek struct {
	// Topic is what events are sent on; empty: broccoli/from-clients.
	Topic string
	// Subscribe are the prefixes of topics whose events come; empty: broccoli/to-clients.
	Subscribe []string
}

// TLS are the files of certificates. Both sides show a certificate of the CA. They are
// read for each connection that is made, so that they may be renewed.
type TLS struct {
	// CA, Cert and Key are the names of PEM files; Key may be empty if Cert has both.
	CA, Cert, Key string
	// Password decrypts the key.
	Password string
	// PeerName is the name that the peer's certificate must have; empty: with Dial the
	// host of the address, with Listen any.
	PeerName string
	// AnyName accepts any certificate of the CA.
	AnyName bool
	// CRL is the name of a file with revocation lists of the CA.
	CRL string
	// MinVersion is "1.0" to "1.3"; empty: 1.2.
	MinVersion string
}

// client returns what is needed to connect to a host.
func (t *TLS) client(host string, nameless bool) (*tls.Config, error) {
	s := t.settings()
	s.Nameless = nameless && t.Cert == ""
	if s.PeerName == "" && !t.AnyName {
		s.PeerName = host
	}
	cfg, err := s.Config()
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return cfg, nil
}

// server returns what a listener needs.
func (t *TLS) server() (*tls.Config, error) {
	src, err := t.settings().Source()
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return src.Server(), nil
}

func (t *TLS) settings() secure.Settings {
	s := secure.Settings{
		CACert: t.CA, HostCert: t.Cert, HostKey: t.Key, HostPass: t.Password,
		PeerName: t.PeerName, CRL: t.CRL, MinVersion: t.MinVersion,
	}
	if t.AnyName {
		s.PeerName = ""
	}
	return s
}

const (
	defaultPending  = 1 << 20
	defaultMaxEvent = 4 << 20
	defaultSilence  = time.Minute
	// messageTime is how long a peer may take for a message that it has begun, and
	// handshakeTime for the handshake with a Listener.
	messageTime   = 2 * time.Minute
	handshakeTime = 30 * time.Second
)

// withDefaults fills in what is not set, and has a copy of what may be changed.
func (c Config) withDefaults() Config {
	if c.Pending <= 0 {
		c.Pending = defaultPending
	}
	if c.MaxEvent <= 0 {
		c.MaxEvent = defaultMaxEvent
	}
	switch {
	case c.Silence == 0:
		c.Silence = defaultSilence
	case c.Silence < 0:
		c.Silence = 0
	}
	if c.Zeek.Topic == "" {
		c.Zeek.Topic = "broccoli/from-clients"
	}
	if len(c.Zeek.Subscribe) == 0 {
		c.Zeek.Subscribe = []string{"broccoli/to-clients"}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Events = append([]string(nil), c.Events...)
	return c
}

// hostOf returns the host of an address.
func hostOf(addr string) (string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("address %q is not of the form host:port: %w", addr, err)
	}
	return host, nil
}
