package main

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A host may close descriptors that it knows nothing of, ours among them, and be
// given their numbers for files of its own. What we have then is not ours to read,
// to write or to close.

var errForeign = errors.New("the host has closed the library's descriptors")

// identity is what a descriptor refers to. All eventfds and timerfds have one inode;
// ours have a mark besides, that of capi/descriptor.c.
type identity struct {
	fd       int
	dev, ino uint64
	mark     mark
}

// mark is which signal would tell of a descriptor, and whom.
type mark struct {
	signal int
	owner  struct{ kind, id int32 } // struct f_owner_ex
}

func identify(fd int) identity {
	id := identity{fd: fd}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil {
		id.dev, id.ino = st.Dev, st.Ino
		if st.Mode&unix.S_IFMT != unix.S_IFSOCK { // each of these has an inode of its own
			id.mark = markOf(fd)
		}
	}
	return id
}

func markOf(fd int) (m mark) {
	m.signal, _ = unix.FcntlInt(uintptr(fd), unix.F_GETSIG, 0)
	_, _, _ = unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_GETOWN_EX, uintptr(unsafe.Pointer(&m.owner)))
	return m
}

// ours reports whether the descriptor may still be what it was; it is quick, and
// sees all but another eventfd of ours in the place of one.
func (id identity) ours() bool { return identify(id.fd) == id && id.ino != 0 }

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

// abandoned keeps what must never be closed: its number may be the host's.
var abandoned struct {
	sync.Mutex
	list []any
}

func abandon(x interface{ SetDeadline(t time.Time) error }) {
	_ = x.SetDeadline(time.Unix(1, 0)) // who waits is to see it
	abandoned.Lock()
	defer abandoned.Unlock()
	abandoned.list = append(abandoned.list, x)
}

// bell is an eventfd that the host shares with us.
type bell struct {
	*os.File
	id      identity
	foreign atomic.Bool
}

func newBell(fd int, name string) (*bell, error) {
	f, err := dupFile(fd, name)
	if err != nil {
		return nil, err
	}
	b := &bell{File: f}
	err = control(f, func(fd uintptr) { b.id = identify(int(fd)) })
	return b, err
}

func control(f *os.File, do func(fd uintptr)) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(do)
}

// is reports whether the bell still is the eventfd of that number.
func (b *bell) is(number string) bool {
	now := eventfdNumber(b.id.fd)
	return b.id.ours() && (now == number || now == "" || number == "")
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
	if b.foreign.Load() || !b.id.ours() {
		return 0, errForeign
	}
	return b.File.Read(p)
}

func (b *bell) Write(p []byte) (int, error) {
	if b == nil {
		return 0, os.ErrInvalid
	}
	if b.foreign.Load() || !b.id.ours() {
		return 0, errForeign
	}
	return b.File.Write(p)
}

func (b *bell) Close() error {
	if b.foreign.Load() || !b.id.ours() {
		b.foreign.Store(true)
		abandon(b.File)
		return errForeign
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
	core, host := eventfdNumber(toCore.id.fd), eventfdNumber(toHost.id.fd)
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
		if toCore.is(core) && toHost.is(host) && (s == nil || s.gone.Load() || s.id.ours()) {
			continue
		}
		c.disown(s)
		return
	}
}

// disowned reports whether the host has closed our descriptors.
func (c *conn) disowned() bool { return c.foreign.Load() || !c.toCore.id.ours() }

func (c *conn) disown(s *socket) {
	c.toCore.foreign.Store(true)
	c.toHost.foreign.Store(true)
	if s != nil && !s.id.ours() {
		s.foreign.Store(true)
		abandon(s.TCPConn)
	}
	c.foreign.Store(true)
	c.link.refuse(errForeign)
	if p := c.current.Load(); p != nil {
		p.end(errForeign)
	}
	c.end()
}

// socket is a connection that ends when it is closed, whoever has a copy of it:
// of children that are made with clone() we are not told.
type socket struct {
	*net.TCPConn
	id      identity
	gone    atomic.Bool // we have closed it
	foreign atomic.Bool
	late    atomic.Bool // there is no time to linger
}

func newSocket(tcp *net.TCPConn) *socket {
	s := &socket{TCPConn: tcp}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { s.id = identify(int(fd)) })
	}
	return s
}

func (s *socket) Read(p []byte) (int, error) {
	if s.foreign.Load() || !s.gone.Load() && !s.id.ours() {
		return 0, errForeign
	}
	return s.TCPConn.Read(p)
}

func (s *socket) Write(p []byte) (int, error) {
	if s.foreign.Load() || !s.gone.Load() && !s.id.ours() {
		return 0, errForeign
	}
	return s.TCPConn.Write(p)
}

func (s *socket) Close() error {
	if s.gone.Swap(true) {
		return s.TCPConn.Close() // which says that it is closed
	}
	if s.foreign.Load() || !s.id.ours() {
		s.foreign.Store(true)
		abandon(s.TCPConn)
		return errForeign
	}
	_ = s.CloseWrite()
	s.linger()
	return s.TCPConn.Close()
}
