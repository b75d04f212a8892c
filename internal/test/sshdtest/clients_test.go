package sshdtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// broken are configurations that give the sensor something to complain of.
var broken = map[string]string{
	"cannot be read": "/sshd/collector\n\x00\xff[[[ = \"\n/sshd/events \"nothing\"\n",
	"no collector is called that": "/broccoli/debug_messages yes\n/broccoli/debug_calltrace yes\n" +
		"/sshd/collector \"no such host\"\n/sshd/passwords perhaps\n/sshd/data yes\n/sshd/heartbeat often\n",
	"no certificates": "/broccoli/debug_messages yes\n/broccoli/use_ssl yes\n/broccoli/ca_cert /none\n/broccoli/host_cert /none\n" +
		"/sshd/collector \"127.0.0.1:9\"\n/sshd/data yes\n",
}

// TestClientsSeeNothing: whatever is wrong with the sensor, programs that run
// over ssh say and return what they do with Debian's own sshd.
func TestClientsSeeNothing(t *testing.T) {
	stock := startServer(t, nil, settings{stock: true})
	want := stock.said()
	stock.quit()
	require.Contains(t, want, "git fetch")
	for what, conf := range broken {
		s := startServer(t, nil, settings{broccoli: conf})
		require.Equal(t, want, s.said(), what)
		s.abandon()
	}
}

// said runs programs over ssh, and returns what all of them said and returned.
func (s *server) said() string {
	s.t.Helper()
	dir := s.t.TempDir()
	conf := filepath.Join(dir, "ssh_config")
	require.NoError(s.t, os.WriteFile(conf, fmt.Appendf(nil, `Host server
HostName 127.0.0.1
Port %s
User %s
IdentityFile %s/good
IdentitiesOnly yes
UserKnownHostsFile %s/known
`, s.port, m.name, m.dir, m.dir), 0o600))
	var said strings.Builder
	for line := range strings.Lines(overSSH) {
		command := strings.TrimSpace(line)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "F="+conf, "GIT_SSH_COMMAND=ssh -F "+conf, "RSYNC_RSH=ssh -F "+conf, "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_DATE=2025-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2025-01-01T00:00:00Z")
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		require.NoError(s.t, ctx.Err(), "%s does not end: %s%s", command, out.String(), errs.String())
		cancel()
		fmt.Fprintf(&said, "$ %s\n%s%s-> %v\n", command, out.String(), errs.String(), err)
	}
	return strings.ReplaceAll(said.String(), s.port, "PORT")
}

const overSSH = `ssh -F $F server 'rm -rf work; mkdir work; cd work; git init -q --bare -b main git; touch -d 2025-01-01 .'
echo text >a; seq 100000 >b; touch -d 2025-01-01 a b
scp -F $F a server:work/
scp -F $F -O a server:work/old
scp -F $F server:work/a c; cat c
scp -F $F server:work/none c
printf 'cd work\nput b\nls -1\nget b d\nrename b e\nrm none\n' | sftp -F $F -b - server; cmp b d
rsync -ai a b server:work/rsync/
rsync -ai server:work/rsync/ back
git init -q -b main repo; cd repo; git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one
cd repo; git remote add origin server:work/git; git push origin main; git fetch origin
cd repo; ssh -F $F server 'cd work/git; git branch other main'; git fetch origin
cd repo; git fetch server:work/none main
ssh -F $F server 'echo out; echo wrong >&2; exit 7'
ssh -F $F -tt server 'echo out; echo wrong >&2; exit 7'
`
