package server

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confineTime is long for giving up rights, and what its host waits for is longer.
const confineTime = 4 * time.Second

// patience has the kernel end this process after that time, unless stop is called before. A call
// that is made on all threads waits for ever, at full speed, where a limit or a filter of system
// calls of the host's keeps signals from them, and nothing of Go runs meanwhile.
func patience(d time.Duration) (stop func()) {
	const byDefault, ignored = 0, 1 // SIG_DFL, SIG_IGN
	dispose(unix.SIGALRM, byDefault)
	_, _ = unix.Setitimer(unix.ITIMER_REAL, unix.Itimerval{Value: unix.NsecToTimeval(int64(d))})
	return func() { dispose(unix.SIGALRM, ignored) } // which goes on being allowed
}

// dispose says what a signal does, past Go, whose handler does nothing with it.
func dispose(sig unix.Signal, handler uintptr) {
	action := [8]uintptr{handler} // no flags, no mask
	const maskSize = 8
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, maskSize, 0, 0)
}
