// Part of package syscall in the build of the core alone.

package syscall

import _ "unsafe" // for go:linkname

// guest_high moves a descriptor out of the way of the host.
//
//go:linkname guest_high
func guest_high(fd int32) int32

// guest_closing forgets a descriptor.
//
//go:linkname guest_closing
func guest_closing(fd int32)

func guestHigh(fd int, err error) (int, error) {
	if err == nil {
		fd = int(guest_high(int32(fd)))
	}
	return fd, err
}

// GuestCopy makes a copy of a descriptor of the host, for internal/poll. It has no mark,
// which would be one of the host's, too.
func GuestCopy(fd int) (int, error) {
	high, err := fcntl(fd, F_DUPFD_CLOEXEC, 1024)
	if err != nil {
		var limit Rlimit
		if Getrlimit(RLIMIT_NOFILE, &limit) == nil {
			high, err = fcntl(fd, F_DUPFD_CLOEXEC, int(limit.Cur-limit.Cur/4))
		}
	}
	if err != nil {
		high, err = fcntl(fd, F_DUPFD_CLOEXEC, 0)
	}
	return high, err
}
