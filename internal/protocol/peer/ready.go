package peer

import (
	"net"
	"syscall"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"

	"golang.org/x/sys/unix"
)

// readiness waits for a stream without a buffer.
type readiness struct {
	raw  syscall.RawConn
	fds  [1]unix.PollFd
	look func(fd uintptr) bool
}

// readinessOf returns nil where it cannot be told: over TLS there may be something in
// memory already.
func readinessOf(nc net.Conn) *readiness {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	r := &readiness{raw: raw}
	r.look = r.there
	return r
}

// there reports whether there is something to be read, an end or an error. A receive
// that only peeks would take an error away.
func (r *readiness) there(fd uintptr) bool {
	r.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	n, err := unix.Poll(r.fds[:], 0)
	return n > 0 || err != nil && err != unix.EINTR
}

// wait returns when there is something, or an error of the stream as a read does.
func (r *readiness) wait(w *delivery.Watch) error {
	w.Waits(true)
	defer w.Waits(false)
	return r.raw.Read(r.look)
}
