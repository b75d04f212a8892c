package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// What a core gets from its host, by number.
const (
	fdLink   = 3 // a connection to the host
	fdListen = 4 // a socket that processes of the host connect to
)

// give makes these, and serves them until the core is gone.
func give(cmd *exec.Cmd) (finish func()) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(err)
	listener, err := net.Listen("unix", "")
	check(err)
	file, err := listener.(*net.UnixListener).File()
	check(err)
	theirs := os.NewFile(uintptr(pair[1]), "link")
	cmd.ExtraFiles = []*os.File{theirs, file}
	return func() {
		_ = theirs.Close()
		_ = file.Close()
		go serveLink(pair[0])
		go func() {
			if c, err := net.Dial("unix", listener.Addr().String()); err == nil {
				_, _ = c.Write([]byte("hello"))
				_ = c.Close()
			}
		}()
	}
}

// serveLink answers a memfd with another one that has the same in it.
func serveLink(fd int) {
	b, oob := make([]byte, 16), make([]byte, 64)
	for {
		n, m, _, _, err := unix.Recvmsg(fd, b, oob, unix.MSG_CMSG_CLOEXEC)
		if err != nil || n == 0 {
			return
		}
		theirs, err := passed(oob[:m])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		content := make([]byte, 64)
		n, _ = unix.Pread(theirs, content, 0)
		ours, err := unix.MemfdCreate("ours", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		check(err)
		check(unix.Ftruncate(ours, 1<<20))
		_, _ = unix.Pwrite(ours, content[:n], 0)
		_, err = unix.FcntlInt(uintptr(ours), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW)
		check(err)
		check(unix.Sendmsg(fd, []byte{1}, unix.UnixRights(ours), nil, 0))
	}
}

// passed is the descriptor that came with a message.
func passed(oob []byte) (int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) == 0 {
		return -1, fmt.Errorf("no descriptor: %v", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}
