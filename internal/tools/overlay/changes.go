package main

// A change is a place in a file of the Go standard library and what stands there
// instead. In the text that begins with the line starting with within, and ends
// with the function that begins there, from must be once; in the whole file if
// within is empty.
type change struct{ within, from, to string }

// An effect is something that a Go runtime does to its process, and what takes it away.
type effect struct {
	file    string // below GOROOT/src
	what    string
	changes []change
}

// added are files of ours that become part of packages of the standard library.
var added = map[string]string{
	"runtime/guest_linux.go":        "_guest/guest_linux.go",
	"syscall/guest_linux.go":        "_guest/syscall/guest_linux.go",
	"runtime/cgo/guest_linux.go":    "_guest/cgo/guest_linux.go",
	"runtime/cgo/gcc_guest_linux.c": "_guest/cgo/gcc_guest_linux.c",
}

// The C functions of runtime/cgo that start threads are the same on all processors that we know.
var threadStart = []change{
	declareGuest,
	{"_cgo_sys_thread_start(", "pthread_attr_init(", "guest_attr_init("},
}

// So is what ends the process when there is no memory for a few bytes.
var threadMemory = []change{
	{"x_cgo_init(", "(uintptr*)malloc(2 * sizeof(uintptr))", "guest_bounds"},
	{"x_cgo_init(", "free(pbounds)", "(void)0"},
	{"threadentry(", "free(v)", "guest_start_free(v)"},
}

// What the core closes is noted in the same way on all processors.
var closing = []change{
	{"func Close(", "_, _, e1 := Syscall(SYS_CLOSE", "guest_closing(int32(fd))\n\t_, _, e1 := Syscall(SYS_CLOSE"},
}

var declareGuest = change{
	"", `#include "libcgo_unix.h"`, `#include "libcgo_unix.h"
extern uintptr guest_bounds[2];
void guest_attr_init(pthread_attr_t *);
void guest_start_free(void *);
int guest_first_thread(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);`,
}

var effects = []effect{
	{
		"runtime/sigtab_linux_generic.go",
		"Open on each thread of Go, whatever the mask that it inherited: a handler of the host would run on a goroutine's stack",
		[]change{
			{"", "/* 17 */ {_SigNotify + _SigUnblock +", "/* 17 */ {_SigNotify +"},
			{"", "/* 27 */ {_SigNotify + _SigUnblock,", "/* 27 */ {_SigNotify,"},
			// Those that Go itself would die of are for who waits for them, too: if one is
			// a fault, the kernel ends the process, open or not.
			{"", "/* 4 */ {_SigThrow + _SigUnblock,", "/* 4 */ {_SigThrow,"},
			{"", "/* 5 */ {_SigThrow + _SigUnblock,", "/* 5 */ {_SigThrow,"},
			{"", "/* 16 */ {_SigThrow + _SigUnblock,", "/* 16 */ {_SigThrow,"},
			// Only musl has a use of its own for it: with glibc it is SIGRTMIN.
			{"", "/* 34 */ {_SigSetStack + _SigUnblock,", "/* 34 */ {_SigNotify,"},
		},
	},
	{
		"runtime/sigtab_linux_generic.go",
		"Takes over the handlers of SIGPIPE and SIGURG; an ignored SIGPIPE would no longer be ignored after exec()",
		[]change{
			{"", "/* 13 */ {_SigNotify,", "/* 13 */ {0,"},
			{"", "/* 23 */ {_SigNotify + _SigIgn,", "/* 23 */ {0,"},
		},
	},
	{
		"runtime/signal_unix.go",
		"Sets SA_ONSTACK on every handler of the host, and forgets the mask and the flags of those that it takes over",
		[]change{
			{"func initsig(", "setsigstack(i)", "_ = 0"},
			{"func initsig(", "setsig(i, abi.FuncPCABIInternal(sighandler))", "guestTakeOver(i)"},
		},
	},
	{
		"runtime/signal_unix.go",
		"Deals with a fault on a thread of the host by means of the heap, which a child of fork() does not have",
		[]change{{"func sigtrampgo(", "if sigfwdgo(", "if guestSignal(sig, info, ctx) || sigfwdgo("}},
	},
	{
		"runtime/signal_unix.go",
		"Dies of SIGPIPE when standard output or standard error is a pipe without a reader, though the host ignores that",
		[]change{{"func os_sigpipe(", "systemstack(sigpipe)", "_ = sigpipe"}},
	},
	{
		"runtime/signal_unix.go",
		"Sends SIGURG to its threads, and opens it on them, unless GODEBUG says asyncpreemptoff=1",
		[]change{{"", "const preemptMSupported = true", "const preemptMSupported = false"}},
	},
	{
		"runtime/os_linux_generic.go",
		"Blocks signals 32 and 33, while a thread waits to enter Go: setuid() and pthread_cancel() wait for these",
		[]change{
			{"", "sigset{^uint32(0), ^uint32(0)}", "sigset{^uint32(0) >> 1, ^uint32(0) &^ 1}"},
			{"func sigfillset(", "^uint64(0)", "^uint64(3 << 31)"},
		},
	},
	{
		"runtime/runtime1.go",
		"Looks for the environment and the auxiliary vector behind the arguments, whatever the host has put there; overwrites AT_RANDOM",
		[]change{{"func args(", "argc = c", "c, v = guestArgs()\n\targc = c"}},
	},
	{
		"syscall/rlimit.go",
		"Raises RLIMIT_NOFILE, for the host and all that it starts",
		[]change{{"func init(", "lim.Max > 0", "false"}},
	},
	{
		"runtime/mem_linux.go",
		"Maps hundreds of megabytes, which become resident under mlockall(MCL_FUTURE), and which a child of fork() keeps",
		[]change{
			{"func sysAllocOS(", "mmap(nil, n, _PROT_READ|_PROT_WRITE, _MAP_ANON|_MAP_PRIVATE, -1, 0)", "guestAlloc(n)"},
			{"func sysReserveOS(", "mmap(v, n, _PROT_NONE, _MAP_ANON|_MAP_PRIVATE, -1, 0)", "guestReserve(v, n)"},
			{"func sysMapOS(", "mmap(v, n, _PROT_READ|_PROT_WRITE, _MAP_ANON|_MAP_FIXED|_MAP_PRIVATE, -1, 0)", "guestMap(v, n)"},
		},
	},
	{
		"runtime/netpoll_epoll.go",
		"Ends the process when the host has closed its descriptors, or waits for ever for one of them",
		[]change{
			{"func netpollinit(", "netpollEventFd = uintptr(efd)", "guestPollInode = guestInode(efd)\n\tnetpollEventFd = uintptr(efd)"},
			{"func netpollopen(", "linux.EpollCtl(epfd, linux.EPOLL_CTL_ADD, int32(fd), &ev)", "guestPollAdd(int32(fd), &ev)"},
			{"func netpollBreak(", "var one uint64 = 1", "if !guestPollOurs() {\n\t\tguestPollLost()\n\t\treturn\n\t}\n\tvar one uint64 = 1"},
			{"func netpollBreak(", `println("runtime: netpollBreak write failed with", -n)`, "guestPollLost()"},
			{"func netpollBreak(", `throw("runtime: netpollBreak write failed")`, "return"},
			{"func netpoll(", `println("runtime: epollwait on fd", epfd, "failed with", errno)`, "guestPollLost()"},
			{"func netpoll(", `throw("runtime: netpoll failed")`, "return gList{}, 0"},
			{"func netpoll(", "var events [128]", "if uint32(waitms) > guestPollMax {\n\t\twaitms = guestPollMax\n\t}\n\tvar events [128]"},
			{"func netpoll(", `println("runtime: netpoll: eventfd ready for", ev.Events)`, "guestPollLost()"},
			{"func netpoll(", `throw("runtime: netpoll: eventfd ready for something unexpected")`, "continue"},
		},
	},
	{
		"runtime/netpoll_epoll.go",
		"Takes low descriptors, which the host may need for select(), and ends the process when it is refused one once",
		[]change{
			{"func netpollinit(", "linux.EpollCreate1(linux.EPOLL_CLOEXEC)", "guestEpoll()"},
			{"func netpollinit(", "linux.Eventfd(0, linux.EFD_CLOEXEC|linux.EFD_NONBLOCK)", "guestEvent()"},
			{"func netpollinit(", "linux.EpollCtl(epfd, linux.EPOLL_CTL_ADD, efd, &ev)", "guestEpollAdd(efd, &ev)"},
		},
	},
	{
		"syscall/syscall_linux.go",
		"Takes low descriptors for files",
		[]change{{"func Open(", "openat(_AT_FDCWD, path, mode|O_LARGEFILE, perm)", "guestHigh(openat(_AT_FDCWD, path, mode|O_LARGEFILE, perm))"}},
	},
	{
		"syscall/syscall_unix.go",
		"Takes low descriptors for sockets",
		[]change{{"func Socket(", "socket(domain, typ, proto)", "guestHigh(socket(domain, typ, proto))"}},
	},
	{
		"internal/poll/fd_unix.go",
		"Takes a low descriptor for a copy of the host's socket",
		[]change{{"func DupCloseOnExec(", "unix.Fcntl(fd, syscall.F_DUPFD_CLOEXEC, 0)", "syscall.GuestCopy(fd)"}},
	},
	{
		"syscall/zsyscall_linux_amd64.go",
		"Leaves its descriptors open in a child of fork(): what is noted when it is opened is forgotten here",
		closing,
	},
	{
		"syscall/zsyscall_linux_arm64.go",
		"Leaves its descriptors open in a child of fork(): what is noted when it is opened is forgotten here",
		closing,
	},
	{
		"runtime/cgroup_linux.go",
		"Keeps files of the cgroup open",
		[]change{{"func defaultGOMAXPROCSInit(", "cgroup.OpenCPU(cgroupScratch[:])", "cgroup.CPU{}, cgroup.ErrNoCgroup"}},
	},
	{
		"runtime/cgo/gcc_linux_amd64.c",
		"Starts threads with stacks of the size that the host has set for its own",
		threadStart,
	},
	{
		"runtime/cgo/gcc_linux_amd64.c",
		"Ends the process when there is no memory for a few bytes",
		threadMemory,
	},
	{
		"runtime/cgo/gcc_linux_arm64.c",
		"Starts threads with stacks of the size that the host has set for its own",
		threadStart,
	},
	{
		"runtime/cgo/gcc_linux_arm64.c",
		"Ends the process when there is no memory for a few bytes",
		threadMemory,
	},
	{
		"runtime/cgo/gcc_libinit.c",
		"Starts its first thread with the mask and the name of the host's thread, and with a stack as above",
		[]change{
			declareGuest,
			{"x_cgo_sys_thread_create(", "pthread_attr_init(", "guest_attr_init("},
			{"x_cgo_sys_thread_create(", "_cgo_try_pthread_create(", "guest_first_thread("},
		},
	},
	{
		"runtime/cgo/gcc_util.c",
		"Ends the process when there is no memory to start a thread with",
		[]change{
			{"", `#include "libcgo.h"`, "#include \"libcgo.h\"\n\nThreadStart *guest_start_new(void);"},
			{"x_cgo_thread_start(", "malloc(sizeof *ts)", "guest_start_new()"},
		},
	},
	{
		"runtime/cgo/gcc_stack_unix.c",
		"Frees what was never allocated, when there is no memory to say where a stack is",
		[]change{{
			"x_cgo_getstackbound(", "pthread_getattr_np(pthread_self(), &attr);",
			"if (pthread_getattr_np(pthread_self(), &attr) != 0) {\n\t\tbounds[0] = bounds[1] = 0; // the caller guesses\n\t\treturn;\n\t}",
		}},
	},
}
