package sshdtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestErrorsStayInside: with a broccoli.conf that is broken, or a collector that
// is none, programs over ssh write what they write with Debian's sshd, and end as
// they do there.
func TestErrorsStayInside(t *testing.T) {
	home := filepath.Join(m.dir, "home")
	repository := filepath.Join(home, "repository")
	require.NoError(t, command("git", "init", "-q", repository))
	require.NoError(t, command("git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "first"))
	require.NoError(t, command("chown", "-R", m.name, repository))
	require.NoError(t, os.WriteFile(filepath.Join(home, "file"), []byte("some text\n"), 0o644))
	stock := startStock(t)
	defer stock.quit()
	want := stock.programs()
	require.Equal(t, "0: ", want[0])
	require.Equal(t, "3: out\nerr\n", want[len(want)-1])
	for name, conf := range map[string]string{
		"broken":  "/sshd/collector \"127.0.0.1:1\n/sshd/data perhaps\n/broccoli/use_ssl 17\nno setting at all \"\n/broccoli/ca_cert /none",
		"nothing": "/sshd/collector \"no such host:name\"\n/sshd/data yes",
		"refuses": "/sshd/collector \"127.0.0.1:" + freePort(t) + "\"\n/broccoli/use_ssl yes\n/broccoli/ca_cert /none\n/sshd/heartbeat often",
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, nil, settings{conf: conf})
			require.Equal(t, want, s.programs())
			for _, pid := range s.sensors() { // which would give the collector a minute
				require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
			}
			s.quit()
		})
	}
}

// programs runs what uses ssh, and returns what it writes and how it ends.
func (s *server) programs() (results []string) {
	s.t.Helper()
	dir := s.t.TempDir()
	ssh := fmt.Sprintf("ssh -F none -p %s -o IdentitiesOnly=yes -o IdentityFile=%s/good -o UserKnownHostsFile=%s/known", s.port, m.dir, m.dir)
	at := target() + ":" + m.dir + "/home/"
	for _, line := range []string{
		"scp -O -S ./ssh " + at + "file " + dir + "/scp",
		"scp -S ./ssh " + at + "file " + dir + "/sftp",
		"scp -S ./ssh " + at + "none " + dir,
		"echo pwd | sftp -S ./ssh -b - " + target(),
		"GIT_SSH_COMMAND='" + ssh + "' git clone -q " + at + "repository " + dir + "/clone",
		"GIT_SSH_COMMAND='" + ssh + "' git -C " + dir + "/clone fetch",
		"GIT_SSH_COMMAND='" + ssh + "' git clone -q " + at + "none " + dir + "/none",
		"rsync -a -e '" + ssh + "' " + at + "file " + dir + "/rsync",
		ssh + " " + target() + " 'echo out; echo err >&2; exit 3'",
	} {
		if name, _, _ := strings.Cut(line, " "); name == "rsync" {
			if _, err := exec.LookPath(name); err != nil {
				s.t.Log("rsync is not here, and is not tried")
				continue
			}
		}
		program := "#!/bin/sh\nexec " + ssh + " \"$@\"\n"
		require.NoError(s.t, os.WriteFile(filepath.Join(dir, "ssh"), []byte(program), 0o755))
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		results = append(results, fmt.Sprintf("%d: %s", cmd.ProcessState.ExitCode(), strings.ReplaceAll(string(out), dir, "DIR")))
	}
	return results
}
