package confine

import (
	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// calls are those that are let through whatever their arguments are, the most frequent
// first. What is not here by intent: anything that starts a program or a process or looks
// into one, makes links or devices, or changes modes and owners of files or truncates
// them by name, which Landlock does not look at or an older one does not; bind, listen and socketpair, with which sockets of the machine would be reached.
var calls = []string{
	"futex", "epoll_pwait", "read", "write", "nanosleep", "clock_gettime", "sched_yield", "madvise", "munmap",
	"writev", "readv", "sendmsg", "recvmsg", "sendto", "recvfrom", "rt_sigreturn", "rt_sigprocmask", "getpid", "gettid",

	// files
	"openat", "close", "pread64", "pwrite64", "preadv", "pwritev", "lseek", "fstat", "newfstatat", "fstatat", "statx", "stat", "lstat",
	"readlinkat", "faccessat", "faccessat2", "getdents64", "mkdirat", "unlinkat", "renameat", "renameat2",
	"rename", "unlink", "rmdir", "mkdir", "ftruncate", "fallocate", "fsync", "fdatasync", "sync_file_range", "fadvise64",
	"flock", "statfs", "fstatfs", "sendfile", "splice", "copy_file_range", "getcwd", "dup", "dup3", "pipe2", "close_range",

	// memory
	"brk", "mremap", "mincore", "msync", "mlock", "munlock", "membarrier", "memfd_create",

	// threads, time, signals of our own
	"exit", "exit_group", "set_robust_list", "rseq", "sched_getaffinity", "getcpu", "futex_waitv", "futex_wait", "futex_wake",
	"clock_nanosleep", "clock_getres", "gettimeofday", "time", "restart_syscall", "rt_sigaction", "sigaltstack", "rt_sigtimedwait",
	"timer_create", "timer_settime", "timer_delete", "setitimer", "timerfd_create", "timerfd_settime", "timerfd_gettime",

	// waiting
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6", "eventfd2", "pidfd_open",

	// connections: others' come by a socket that was there before
	"connect", "accept4", "getsockname", "getpeername", "getsockopt", "shutdown", "sendmmsg", "recvmmsg",

	// questions
	"getrandom", "uname", "sysinfo", "getrusage", "times", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups",
	"getresuid", "getresgid", "getrlimit", "capget",
}

type (
	call = seccomp.NameWithConditions
	args = seccomp.ArgumentConditions
)

func is(argument uint32, value uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: seccomp.Equal, Value: value}
}

func without(argument uint32, bits uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: seccomp.BitsNotSet, Value: bits}
}

func only(argument uint32, bits uint64) seccomp.Condition { return without(argument, ^bits) }

func with(argument uint32, bits uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: seccomp.BitsSet, Value: bits}
}

// conditions are calls that depend on their arguments; of those of one name, each is
// enough.
func conditions(pid int) (all []call) {
	add := func(name string, conditions ...seccomp.Condition) {
		all = append(all, call{Name: name, Conditions: args(conditions)})
	}

	// No memory becomes code.
	add("mmap", without(2, unix.PROT_EXEC))
	add("mprotect", without(2, unix.PROT_EXEC))

	// Threads, and no processes. That of clone3 cannot be looked at, and Go makes none so.
	const thread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD |
		unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_SETTID | unix.CLONE_CHILD_CLEARTID
	add("clone", with(0, unix.CLONE_THREAD), only(0, thread))

	// Signals to ourselves.
	add("kill", is(0, uint64(pid)))
	add("tgkill", is(0, uint64(pid)))

	// Limits are read, and are those of the process.
	add("prlimit64", is(0, 0), is(2, 0))
	add("prlimit64", is(0, uint64(pid)), is(2, 0))

	// Go names its memory.
	add("prctl", is(0, unix.PR_SET_VMA))

	// Not F_SETOWN and F_SETSIG, with which the kernel would send signals to others.
	for _, command := range []uint64{
		unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC, unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW,
		unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW, unix.F_ADD_SEALS, unix.F_GET_SEALS, unix.F_GETOWN_EX, unix.F_GETSIG,
	} {
		add("fcntl", is(1, command))
	}
	for _, request := range []uint64{unix.SIOCOUTQ, unix.SIOCINQ} {
		add("ioctl", is(1, request))
	}
	addSockets(add)
	return all
}

// addSockets is TCP and UDP, and the options that Go and the core set.
func addSockets(add func(name string, conditions ...seccomp.Condition)) {
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	for _, family := range []uint64{unix.AF_INET, unix.AF_INET6} {
		for _, protocol := range []uint64{0, unix.IPPROTO_TCP} {
			add("socket", is(0, family), only(1, unix.SOCK_STREAM|flags), is(2, protocol))
		}
		for _, protocol := range []uint64{0, unix.IPPROTO_UDP} {
			add("socket", is(0, family), only(1, unix.SOCK_DGRAM|flags), is(2, protocol))
		}
	}
	for _, option := range []uint64{
		unix.SO_KEEPALIVE, unix.SO_BROADCAST, unix.SO_LINGER, unix.SO_SNDBUF, unix.SO_RCVBUF, unix.SO_PASSCRED,
	} {
		add("setsockopt", is(1, unix.SOL_SOCKET), is(2, option))
	}
	for _, option := range []uint64{
		unix.TCP_NODELAY, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT, unix.TCP_USER_TIMEOUT, unix.TCP_QUICKACK, unix.TCP_NOTSENT_LOWAT,
	} {
		add("setsockopt", is(1, unix.IPPROTO_TCP), is(2, option))
	}
	add("setsockopt", is(1, unix.IPPROTO_IPV6), is(2, unix.IPV6_V6ONLY))
}
