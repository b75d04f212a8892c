package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attack is what a core that was taken over may try; nil: it could.
type attack struct {
	name string
	do   func(p *place) error
}

func attacks() []attack {
	return append(append(append(append(ofFiles(), ofProcesses()...), ofPrivileges()...), ofNetwork()...), ofKernel()...)
}

func list() {
	for _, a := range attacks() {
		fmt.Println(a.name)
	}
}

func try(name string) {
	runtime.LockOSThread()
	for _, a := range attacks() {
		if a.name != name {
			continue
		}
		p := here()
		p.enter()
		if err := a.do(p); err != nil {
			fmt.Println("refused:", err)
			return
		}
		fmt.Println("done")
		return
	}
	fmt.Println("there is no such attack")
}

func opens(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func call(trap uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, errno := syscall.Syscall6(trap, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return errno
	}
	return nil
}

func cstring(s string) uintptr {
	b, _ := unix.BytePtrFromString(s)
	kept = append(kept, b)
	return uintptr(unsafe.Pointer(b))
}

var kept []*byte

func ofFiles() []attack {
	in := func(p *place, name string) string { return filepath.Join(p.Folder, name) }
	return []attack{
		{"read /etc/shadow", func(*place) error { return opens("/etc/shadow", unix.O_RDONLY) }},
		{"read a file of another user", func(p *place) error { return opens(p.Secret, unix.O_RDONLY) }},
		{"read a file of its own user", func(p *place) error { return opens(p.Own, unix.O_RDONLY) }},
		{"write to a file of its own user", func(p *place) error { return opens(p.Own, unix.O_WRONLY) }},
		{"make a file in /tmp or the like", func(p *place) error { return opens(p.Outside+"/new", unix.O_WRONLY|unix.O_CREAT) }},
		{"make a nameless file there", func(p *place) error { return opens(p.Outside, unix.O_WRONLY|unix.O_TMPFILE) }},
		{"list a folder", func(*place) error { _, err := os.ReadDir("/etc"); return err }},
		{"remove a file outside", func(p *place) error { return os.Remove(p.Outside + "/victim") }},
		{"make a folder outside", func(p *place) error { return os.Mkdir(p.Outside+"/folder", 0o700) }},
		{"read through a symbolic link in the folder", func(p *place) error { return opens(in(p, "link"), unix.O_RDONLY) }},
		{"read with .. from the folder", func(p *place) error { return opens(in(p, "../"+filepath.Base(p.Own)), unix.O_RDONLY) }},
		{"make a symbolic link in the folder", func(p *place) error { return os.Symlink(p.Own, in(p, "symlink")) }},
		{"make a hard link in the folder", func(p *place) error { return os.Link(p.Own, in(p, "hard")) }},
		{"rename out of the folder", func(p *place) error { return os.Rename(in(p, "file"), p.Outside+"/file") }},
		{"rename into the folder", func(p *place) error { return os.Rename(p.Own, in(p, "own")) }},
		{"exchange a file with one outside", func(p *place) error {
			return unix.Renameat2(unix.AT_FDCWD, in(p, "file"), unix.AT_FDCWD, p.Own, unix.RENAME_EXCHANGE)
		}},
		{"truncate a file by its name", func(p *place) error { return unix.Truncate(p.Own, 0) }},
		{"change the mode of a file", func(p *place) error { return unix.Chmod(p.Own, 0o666) }},
		{"have a setuid file in the folder", func(p *place) error { return unix.Fchmodat(unix.AT_FDCWD, in(p, "file"), 0o4755, 0) }},
		{"change the owner of a file", func(p *place) error { return unix.Chown(p.Own, os.Getuid(), os.Getgid()) }},
		{"change the times of a file", func(p *place) error { return unix.Utimes(p.Own, make([]unix.Timeval, 2)) }},
		{"set an extended attribute", func(p *place) error { return unix.Setxattr(p.Own, "user.x", []byte("y"), 0) }},
		{"make a device", func(p *place) error { return unix.Mknod(in(p, "device"), unix.S_IFCHR|0o600, 1<<8|3) }},
		{"make a FIFO", func(p *place) error { return unix.Mknod(in(p, "fifo"), unix.S_IFIFO|0o600, 0) }},
		{"open a device", device},
		{"open by a handle", byHandle},
		{"mount", func(p *place) error {
			defer unix.Unmount(in(p, "sub"), 0)
			return unix.Mount("tmpfs", in(p, "sub"), "tmpfs", 0, "")
		}},
		{"mount by the new calls", func(*place) error { return call(unix.SYS_FSOPEN, cstring("tmpfs"), 0) }},
		{"change the root", func(p *place) error { return unix.Chroot(p.Folder) }},
	}
}

// device opens memory, the kernel's log or a disk, whichever is there.
func device(*place) (err error) {
	for _, path := range []string{"/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/nvme0n1"} {
		if err = opens(path, unix.O_RDONLY); err == nil {
			return nil
		}
	}
	return err
}

func byHandle(p *place) error {
	root, err := unix.Open(p.Folder, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, p.Own, 0)
	if err != nil { // of /etc/shadow could be guessed
		handle = unix.NewFileHandle(1, make([]byte, 8))
	}
	_, err = unix.OpenByHandleAt(root, handle, unix.O_RDONLY)
	return err
}

func ofProcesses() []attack {
	proc := func(p *place, name string) string { return fmt.Sprintf("/proc/%d/%s", p.host, name) }
	return []attack{
		{"start a program (execve)", func(*place) error { return unix.Exec("/proc/self/exe", []string{"inside", "done"}, nil) }},
		{"start a program from memory (memfd, execveat)", fromMemory},
		{"fork", func(*place) error { return fork(unix.SYS_CLONE, uintptr(unix.SIGCHLD)) }},
		{"fork as vfork does", func(*place) error { return fork(unix.SYS_CLONE, unix.CLONE_VFORK|uintptr(unix.SIGCHLD)) }},
		{"fork by clone3", func(*place) error {
			args := [11]uint64{4: uint64(unix.SIGCHLD)}
			return fork(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args))
		}},
		{"make calls as a 32-bit program does", func(*place) error { return compat() }},
		{"trace the host", func(p *place) error { return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(p.host), 0, 0) }},
		{"read the memory of the host", func(p *place) error { return hostMemory(p, unix.ProcessVMReadv) }},
		{"write to the memory of the host", func(p *place) error { return hostMemory(p, unix.ProcessVMWritev) }},
		{"read /proc/HOST/mem", func(p *place) error { return opens(proc(p, "mem"), unix.O_RDWR) }},
		{"read /proc/HOST/environ", func(p *place) error { return opens(proc(p, "environ"), unix.O_RDONLY) }},
		{"read /proc/HOST/maps", func(p *place) error { return opens(proc(p, "maps"), unix.O_RDONLY) }},
		{"open a file of the host by /proc/HOST/fd", func(p *place) error { return opens(proc(p, "fd/1"), unix.O_WRONLY) }},
		{"take a descriptor of the host (pidfd_getfd)", func(p *place) error {
			fd, err := unix.PidfdOpen(p.host, 0)
			if err != nil {
				return err
			}
			_, err = unix.PidfdGetfd(fd, 1, 0)
			return err
		}},
		{"kill the host", func(p *place) error { return unix.Kill(p.host, unix.SIGCONT) }},
		{"kill a thread of the host (tgkill)", func(p *place) error { return unix.Tgkill(p.host, p.host, unix.SIGCONT) }},
		{"kill a thread of the host (tkill)", func(p *place) error { return call(unix.SYS_TKILL, uintptr(p.host), uintptr(unix.SIGCONT)) }},
		{"kill all processes", func(p *place) error { return unix.Kill(-1, 0) }},
		{"queue a signal for the host", func(p *place) error {
			info := [128]byte{0: byte(unix.SIGCONT), 8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff} // SI_QUEUE
			return call(unix.SYS_RT_SIGQUEUEINFO, uintptr(p.host), uintptr(unix.SIGCONT), uintptr(unsafe.Pointer(&info)))
		}},
		{"signal the host by a pidfd", func(p *place) error {
			fd, err := unix.PidfdOpen(p.host, 0)
			if err != nil {
				return err
			}
			return unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0)
		}},
		{"have the kernel signal the host (F_SETOWN)", func(p *place) error {
			var fds [2]int
			if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
				return err
			}
			_, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETOWN, p.host)
			return err
		}},
		{"change limits of the host", func(p *place) error {
			var lim unix.Rlimit
			if err := unix.Prlimit(p.host, unix.RLIMIT_NOFILE, nil, &lim); err != nil {
				return err
			}
			return unix.Prlimit(p.host, unix.RLIMIT_NOFILE, &lim, nil)
		}},
		{"change the priority of the host", func(p *place) error { return unix.Setpriority(unix.PRIO_PROCESS, p.host, 1) }},
		{"choose the processors of the host", func(p *place) error {
			var set unix.CPUSet
			if err := unix.SchedGetaffinity(0, &set); err != nil {
				return err
			}
			return unix.SchedSetaffinity(p.host, &set)
		}},
		{"enter a namespace of the host", func(p *place) error {
			fd, err := unix.Open(proc(p, "ns/uts"), unix.O_RDONLY, 0)
			if err != nil {
				return err
			}
			return unix.Setns(fd, 0)
		}},
		{"make namespaces", func(*place) error { return unix.Unshare(unix.CLONE_NEWUTS) }},
	}
}

func fromMemory(*place) error {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		self = []byte("#!/bin/echo done\n")
	}
	fd, err := unix.MemfdCreate("program", 0)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, self); err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings([]string{"inside", "done"})
	if err != nil {
		return err
	}
	return call(unix.SYS_EXECVEAT, uintptr(fd), cstring(""), uintptr(unsafe.Pointer(&argv[0])), 0, unix.AT_EMPTY_PATH)
}

// fork makes a process that ends at once.
func fork(trap, a1 uintptr, more ...uintptr) error {
	var a2 uintptr
	if len(more) > 0 {
		a2 = more[0]
	}
	pid, _, errno := syscall.RawSyscall(trap, a1, a2, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	_, _ = unix.Wait4(int(pid), nil, 0, nil)
	return nil
}

func hostMemory(p *place, do func(int, []unix.Iovec, []unix.RemoteIovec, uint) (int, error)) error {
	b := secret
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	n, err := do(p.host, local, []unix.RemoteIovec{{Base: p.hostSecret, Len: len(b)}}, 0)
	if err == nil && (n != len(b) || b != secret) {
		return errors.New("it is not there")
	}
	return err
}

func ofPrivileges() []attack {
	return []attack{
		{"become root", func(*place) error {
			if err := call(unix.SYS_SETRESUID, 0, 0, 0); err != nil {
				return err
			}
			return opens("/etc/shadow", unix.O_RDONLY) // what root without capabilities is not for
		}},
		{"change the group", func(*place) error { return call(unix.SYS_SETRESGID, 0, 0, 0) }},
		{"take groups", func(*place) error { return call(unix.SYS_SETGROUPS, 0, 0) }},
		{"take capabilities", func(*place) error {
			head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			data := [2]unix.CapUserData{{Permitted: 1 << unix.CAP_KILL, Effective: 1 << unix.CAP_KILL}}
			return unix.Capset(&head, &data[0])
		}},
		{"change the file mode mask", func(*place) error { return call(unix.SYS_UMASK, 0) }},
		{"raise a limit", func(*place) error {
			return unix.Prlimit(0, unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}, nil)
		}},
		{"be dumpable", func(*place) error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }},
		{"have securebits", func(*place) error { return unix.Prctl(unix.PR_SET_SECUREBITS, 0, 0, 0, 0) }},
		{"have a filter that tells somebody", func(*place) error {
			prog := unix.SockFprog{Len: 1, Filter: &unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
			return call(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
		}},
		{"have another personality", func(*place) error { return call(unix.SYS_PERSONALITY, 0x0400000) }}, // READ_IMPLIES_EXEC
		{"map memory to run", func(*place) error {
			_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
			return err
		}},
		{"have written memory run", func(*place) error {
			b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
			if err != nil {
				return err
			}
			return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
		}},
	}
}

func socket(family, kind, protocol int) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func ofNetwork() []attack {
	binding := func(kind int, address unix.Sockaddr) error {
		fd, err := unix.Socket(unix.AF_INET, kind, 0)
		if err != nil {
			return err
		}
		return unix.Bind(fd, address)
	}
	return []attack{
		{"connect to an abstract socket", func(p *place) error { return dials("unix", "@"+p.Name) }},
		{"connect to a socket by its path", func(p *place) error { return dials("unix", p.Unix) }},
		{"have a datagram socket of the machine", func(*place) error { return socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0) }},
		{"have a pair of datagram sockets", func(*place) error {
			_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
			return err
		}},
		{"bind a TCP port", func(*place) error { return binding(unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) }},
		{"bind a UDP port", func(*place) error { return binding(unix.SOCK_DGRAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) }},
		{"listen without binding", func(*place) error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			return unix.Listen(fd, 1)
		}},
		{"have a raw socket", func(*place) error { return socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) }},
		{"have a raw socket of IPv6", func(*place) error { return socket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6) }},
		{"have a packet socket", func(*place) error { return socket(unix.AF_PACKET, unix.SOCK_RAW, 0) }},
		{"have a netlink socket", func(*place) error { return socket(unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_ROUTE) }},
		{"have a socket of the kernel's cryptography", func(*place) error { return socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0) }},
		{"have a socket of virtual machines", func(*place) error { return socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0) }},
		{"have a socket of MPTCP", func(*place) error { return socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP) }},
		{"have a program on a socket", func(*place) error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			prog := unix.SockFprog{Len: 1, Filter: &unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}}
			return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog)
		}},
		{"ask for the interfaces", func(*place) error { _, err := net.Interfaces(); return err }},
	}
}

func dials(network, address string) error {
	c, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	return c.Close()
}

func ofKernel() []attack {
	return []attack{
		{"load a program into the kernel (bpf)", func(*place) error {
			attr := [16]uint32{2, 4, 4, 1} // an array: key, value, entries
			return call(unix.SYS_BPF, unix.BPF_MAP_CREATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		}},
		{"open performance events", func(*place) error {
			attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}
			_, err := unix.PerfEventOpen(&attr, 0, -1, -1, 0)
			return err
		}},
		{"have an io_uring", func(*place) error {
			var params [120]byte
			return call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)))
		}},
		{"use a keyring", func(*place) error {
			_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_PROCESS_KEYRING, true)
			return err
		}},
		{"add a key", func(*place) error {
			_, err := unix.AddKey("user", "inside", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
			return err
		}},
		{"handle page faults (userfaultfd)", func(*place) error { return call(unix.SYS_USERFAULTFD, unix.O_CLOEXEC) }},
		{"load a module", func(*place) error {
			if err := unix.InitModule([]byte("no module"), ""); err != unix.ENOEXEC {
				return err
			}
			return nil // it was looked at
		}},
		{"watch files (fanotify)", func(*place) error { _, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF, 0); return err }},
		{"read the log of the kernel", func(*place) error { _, err := unix.Klogctl(10, nil); return err }},
		{"rename the machine", func(*place) error {
			var u unix.Utsname
			if err := unix.Uname(&u); err != nil {
				return err
			}
			name, _, _ := strings.Cut(string(u.Nodename[:]), "\x00")
			return unix.Sethostname([]byte(name))
		}},
		{"write to a setting of the kernel", func(*place) error { return opens("/proc/sys/kernel/core_pattern", unix.O_WRONLY) }},
		{"learn of another process", func(p *place) error { return opens("/proc/"+strconv.Itoa(p.host)+"/cmdline", unix.O_RDONLY) }},
	}
}
