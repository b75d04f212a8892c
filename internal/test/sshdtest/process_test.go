package sshdtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// parents returns the parent of each process.
func parents() map[int]int {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	list := map[int]int{}
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// pid (name) state parent ...
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		list[pid], _ = strconv.Atoi(fields[1])
	}
	return list
}

// isSensor tells whether a process is (still) a sensor.
func isSensor(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(line, []byte("[sensor]"))
}

// sensors returns the processes that are children of this sshd and sensors, the
// last one last.
func (s *server) sensors() (pids []int) {
	for pid, parent := range parents() {
		if parent == s.pid() && isSensor(pid) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// cpu returns the time that sshd, all its processes that have ended, and its
// sensors have run.
func (s *server) cpu() time.Duration {
	const user, childrensSystem, tick = 11, 14, 10 * time.Millisecond // after the state
	ticks := 0
	for _, pid := range append(s.sensors(), s.pid()) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		for _, field := range fields[user : childrensSystem+1] {
			n, _ := strconv.Atoi(field)
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}

// sandboxed returns the processes below this sshd that are without privileges,
// in a folder without anything, behind a seccomp filter.
func (s *server) sandboxed() (pids []int) {
	all := parents()
	for pid := range all {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		root, _ := os.Readlink(fmt.Sprintf("/proc/%d/root", pid))
		if isBelow(all, pid, s.pid()) && bytes.Contains(status, []byte("Seccomp:\t2")) &&
			!bytes.Contains(status, []byte("Uid:\t0")) && root == "/run/sshd" {
			pids = append(pids, pid)
		}
	}
	return pids
}

func isBelow(all map[int]int, pid, ancestor int) bool {
	for pid > 1 && pid != ancestor {
		pid = all[pid]
	}
	return pid == ancestor
}

func descriptors(t *testing.T, pid int) []string {
	t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	return all
}

// packetSockets returns how many sockets of the kind that leads to a sensor a
// process has. OpenSSH itself has no use for these.
func packetSockets(t *testing.T, pid int) (n int) {
	t.Helper()
	const seqpacket = "0005"
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/unix", pid))
	require.NoError(t, err)
	inodes := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		// Num RefCount Protocol Flags Type St Inode Path
		if fields := strings.Fields(line); len(fields) >= 7 && fields[4] == seqpacket {
			inodes["socket:["+fields[6]+"]"] = true
		}
	}
	for _, path := range descriptors(t, pid) {
		if target, _ := os.Readlink(path); inodes[target] {
			n++
		}
	}
	return n
}
