package server

import (
	"os"

	"golang.org/x/sys/unix"
)

// pollable is a pidfd that a goroutine can wait for.
func pollable(f *os.File) *os.File {
	fd, err := unix.FcntlInt(uintptr(number(f)), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return f
	}
	_ = f.Close()
	_ = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), "host process")
}

// wakes reports whether a descriptor may be an eventfd, and makes sure that nobody waits who
// writes to one: a pipe or a socket would have us wait.
func wakes(f *os.File) bool {
	var st unix.Stat_t
	fd := number(f)
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == 0 && unix.SetNonblock(fd, true) == nil
}

// ended reports whether the process of a pidfd has ended.
func ended(pidfd int) bool {
	p := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0
}
