package core

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// dial connects to the peer, or takes a copy of the socket given, and goes
// into TLS where it is asked for.
func (c *conn) dial(ctx context.Context) (net.Conn, error) {
	nc, err := c.stream(ctx)
	if err != nil {
		return nil, err
	}
	if c.set.secure == nil {
		return nc, nil
	}
	// Read each time: certificates are renewed.
	cfg, err := c.set.secure.Config()
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	secured := tls.Client(nc, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		if c.set.zeek != nil {
			err = websocket.TLSError(err)
		}
		return nil, fmt.Errorf("TLS with %s: %w", nc.RemoteAddr(), err)
	}
	return secured, nil
}

func (c *conn) stream(ctx context.Context) (net.Conn, error) {
	if c.set.socket >= 0 {
		return c.given()
	}
	if _, _, err := net.SplitHostPort(c.set.peer); err != nil {
		return nil, fmt.Errorf("peer %q is not of the form host:port: %w", c.set.peer, err)
	}
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(c.link.own)
	}}
	nc, err := dialer.DialContext(ctx, "tcp", c.set.peer)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	c.own(nc)
	return c.lasting(nc.(*net.TCPConn)), nil
}

// given is a copy of the host's socket.
func (c *conn) given() (net.Conn, error) {
	f, err := dupFile(c.set.socket, "socket")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("using socket %d: %w", c.set.socket, err)
	}
	c.own(nc)
	s, ok := nc.(stream)
	if !ok {
		_ = nc.Close()
		return nil, fmt.Errorf("using socket %d: it is no stream", c.set.socket)
	}
	return c.lasting(s), nil
}

// own publishes the socket of a connection.
func (c *conn) own(nc net.Conn) {
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(c.link.own)
		}
	}
}

// lasting watches over a connection from its beginning to its very end.
func (c *conn) lasting(nc stream) net.Conn {
	delivery.KeepAlive(nc, c.set.silence)
	keepLittle(nc)
	s := newSocket(nc)
	c.sock.Store(s)
	return s
}

// unsentMost is how much the kernel takes before the network does. With more of it a peer that
// reads steadily seems to stand still, since the kernel asks for more only when a third is gone.
const unsentMost = 128 << 10

func keepLittle(nc stream) {
	if raw, err := nc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMost)
		})
	}
}

// lingerMax is how long the end of a connection waits at the most for a peer that
// goes on sending, quietFor how long one must send nothing to count as quiet.
const (
	lingerMax = time.Second
	quietFor  = 50 * time.Millisecond
)

// linger reads until the peer ends too, or is quiet and its kernel has acknowledged
// all that was written: a socket that is closed before what comes in has been read
// resets the connection, and what the peer has not read is lost with it.
func (s *socket) linger() {
	raw, err := s.SyscallConn()
	if err != nil {
		return
	}
	unacknowledged := func() (n int) {
		_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		return n
	}
	b := make([]byte, 64<<10)
	for end := time.Now().Add(lingerMax); time.Now().Before(end) && !s.late.Load(); {
		_ = s.SetReadDeadline(time.Now().Add(quietFor))
		_, err := s.Read(b)
		quiet := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !quiet || quiet && unacknowledged() == 0 {
			return
		}
	}
}

// dupFile takes a copy of a descriptor that no exec'd program inherits.
func dupFile(fd int, name string) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, shared.Selectable)
	if err != nil {
		n, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, upperQuarter())
	}
	if err != nil {
		n, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	}
	if err != nil {
		return nil, fmt.Errorf("copying descriptor %d (%s): %w", fd, name, err)
	}
	if err := syscall.SetNonblock(n, true); err != nil {
		return nil, fmt.Errorf("descriptor %d (%s): %w", fd, name, err)
	}
	return os.NewFile(uintptr(n), name), nil
}

// upperQuarter is where our descriptors begin when the limit allows none beyond
// what select() can wait for, to leave the low numbers to the host. The runtime of the
// core does the same with its own (internal/tools/overlay).
func upperQuarter() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 3
	}
	return int(limit.Cur - limit.Cur/4)
}
