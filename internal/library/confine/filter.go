package confine

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// filter leaves the system calls that are listed, on all threads. All others answer
// ENOSYS: a newer Go or kernel that tries one of those does without it, as on an old kernel.
func (f *Files) filter() error {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		f.miss("seccomp: no list for %s", runtime.GOARCH)
		return nil
	}
	program, err := assemble(os.Getpid())
	if err != nil {
		return err
	}
	// Not the library's own: it does not see that another thread could not be filtered.
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog)))
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL:
		f.miss("seccomp: %v", errno)
		return nil
	case errno != 0:
		return errno
	case thread != 0:
		return fmt.Errorf("thread %d has a filter of its own", thread)
	}
	f.Report.Seccomp = true
	return nil
}

// assemble makes the program of the kernel's machine.
func assemble(pid int) ([]unix.SockFilter, error) {
	info, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	policy := seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{{
		Action: seccomp.ActionAllow, Names: known(info, calls), NamesWithCondtions: conditions(pid),
	}}}
	instructions, err := policy.Assemble()
	if err != nil {
		return nil, err
	}
	for i, in := range instructions {
		if ret, ok := in.(bpf.RetConstant); ok && ret.Val&unix.SECCOMP_RET_ACTION_FULL == uint32(seccomp.ActionErrno) {
			instructions[i] = bpf.RetConstant{Val: uint32(seccomp.ActionErrno) | uint32(unix.ENOSYS)}
		}
	}
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return nil, err
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return program, nil
}

// known leaves away what this processor does not have.
func known(info *arch.Info, names []string) (have []string) {
	for _, name := range names {
		if _, ok := info.SyscallNames[name]; ok {
			have = append(have, name)
		}
	}
	return have
}
