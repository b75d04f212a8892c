// What the runtime of the core does in place of what the overlay has taken away.
// Part of package runtime in the build of the core alone.

package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
	"internal/runtime/syscall/linux"
	"unsafe"
)

// _cgo_guest_args is the vector that guest_linux.c has filled.
//
//go:linkname _cgo_guest_args _cgo_guest_args
var _cgo_guest_args unsafe.Pointer

// guestArgs returns arguments, environment and auxiliary vector of our own. The
// host may have overwritten its own: to rename itself, to clear its environment.
func guestArgs() (int32, **byte) {
	return 1, (**byte)(_cgo_guest_args)
}

// guestFlags are the flags that a handler had before the core took its signal over.
var guestFlags [_NSIG]uint64

const (
	guestNoDefer   = 0x40000000
	guestResetHand = 0x80000000
)

// guestTakeOver takes a signal over for faults of Go's own threads. A handler of
// the host is run with the mask and the flags that it was installed with, but on
// the alternate stack, if its thread has one: Go's threads need that.
//
//go:nosplit
//go:nowritebarrierrec
func guestTakeOver(sig uint32) {
	var before, sa sigactiont
	sigaction(sig, nil, &before)
	guestFlags[sig] = before.sa_flags
	sa.sa_flags = _SA_SIGINFO | _SA_ONSTACK | _SA_RESTORER | before.sa_flags&(_SA_RESTART|guestNoDefer)
	sa.sa_mask = before.sa_mask
	if GOARCH == "amd64" {
		sa.sa_restorer = abi.FuncPCABI0(sigreturn__sigaction)
	}
	sa.sa_handler = abi.FuncPCABI0(cgoSigtramp)
	sigaction(sig, &sa, nil)
}

// guestSignal deals with a signal that came to a thread of the host, and reports
// whether it was one. It touches nothing but the library's own data: in a child
// of fork() there is no heap of Go's, and nobody else to ask.
//
//go:nosplit
//go:nowritebarrierrec
func guestSignal(sig uint32, info *siginfo, ctx unsafe.Pointer) bool {
	if sig >= _NSIG {
		return false
	}
	if getg() != nil {
		return guestPassOn(sig, info, ctx)
	}
	handler, flags := atomic.Loaduintptr(&fwdSig[sig]), guestFlags[sig]
	if handler != _SIG_DFL && handler != _SIG_IGN {
		if flags&guestResetHand != 0 {
			guestDefault(sig)
		}
		sigfwd(handler, sig, info, ctx)
		return true
	}
	c := &sigctxt{info, ctx}
	if !c.sigFromUser() {
		guestDefault(sig) // the fault happens again, and is not ours any more
		return true
	}
	if handler == _SIG_DFL {
		guestDefault(sig)
		unblocksig(sig)
		raise(sig)
	}
	return true
}

// guestPassOn sends a signal to the process again that somebody has sent to it, and
// that a thread of Go has got since the host's have it blocked, and reports whether it
// was one. This thread blocks it from here on, and so at last do all.
//
//go:nosplit
//go:nowritebarrierrec
func guestPassOn(sig uint32, info *siginfo, ctx unsafe.Pointer) bool {
	isFault := sig == _SIGSEGV || sig == _SIGBUS || sig == _SIGFPE
	if !isFault || info.si_code > 0 {
		return false
	}
	mask := (*uint64)(unsafe.Pointer(&(*ucontext)(ctx).uc_sigmask))
	*mask |= 1 << (sig - 1)
	pid, _, _ := linux.Syscall6(guestCall(39, 172) /* getpid */, 0, 0, 0, 0, 0, 0)
	_, _, err := linux.Syscall6(guestCall(129, 138) /* rt_sigqueueinfo */, pid, uintptr(sig), uintptr(unsafe.Pointer(info)), 0, 0, 0)
	if err != 0 { // of kill(), whose sender the kernel lets nobody imitate
		linux.Syscall6(guestCall(62, 129) /* kill */, pid, uintptr(sig), 0, 0, 0, 0)
	}
	return true
}

// guestDefault gives a signal back its default action.
//
//go:nosplit
//go:nowritebarrierrec
func guestDefault(sig uint32) {
	var sa sigactiont
	sigaction(sig, &sa, nil)
}

const (
	guestDontFork = 10   // MADV_DONTFORK
	guestLimit    = 7    // RLIMIT_NOFILE
	guestCopy     = 1030 // F_DUPFD_CLOEXEC
	guestSetsig   = 10   // F_SETSIG
	guestGetsig   = 11   // F_GETSIG
	guestSetowner = 15   // F_SETOWN_EX
	guestGetowner = 16   // F_GETOWN_EX
)

// guestReserve maps memory that nothing is put into before it is touched, not even
// where the host has locked all its memory, and that a child of fork() does not
// get: it has no use for the heap of a runtime without threads.
//
//go:nosplit
func guestReserve(v unsafe.Pointer, n uintptr) (unsafe.Pointer, int) {
	p, err := mmap(v, n, _PROT_NONE, _MAP_ANON|_MAP_PRIVATE, -1, 0)
	for try := uint32(1); guestRefused(err, try); try++ {
		p, err = mmap(v, n, _PROT_NONE, _MAP_ANON|_MAP_PRIVATE, -1, 0)
	}
	if err == 0 {
		linux.Syscall6(guestCall(150, 229) /* munlock */, uintptr(p), n, 0, 0, 0, 0)
		madvise(p, n, guestDontFork)
	}
	return p, err
}

// guestTries is how often the kernel is asked for memory, and guestTries² / 2 for how
// many milliseconds: the runtime ends the process when it gets none.
const guestTries = 20

// guestRefused reports whether to ask again, and pauses before that.
//
//go:nosplit
func guestRefused(err int, try uint32) bool {
	if err != _ENOMEM && err != _EAGAIN || try >= guestTries {
		return false
	}
	usleep(try * 1000)
	return true
}

// guestCall returns the number of a system call that the runtime does not know.
//
//go:nosplit
func guestCall(amd64, arm64 uintptr) uintptr {
	if GOARCH == "arm64" {
		return arm64
	}
	return amd64
}

// guestMap makes reserved memory usable. To map it anew would lose what
// guestReserve has done.
//
//go:nosplit
func guestMap(v unsafe.Pointer, n uintptr) (unsafe.Pointer, int) {
	_, err := mprotect(v, n, _PROT_READ|_PROT_WRITE)
	for try := uint32(1); guestRefused(int(err), try); try++ {
		_, err = mprotect(v, n, _PROT_READ|_PROT_WRITE)
	}
	return v, int(err)
}

//go:nosplit
func guestAlloc(n uintptr) (unsafe.Pointer, int) {
	p, err := guestReserve(nil, n)
	if err != 0 {
		return nil, err
	}
	if _, err = guestMap(p, n); err != 0 {
		munmap(p, n)
		return nil, err
	}
	return p, 0
}

// guestHigh moves a descriptor out of the way of the host, which may use select()
// and count on low numbers: to 1024 or above, or into the upper quarter of what
// the limit allows. Where that fails it stays.
func guestHigh(fd int32) int32 {
	if fd < 0 {
		return fd
	}
	high, errno := fcntl(fd, guestCopy, 1024)
	if errno != 0 {
		var limit struct{ cur, max uint64 }
		_, _, err := linux.Syscall6(guestCall(302, 261) /* prlimit64 */, 0, guestLimit, 0, uintptr(unsafe.Pointer(&limit)), 0, 0)
		if err != 0 {
			return fd
		}
		high, errno = fcntl(fd, guestCopy, int32(limit.cur-limit.cur/4))
	}
	if errno != 0 {
		return fd
	}
	closefd(fd)
	guestMark(high)
	guestOpened(high)
	return high
}

//go:linkname guest_syscall_high syscall.guest_high
func guest_syscall_high(fd int32) int32 { return guestHigh(fd) }

// guestOwner is struct f_owner_ex.
type guestOwner struct{ kind, id int32 }

// The mark of our descriptors is that of descriptor_mark() in capi/descriptor.c: what
// no host has any use for, a signal for nobody.
const guestSignal64 = 64

var guestNobody = guestOwner{kind: 2} // F_OWNER_PGRP

func guestMark(fd int32) {
	fcntl(fd, guestSetsig, guestSignal64)
	guestFcntl(fd, guestSetowner, &guestNobody)
}

func guestMarked(fd int32) bool {
	sig, _ := fcntl(fd, guestGetsig, 0)
	var owner guestOwner
	return sig == guestSignal64 && guestFcntl(fd, guestGetowner, &owner) && owner == guestNobody
}

func guestFcntl(fd int32, cmd uintptr, owner *guestOwner) bool {
	_, _, errno := linux.Syscall6(guestCall(72, 25) /* fcntl */, uintptr(fd), cmd, uintptr(unsafe.Pointer(owner)), 0, 0, 0)
	return errno == 0
}

// _cgo_guest_opened is romanesco_opened of gcc_guest_linux.c.
//
//go:linkname _cgo_guest_opened _cgo_guest_opened
var _cgo_guest_opened unsafe.Pointer

// guestBit returns where it is noted that we have opened a descriptor.
func guestBit(fd int32) (word *uint32, bit uint32) {
	words := (*[1 << 20]uint32)(_cgo_guest_opened)
	if fd < 0 || uint32(fd)/32 >= words[0] {
		return nil, 0
	}
	return &words[1+uint32(fd)/32], 1 << (uint32(fd) % 32)
}

// guestOpened notes a descriptor for children, which close it.
func guestOpened(fd int32) {
	if word, bit := guestBit(fd); word != nil {
		atomic.Or(word, bit)
	}
}

//go:linkname guest_syscall_closing syscall.guest_closing
func guest_syscall_closing(fd int32) {
	if word, bit := guestBit(fd); word != nil {
		atomic.And(word, ^bit)
	}
}

// guestAgain is guestRefused for what no memory is asked for, but a descriptor.
func guestAgain(errno uintptr, try uint32) bool {
	if errno == 0 || try >= guestTries {
		return false
	}
	usleep(try * 1000)
	return true
}

// guestEpoll makes an epoll descriptor, out of the way of the host.
func guestEpoll() (int32, uintptr) {
	fd, errno := linux.EpollCreate1(linux.EPOLL_CLOEXEC)
	for try := uint32(1); guestAgain(errno, try); try++ {
		fd, errno = linux.EpollCreate1(linux.EPOLL_CLOEXEC)
	}
	return guestHigh(fd), errno
}

// guestEvent makes an eventfd in the same way.
func guestEvent() (int32, uintptr) {
	fd, errno := linux.Eventfd(0, linux.EFD_CLOEXEC|linux.EFD_NONBLOCK)
	for try := uint32(1); guestAgain(errno, try); try++ {
		fd, errno = linux.Eventfd(0, linux.EFD_CLOEXEC|linux.EFD_NONBLOCK)
	}
	return guestHigh(fd), errno
}

// guestEpollAdd has the first descriptor waited for.
func guestEpollAdd(fd int32, ev *linux.EpollEvent) uintptr {
	errno := linux.EpollCtl(epfd, linux.EPOLL_CTL_ADD, fd, ev)
	for try := uint32(1); guestAgain(errno, try); try++ {
		errno = linux.EpollCtl(epfd, linux.EPOLL_CTL_ADD, fd, ev)
	}
	return errno
}

// guestPollMax is how many milliseconds a wait for the network lasts at the most.
// A host that closes all descriptors takes the one that would end it from us.
const guestPollMax = 10000

var (
	guestPollLock  atomic.Uint32
	guestPollInode [3]uint64 // of the eventfd: device, inode and mark
)

// guestInode returns what a descriptor refers to.
func guestInode(fd int32) (id [3]uint64) {
	var stat [144]byte // struct stat; it begins with these two
	_, _, errno := linux.Syscall6(guestCall(5, 80) /* fstat */, uintptr(fd), uintptr(unsafe.Pointer(&stat)), 0, 0, 0, 0)
	if errno == 0 {
		both := *(*[2]uint64)(unsafe.Pointer(&stat))
		id = [3]uint64{both[0], both[1]}
		if guestMarked(fd) {
			id[2] = 1
		}
	}
	return id
}

// guestPollOurs reports whether the eventfd still is one; the host may have given
// its number to a file, into which nothing must be written.
func guestPollOurs() bool {
	return guestInode(int32(netpollEventFd)) == guestPollInode
}

// guestPollLost makes a new epoll descriptor after the host has closed ours. What
// waited there is lost: the core looks after its own descriptors. The old numbers
// are not closed; they may be the host's now.
func guestPollLost() {
	if !guestPollLock.CompareAndSwap(0, 1) {
		osyield()
		return
	}
	epoll, efd := guestPoll()
	if epoll >= 0 {
		guestPollInode = guestInode(efd)
		netpollEventFd = uintptr(efd)
		epfd = epoll
		netpollWakeSig.Store(0)
	} else {
		usleep(10000) // there may be a descriptor later
	}
	// Who waits on the old one does so until his time is up: another may wait.
	sched.lastpoll.CompareAndSwap(0, nanotime())
	guestPollLock.Store(0)
}

// guestPollAdd registers a descriptor, which may be a copy that nobody has told us of,
// with a new epoll if the host has closed ours.
func guestPollAdd(fd int32, ev *linux.EpollEvent) uintptr {
	guestOpened(fd)
	errno := linux.EpollCtl(epfd, linux.EPOLL_CTL_ADD, fd, ev)
	if errno != 0 && !guestPollOurs() {
		guestPollLost()
		errno = linux.EpollCtl(epfd, linux.EPOLL_CTL_ADD, fd, ev)
	}
	return errno
}

// guestPoll returns an epoll descriptor and an eventfd that is registered there.
func guestPoll() (epoll, efd int32) {
	epoll, errno := linux.EpollCreate1(linux.EPOLL_CLOEXEC)
	if errno != 0 {
		return -1, -1
	}
	epoll = guestHigh(epoll)
	efd, errno = linux.Eventfd(0, linux.EFD_CLOEXEC|linux.EFD_NONBLOCK)
	if errno == 0 {
		efd = guestHigh(efd)
		ev := linux.EpollEvent{Events: linux.EPOLLIN}
		*(**uintptr)(unsafe.Pointer(&ev.Data)) = &netpollEventFd
		if errno = linux.EpollCtl(epoll, linux.EPOLL_CTL_ADD, efd, &ev); errno == 0 {
			return epoll, efd
		}
		closefd(efd)
	}
	closefd(epoll)
	return -1, -1
}
