package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// inNetwork says, in the environment of a process, that it has a network of its
// own; the value is the collector to test.
const inNetwork = "COLLECTOR_IN_NETWORK"

// inOwnNetwork runs the test once more, in a network of its own in which the
// addresses are this host's, and reports whether this is that run. Where no such
// network can be had the test is skipped.
func inOwnNetwork(t *testing.T, addresses ...string) bool {
	t.Helper()
	if os.Getenv(inNetwork) != "" {
		for i, a := range addresses {
			require.NoError(t, addAddress(i, netip.MustParseAddr(a)))
		}
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNetwork+"="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Skipf("no network of its own can be had here: %v", err)
	}
	require.NoError(t, err, string(out))
	t.Logf("%s", out)
	return false
}

// addAddress gives the loopback interface its nth further address, and makes it
// work.
func addAddress(n int, addr netip.Addr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("adding address %v: %w", addr, err)
	}
	defer unix.Close(fd)
	up := func(name string, set func(*unix.Ifreq) error) error {
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := set(ifr); err != nil {
			return err
		}
		ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
	}
	if err := up("lo", func(*unix.Ifreq) error { return nil }); err != nil {
		return fmt.Errorf("starting the loopback interface: %w", err)
	}
	err = up(fmt.Sprintf("lo:%d", n), func(ifr *unix.Ifreq) error {
		ip := addr.As4()
		if err := ifr.SetInet4Addr(ip[:]); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, ifr); err != nil {
			return err
		}
		// Of this host alone: otherwise its connections might come from another.
		if err := ifr.SetInet4Addr([]byte{255, 255, 255, 255}); err != nil {
			return err
		}
		return unix.IoctlIfreq(fd, unix.SIOCSIFNETMASK, ifr)
	})
	if err != nil {
		return fmt.Errorf("adding address %v: %w", addr, err)
	}
	return nil
}
