package core

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/descriptor"
)

// eventfdNumber tells eventfds apart, which all have one inode; "" where nobody says.
func eventfdNumber(fd int) string {
	// Not as an os.File, which costs twice as much.
	info, err := unix.Open("/proc/self/fdinfo/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(info)
	var b [512]byte
	n, _ := unix.Read(info, b[:])
	_, rest, _ := strings.Cut(string(b[:max(n, 0)]), "eventfd-id:")
	number, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(number)
}

// abandon has nobody wait for what must never be closed.
func abandon(x interface{ SetDeadline(t time.Time) error }) {
	_ = x.SetDeadline(time.Unix(1, 0)) // who waits is to see it
	descriptor.Abandon(x)
}

// bell is an eventfd that the host shares with us.
type bell struct {
	*os.File
	id      descriptor.Identity
	foreign atomic.Bool
}

func newBell(fd int, name string) (*bell, error) {
	f, err := dupFile(fd, name)
	if err != nil {
		return nil, err
	}
	b := &bell{File: f}
	err = descriptor.Control(f, func(fd uintptr) { b.id = descriptor.Identify(int(fd)) })
	return b, err
}

// is reports whether the bell still is the eventfd of that number.
func (b *bell) is(number string) bool {
	now := eventfdNumber(b.id.FD)
	return b.id.Ours() && (now == number || now == "" || number == "")
}

// SetReadDeadline wakes who reads; there may be no bell yet.
func (b *bell) SetReadDeadline(t time.Time) error {
	if b == nil {
		return os.ErrInvalid
	}
	return b.File.SetReadDeadline(t)
}

func (b *bell) Read(p []byte) (int, error) {
	if b == nil {
		return 0, os.ErrInvalid
	}
	if b.foreign.Load() || !b.id.Ours() {
		return 0, descriptor.ErrForeign
	}
	return b.File.Read(p)
}

func (b *bell) Write(p []byte) (int, error) {
	if b == nil {
		return 0, os.ErrInvalid
	}
	if b.foreign.Load() || !b.id.Ours() {
		return 0, descriptor.ErrForeign
	}
	return b.File.Write(p)
}

func (b *bell) Close() error {
	if b.foreign.Load() || !b.id.Ours() {
		b.foreign.Store(true)
		abandon(b.File)
		return descriptor.ErrForeign
	}
	return b.File.Close()
}

// watchEach is how often a connection looks after its descriptors: all of them at
// the same moments, since each wakes an idle process.
const watchEach = 5 * time.Second

func untilWatch() time.Duration {
	now := time.Now()
	return now.Truncate(watchEach).Add(watchEach).Sub(now)
}

// watch ends the connection when its descriptors are not its own any more.
func (c *conn) watch(r *run, toCore, toHost *bell) {
	core, host := eventfdNumber(toCore.id.FD), eventfdNumber(toHost.id.FD)
	next := time.NewTimer(untilWatch())
	defer next.Stop()
	for {
		select {
		case <-r.done:
			return
		case <-next.C:
			next.Reset(untilWatch())
		}
		s := c.sock.Load()
		if toCore.is(core) && toHost.is(host) && (s == nil || s.gone.Load() || s.id.Ours()) {
			continue
		}
		c.disown(s)
		return
	}
}

// disowned reports whether the host has closed our descriptors.
func (c *conn) disowned() bool { return c.foreign.Load() || !c.toCore.id.Ours() }

// note ends the connection if a file that it keeps open is not its own any more.
func (c *conn) note(err error) {
	if errors.Is(err, descriptor.ErrForeign) && !c.foreign.Load() {
		c.disown(c.sock.Load())
	}
}

func (c *conn) disown(s *socket) {
	c.toCore.foreign.Store(true)
	c.toHost.foreign.Store(true)
	if s != nil && !s.id.Ours() {
		s.foreign.Store(true)
		abandon(s.stream)
	}
	c.foreign.Store(true)
	c.link.refuse(descriptor.ErrForeign)
	if p := c.current.Load(); p != nil {
		p.end(descriptor.ErrForeign)
	}
	c.end()
}

// stream is a connection by TCP, or by a socket of the machine.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// socket is a connection that ends when it is closed, whoever has a copy of it:
// of children that are made with clone() we are not told.
type socket struct {
	stream
	id      descriptor.Identity
	gone    atomic.Bool // we have closed it
	foreign atomic.Bool
	late    atomic.Bool // there is no time to linger
}

func newSocket(nc stream) *socket {
	s := &socket{stream: nc}
	if raw, err := nc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { s.id = descriptor.Identify(int(fd)) })
	}
	return s
}

func (s *socket) Read(p []byte) (int, error) {
	if s.foreign.Load() || !s.gone.Load() && !s.id.Ours() {
		return 0, descriptor.ErrForeign
	}
	return s.stream.Read(p)
}

func (s *socket) Write(p []byte) (int, error) {
	if s.foreign.Load() || !s.gone.Load() && !s.id.Ours() {
		return 0, descriptor.ErrForeign
	}
	return s.stream.Write(p)
}

func (s *socket) Close() error {
	if s.gone.Swap(true) {
		return s.stream.Close() // which says that it is closed
	}
	if s.foreign.Load() || !s.id.Ours() {
		s.foreign.Store(true)
		abandon(s.stream)
		return descriptor.ErrForeign
	}
	_ = s.CloseWrite()
	s.linger()
	return s.stream.Close()
}
