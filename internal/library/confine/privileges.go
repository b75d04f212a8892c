package confine

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nobody is the number of that user where no file has it.
const nobody = 65534

// identity is the user that the process runs as.
type identity struct {
	uid, gid int
	root     bool // so far
}

func choose(p Plan) (identity, error) {
	me := identity{os.Geteuid(), os.Getegid(), os.Geteuid() == 0}
	if p.User != "" {
		return me.named(p.User)
	}
	if !me.root {
		return me, nil
	}
	for _, g := range p.Grants {
		if g.Mode == Folder {
			return me.owner(g.Path)
		}
	}
	if id, err := me.named("nobody"); err == nil {
		return id, nil
	}
	return identity{nobody, nobody, true}, nil
}

// owner is the user that a folder belongs to.
func (me identity) owner(path string) (identity, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return me, fmt.Errorf("confining the core: folder %s: %w", path, err)
	}
	if st.Uid == 0 {
		return me, nil
	}
	return identity{int(st.Uid), int(st.Gid), true}, nil
}

func (me identity) named(name string) (identity, error) {
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return me, fmt.Errorf("confining the core: there is no user %q: name another one, or add it: %w", name, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	gid, again := strconv.Atoi(u.Gid)
	if err = errors.Join(err, again); err != nil {
		return me, fmt.Errorf("confining the core: user %q: %w", name, err)
	}
	if !me.root && uid != me.uid {
		return me, fmt.Errorf("confining the core: only root can run it as %q: leave the user away", name)
	}
	return identity{uid, gid, me.root}, nil
}

// become changes the user of all threads. Only root can give up its groups.
func (id identity) become() error {
	if id.root {
		if err := syscall.Setgroups(nil); err != nil {
			return err
		}
	}
	if err := syscall.Setresgid(id.gid, id.gid, id.gid); err != nil {
		return err
	}
	if err := syscall.Setresuid(id.uid, id.uid, id.uid); err != nil {
		return err
	}
	if r, e, s := unix.Getresuid(); r != id.uid || e != id.uid || s != id.uid {
		return fmt.Errorf("it is %d, %d, %d and not %d", r, e, s, id.uid)
	}
	return nil
}

// everywhere makes a system call on every thread.
func everywhere(trap, a1, a2, a3 uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(trap, a1, a2, a3, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return fmt.Errorf("for all threads: build the program with CGO_ENABLED=0: %w", errno)
	}
	return errno
}

// limit is of what belongs to the process and not to its threads.
func limit() error {
	unix.Umask(0o077)
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

func noNewPrivileges() error { return everywhere(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0) }

// hide keeps other processes of the user out of this one, and its memory off the disk.
func hide() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// emptyBounding drops what is in the bounding set.
func emptyBounding(wanted bool) error {
	if !wanted || !capable(unix.CAP_SETPCAP) {
		return nil
	}
	for c := uintptr(0); ; c++ {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err != nil {
			return nil // no such capability, nor a higher one
		}
		if in == 0 {
			continue
		}
		if err := everywhere(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0); err != nil {
			return err
		}
	}
}

// capable reports whether a capability is in effect.
func capable(c uint) bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&head, &data[0]) != nil {
		return false
	}
	return data[c/32].Effective&(1<<(c%32)) != 0
}

// dropCapabilities empties all sets but the bounding set; the ambient set is empty
// with them.
func dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return everywhere(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&none[0])), 0)
}
