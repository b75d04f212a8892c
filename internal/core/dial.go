package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"syscall"

	"romanesco/internal/peer"
)

// dial connects to the peer, or takes a copy of the socket given, and goes
// into TLS where it is asked for. It returns the number of the socket too.
func dial(ctx context.Context, s *settings) (net.Conn, int, error) {
	nc, err := stream(ctx, s)
	if err != nil {
		return nil, -1, err
	}
	peer.KeepAlive(nc, s.silence)
	fd := descriptor(nc)
	if s.secure == nil {
		return nc, fd, nil
	}
	// Read each time: certificates are renewed.
	cfg, err := s.secure.Config()
	if err != nil {
		_ = nc.Close()
		return nil, -1, fmt.Errorf("TLS: %w", err)
	}
	secured := tls.Client(nc, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, -1, fmt.Errorf("TLS with %s: %w", nc.RemoteAddr(), err)
	}
	return secured, fd, nil
}

func stream(ctx context.Context, s *settings) (net.Conn, error) {
	if s.socket < 0 {
		if _, _, err := net.SplitHostPort(s.peer); err != nil {
			return nil, fmt.Errorf("peer %q is not of the form host:port: %w", s.peer, err)
		}
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", s.peer)
		if err != nil {
			return nil, fmt.Errorf("connecting: %w", err)
		}
		return nc, nil
	}
	f, err := dupFile(s.socket, "socket")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("using socket %d: %w", s.socket, err)
	}
	return nc, nil
}

// dupFile takes a copy of a descriptor that no exec'd program inherits.
func dupFile(fd int, name string) (*os.File, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 3)
	if errno != 0 {
		return nil, fmt.Errorf("copying descriptor %d (%s): %w", fd, name, errno)
	}
	if err := syscall.SetNonblock(int(n), true); err != nil {
		return nil, fmt.Errorf("descriptor %d (%s): %w", fd, name, err)
	}
	return os.NewFile(n, name), nil
}

// descriptor returns the number of the descriptor of a connection.
func descriptor(nc net.Conn) int {
	n := -1
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { n = int(fd) })
		}
	}
	return n
}
