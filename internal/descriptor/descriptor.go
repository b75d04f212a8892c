// Package descriptor tells whether a descriptor still is what it was. A host may close
// descriptors that it knows nothing of, the library's among them, and be given their
// numbers for files of its own. What is there then is not the library's to read, to
// write or to close.
package descriptor

import (
	"errors"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrForeign says that a descriptor is not what it was.
var ErrForeign = errors.New("the host has closed the library's descriptors")

// Identity is what a descriptor refers to. All eventfds and timerfds have one inode;
// ours have a mark besides, that of capi/descriptor.c.
type Identity struct {
	FD       int
	dev, ino uint64
	mark     mark
}

// mark is which signal would tell of a descriptor, and whom.
type mark struct {
	signal int
	owner  struct{ kind, id int32 } // struct f_owner_ex
}

// Identify returns what a descriptor refers to now.
func Identify(fd int) Identity {
	id := Identity{FD: fd}
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

// Ours reports whether the descriptor may still be what it was; it is quick, and
// sees all but another eventfd of ours in the place of one.
func (id Identity) Ours() bool { return Identify(id.FD) == id && id.ino != 0 }

// abandoned keeps what must never be closed: its number may be the host's.
var abandoned struct {
	sync.Mutex
	list []any
}

// Abandon keeps what has a descriptor from being closed when nobody uses it any more.
func Abandon(x any) {
	abandoned.Lock()
	defer abandoned.Unlock()
	abandoned.list = append(abandoned.list, x)
}
