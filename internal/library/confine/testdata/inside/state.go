package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// threads has threads from before and from after, and waits to be looked at.
func threads() {
	p := here()
	start := func() {
		var ready sync.WaitGroup
		for range 10 {
			ready.Add(1)
			go func() {
				runtime.LockOSThread()
				ready.Done()
				select {}
			}()
		}
		ready.Wait()
	}
	start()
	p.enter()
	start()
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// cost prints how long Enter takes in microseconds, and what is resident before and after, in KiB.
func cost() {
	p := here()
	status, err := os.Open("/proc/self/status")
	check(err)
	before := resident(status)
	start := time.Now()
	p.enter()
	took := time.Since(start)
	fmt.Println(took.Microseconds(), before, resident(status))
}

func resident(status *os.File) (kib int) {
	b := make([]byte, 8192)
	n, _ := status.ReadAt(b, 0)
	for _, line := range strings.Split(string(b[:n]), "\n") {
		_, _ = fmt.Sscanf(line, "VmRSS: %d", &kib)
	}
	return kib
}

// old has the kernel know calls no more: which, the first argument says, separated by commas.
func old(args []string) {
	runtime.LockOSThread()
	policy := seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{{
		Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: strings.Split(args[0], ","),
	}}}
	root := os.Geteuid() == 0 // root needs no no_new_privs for it, so that it is left to Enter
	check(seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: !root, Flag: seccomp.FilterFlagTSync, Policy: policy}))
	self, err := os.Executable()
	check(err)
	check(syscall.Exec(self, append([]string{self}, args[1:]...), os.Environ()))
}
