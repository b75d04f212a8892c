package server

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// listen lets other processes find the core by a path: those of the same user, and of root's.
// If another core is there already, or nobody may make a socket at that place, it serves who
// has started it alone.
func (s *Server) listen(path string) {
	addr := &net.UnixAddr{Name: path, Net: "unixpacket"}
	s.uid = os.Geteuid()
	old := unix.Umask(0o177)
	defer unix.Umask(old)
	if !s.lock(path + ".lock") {
		return // another core has it, or is about to
	}
	l, err := net.ListenUnix("unixpacket", addr)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(addr) && os.Remove(path) == nil {
		l, err = net.ListenUnix("unixpacket", addr)
	}
	if err != nil {
		return
	}
	l.SetUnlinkOnClose(false) // the right to that is given up
	s.listener = l
}

// lock keeps others from that path as long as this process lives.
func (s *Server) lock(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return false
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		_ = f.Close()
		return false
	}
	s.locked = f
	return true
}

// abandoned reports whether nobody listens any more at a path.
func abandoned(addr *net.UnixAddr) bool {
	c, err := net.DialUnix("unixpacket", nil, addr)
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// acceptHosts takes those that find the core, until its end.
func (s *Server) acceptHosts() {
	for {
		c, err := s.listener.AcceptUnix()
		if err != nil {
			return
		}
		if !s.mayEnter(c) {
			_ = c.Close()
			continue
		}
		s.hosts.Go(func() {
			defer c.Close()
			s.takeLinks(c)
		})
	}
}

// mayEnter asks the kernel who has the other end.
func (s *Server) mayEnter(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var who *unix.Ucred
	failed := raw.Control(func(fd uintptr) { who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return failed == nil && err == nil && (who.Uid == 0 || int(who.Uid) == s.uid)
}
