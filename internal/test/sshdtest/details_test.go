package sshdtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fingerprint returns what ssh-keygen says of a key.
func fingerprint(t *testing.T, file string) string {
	t.Helper()
	out, err := exec.Command("ssh-keygen", "-l", "-E", "sha256", "-f", file).Output()
	require.NoError(t, err)
	return strings.Fields(string(out))[1]
}

const detail = "user method submethod accepted key_type fingerprint cert_id cert_serial cert_ca"

func (s *server) authDetails(cid int) (list []string) {
	s.ended(cid)
	s.take(func(g got) bool { return g.cid() == cid })
	for _, e := range s.detailsNow(cid, "auth_detail") {
		list = append(list, e.values(detail))
	}
	return list
}

// TestAuthDetail: method and key of each attempt, accepted or not.
func TestAuthDetail(t *testing.T) {
	s := newServer(t, settings{})
	key := func(name string) string { return "ssh-ed25519 " + fingerprint(t, filepath.Join(m.dir, name)) }
	require.Equal(t, 0, s.status(s.client("ssh", "-i", filepath.Join(m.dir, "bad"), "-i", filepath.Join(m.dir, "good"), target(), "true")))
	require.Equal(t, []string{
		m.name + " publickey  false " + key("bad") + "  0 ",
		m.name + " publickey  true " + key("good") + "  0 "}, s.authDetails(1))

	require.Equal(t, 255, s.status(s.sshPassword("wrong", "-o", "NumberOfPasswordPrompts=1", target(), "true")))
	require.Equal(t, []string{m.name + " password  false    0 "}, s.authDetails(2))
	require.Equal(t, 0, s.status(s.sshPassword(password, target(), "true")))
	require.Equal(t, []string{m.name + " password  true    0 "}, s.authDetails(3))

	// The monitor never sees the keys of users that are none.
	require.Equal(t, 255, s.status(s.ssh("good", "no-such-user@127.0.0.1", "true")))
	require.Equal(t, []string{"no-such-user   false    0 "}, s.authDetails(4))
}

// TestCertificates: identity, serial and CA, whether the principal may log in or not.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca")
	require.NoError(t, command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ca))
	s := newServer(t, settings{sshd: "TrustedUserCAKeys " + ca + ".pub"})
	for i, principal := range []string{m.name, "somebody-else"} {
		key := filepath.Join(dir, principal)
		require.NoError(t, command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key))
		require.NoError(t, command("ssh-keygen", "-q", "-s", ca, "-I", "alice@laptop", "-z", "4711", "-n", principal, key+".pub"))
		cmd := s.client("ssh", "-o", "PreferredAuthentications=publickey", "-i", key,
			"-o", "CertificateFile="+key+"-cert.pub", target(), "true")
		require.Equal(t, i*255, s.status(cmd))
		require.Contains(t, s.authDetails(i+1), fmt.Sprintf("%s publickey  %v ssh-ed25519-cert-v01@openssh.com %s alice@laptop 4711 %s",
			m.name, i == 0, fingerprint(t, key), fingerprint(t, ca)))
	}
}

// TestClient: its version, also if it never logs in, and what was agreed on.
func TestClient(t *testing.T) {
	s := newServer(t, settings{})
	require.Equal(t, 0, s.status(s.ssh("good", "-c", "aes128-ctr", "-o", "MACs=hmac-sha2-256,hmac-sha2-512",
		"-o", "KexAlgorithms=ecdh-sha2-nistp384", "-o", "Compression=yes", target(), "true")))
	s.drop(1)
	version, err := exec.Command("ssh", "-V").CombinedOutput()
	require.NoError(t, err)
	name, _, _ := strings.Cut(string(version), ",")
	require.Equal(t, "SSH-2.0-"+name+" ecdh-sha2-nistp384 ssh-ed25519 aes128-ctr aes128-ctr hmac-sha2-256 hmac-sha2-256 zlib@openssh.com",
		s.details(t, 1, 1, "client")[0].values("version kex host_key cipher_in cipher_out mac_in mac_out compression"))

	require.Equal(t, 0, s.status(s.ssh("good", "-c", "chacha20-poly1305@openssh.com", "-o", "KexAlgorithms=curve25519-sha256", target(), "true")))
	s.drop(2)
	require.Equal(t, "curve25519-sha256 chacha20-poly1305@openssh.com <implicit> none",
		s.details(t, 2, 1, "client")[0].values("kex cipher_in mac_out compression"))

	nc := dial(t, s.port)
	_, err = fmt.Fprint(nc, "SSH-2.0-scanner_1.0\r\n")
	require.NoError(t, err)
	_, err = io.ReadAtLeast(nc, make([]byte, 100), 50)
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	s.drop(3)
	require.Equal(t, "SSH-2.0-scanner_1.0   ", s.details(t, 3, 1, "client")[0].values("version kex cipher_in mac_out"))
}

// drop waits for the end of a connection whose events are told elsewhere.
func (s *server) drop(cid int) {
	s.t.Helper()
	s.ended(cid)
	s.take(func(g got) bool { return g.cid() == cid })
}

// TestForwardRequests: what was asked for, whatever comes of it.
func TestForwardRequests(t *testing.T) {
	for _, allowed := range []string{"yes", "no"} {
		t.Run(allowed, func(t *testing.T) {
			s := newServer(t, settings{sshd: "AllowTcpForwarding " + allowed + "\nAllowStreamLocalForwarding " + allowed +
				"\nX11Forwarding " + allowed + "\nAllowAgentForwarding " + allowed + "\nPermitTunnel " + allowed})
			requests := func(cid int) (list []string) {
				s.drop(cid)
				for _, e := range s.detailsNow(cid, "forward_request") {
					list = append(list, e.values("kind direction host host_p allowed"))
				}
				return list
			}
			granted := fmt.Sprint(allowed == "yes")
			port := freePort(t)
			require.NotZero(t, s.status(s.ssh("good", "-W", "127.0.0.1:"+port, target())))
			require.Equal(t, []string{"tcp local 127.0.0.1 " + port + "/tcp " + granted}, requests(1))

			remote := freePort(t)
			path := filepath.Join(m.dir, "home", allowed)
			s.status(s.ssh("good", "-R", "127.0.0.1:"+remote+":127.0.0.1:1", "-R", path+":127.0.0.1:1", target(), "true"))
			require.ElementsMatch(t, []string{"tcp remote 127.0.0.1 " + remote + "/tcp " + granted,
				"streamlocal remote " + path + " 0/tcp " + granted}, requests(2))

			local := filepath.Join(t.TempDir(), "s")
			client := s.ssh("good", "-N", "-L", local+":/no/such/path", target())
			require.NoError(t, client.Start())
			eventually(t, func() bool {
				nc, err := net.Dial("unix", local)
				if err == nil {
					_ = nc.Close()
				}
				return len(s.detailsNow(3, "forward_request")) > 0
			}, "no request")
			finish(t, client)
			require.Contains(t, requests(3), "streamlocal local /no/such/path 0/tcp "+granted)

			agent := s.ssh("good", "-A", target(), "true")
			agent.Env = append(os.Environ(), "SSH_AUTH_SOCK="+startAgent(t))
			require.Equal(t, 0, s.status(agent))
			require.Equal(t, []string{"agent remote  0/tcp " + granted}, requests(4))

			x11 := s.ssh("good", "-Y", target(), "true")
			x11.Env = append(os.Environ(), "DISPLAY=localhost:0")
			require.Equal(t, 0, s.status(x11))
			x := requests(5)
			require.Len(t, x, 1)
			require.Contains(t, x[0], "x11 remote ")
			if allowed == "no" {
				require.Equal(t, "x11 remote  0/tcp false", x[0])
			}

			// Its own side needs the device as well: the root that has none asks for nothing.
			if _, err := os.Stat("/dev/net/tun"); err == nil {
				client := s.ssh("good", "-N", "-w", "any:any", "root@127.0.0.1")
				require.NoError(t, client.Start())
				s.details(t, 6, 1, "forward_request")
				finish(t, client)
				tun := requests(6)
				require.Len(t, tun, 1)
				require.Contains(t, tun[0], "tun local point-to-point 0/tcp ")
			}
		})
	}
}

// startAgent starts an agent and returns its socket.
func startAgent(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, func() bool { _, err := os.Stat(socket); return err == nil }, "no agent")
	return socket
}

// TestSftpOperations: read from the protocol, whoever speaks it on the side of the server.
func TestSftpOperations(t *testing.T) {
	for kind, conf := range map[string]string{"external": "", "internal": "Subsystem sftp internal-sftp"} {
		t.Run(kind, func(t *testing.T) {
			s := newServer(t, settings{sshd: conf})
			local := filepath.Join(t.TempDir(), "local")
			require.NoError(t, os.WriteFile(local, []byte(strings.Repeat("x", 100_000)), 0o600))
			home := filepath.Join(m.dir, "home")
			sftp := s.client("sftp", "-b", "-", "-o", "IdentityFile="+m.dir+"/good", target())
			sftp.Stdin = strings.NewReader(strings.NewReplacer("LOCAL", local, "HOME", home).Replace(`mkdir HOME/d
put LOCAL HOME/d/a
get HOME/d/a /dev/null
rename HOME/d/a HOME/d/b
ln HOME/d/b HOME/d/c
ln -s b HOME/d/l
chmod 600 HOME/d/b
ls HOME/d
-rm HOME/d/none
rm HOME/d/b
rm HOME/d/c
rm HOME/d/l
rmdir HOME/d
`))
			require.Equal(t, 0, s.status(sftp))
			s.drop(1)
			var ops []string
			for _, e := range s.detailsNow(1, "sftp") {
				require.Equal(t, "0", e.values("chan_id"))
				ops = append(ops, strings.ReplaceAll(e.values("op path target bytes_read bytes_written status"), home, "HOME"))
			}
			want := []string{
				"mkdir HOME/d  0 0 0",
				"open HOME/d/a  0 0 0", "close HOME/d/a  0 100000 0",
				"open HOME/d/a  0 0 0", "close HOME/d/a  100000 0 0",
				"rename HOME/d/a HOME/d/b 0 0 0", "link HOME/d/b HOME/d/c 0 0 0", "symlink b HOME/d/l 0 0 0",
				"setstat HOME/d/b  0 0 0",
				"opendir HOME/d/  0 0 0", "close HOME/d/  0 0 0",
				"remove HOME/d/none  0 0 2",
				"remove HOME/d/b  0 0 0", "remove HOME/d/c  0 0 0", "remove HOME/d/l  0 0 0",
				"rmdir HOME/d  0 0 0"}
			require.Equal(t, want, others(ops, "setstat HOME/d/a", "setstat HOME/d "))
		})
	}
}

// others leaves out lines that clients of some versions have.
func others(list []string, prefixes ...string) (rest []string) {
next:
	for _, line := range list {
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				continue next
			}
		}
		rest = append(rest, line)
	}
	return rest
}

// TestProcess: what runs, and what the kernel knows of who is responsible for it.
func TestProcess(t *testing.T) {
	s := newServer(t, settings{})
	out, err := s.ssh("good", target(), "echo $$ $(cat /proc/$$/sessionid) $(cat /proc/$$/loginuid)").Output()
	require.NoError(t, err)
	s.drop(1)
	require.Equal(t, strings.TrimSpace(string(out))+" false", s.details(t, 1, 1, "process")[0].values("pid audit_session login_uid tty"))
	require.Equal(t, 0, s.status(s.ssh("good", "-tt", target(), "true")))
	s.drop(2)
	require.Equal(t, "0 true", s.details(t, 2, 1, "process")[0].values("chan_id tty"))
}

// TestPasswordHash: who knows the salt can compare, and the salt is nowhere else.
func TestPasswordHash(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/password_salt \"pepper and salt\""})
	hash := func(p string) string {
		h := hmac.New(sha256.New, []byte("pepper and salt"))
		h.Write([]byte(p))
		return hex.EncodeToString(h.Sum(nil))
	}
	require.Equal(t, 0, s.status(s.sshPassword(password, target(), "test -z \"$SSHD_SENSOR_SALT\"")))
	s.drop(1)
	require.Equal(t, m.name+" "+hash(password)+" true", s.details(t, 1, 1, "password_hash")[0].values("user hash valid"))
	require.Equal(t, 255, s.status(s.sshPassword("wrong", "-o", "NumberOfPasswordPrompts=1", target(), "true")))
	s.drop(2)
	require.Equal(t, m.name+" "+hash("wrong")+" false", s.details(t, 2, 1, "password_hash")[0].values("user hash valid"))

	open := s.ssh("good", target(), "cat")
	in, err := open.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, open.Start())
	s.waitFor(3, "exec 0 cat")
	encoded := hex.EncodeToString([]byte("pepper and salt"))
	all := parents()
	served := 0
	for pid := range all {
		if isBelow(all, pid, s.pid()) && pid != s.pid() && !isSensor(pid) {
			environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			require.NoError(t, err)
			require.NotContains(t, string(environ), encoded, pid)
			served++
		}
	}
	require.GreaterOrEqual(t, served, 3, "the monitor, the user's process and cat")
	require.NoError(t, in.Close())
	require.NoError(t, open.Wait())
	s.drop(3)
}

// TestHeartbeat: it comes while nothing happens.
func TestHeartbeat(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/heartbeat 1"})
	beats := s.details(t, 0, 2, "heartbeat")
	require.Equal(t, "0 0", beats[0].values("connections lost"))
	require.Greater(t, beats[1].Args["uptime"], beats[0].Args["uptime"])
	open := s.ssh("good", target(), "cat")
	in, err := open.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, open.Start())
	s.waitFor(1, "exec 0 cat")
	eventually(t, func() bool {
		beats = s.detailsNow(0, "heartbeat")
		return beats[len(beats)-1].values("connections") == "1"
	}, "no heartbeat with the connection")
	require.NoError(t, in.Close())
	require.NoError(t, open.Wait())
	s.drop(1)
}

// TestNoHeartbeat: 0 is none.
func TestNoHeartbeat(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/heartbeat 0"})
	time.Sleep(1500 * time.Millisecond)
	require.Equal(t, 0, s.status(s.ssh("good", target(), "true")))
	s.drop(1)
	require.Empty(t, s.detailsNow(0, "heartbeat"))
}

// TestSensorRestart: the sensor that takes over tells how many connections are
// not reported to their end.
func TestSensorRestart(t *testing.T) {
	s := newServer(t, settings{})
	open := s.ssh("good", target(), "cat")
	in, err := open.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, open.Start())
	s.waitFor(1, "exec 0 cat")
	require.NoError(t, syscall.Kill(s.sensors()[0], syscall.SIGKILL))
	lost := 1 // the open one
	eventually(t, func() bool {
		require.Equal(t, 0, s.status(s.ssh("good", target(), "true")))
		if len(s.sensors()) > 0 {
			return true
		}
		lost++
		return false
	}, "no new sensor")
	require.Equal(t, fmt.Sprintf("the sensor had ended %d", lost),
		s.details(t, 0, 1, "sensor_restart")[0].values("reason connections_lost"))
	s.drop(lost + 1)
	require.NoError(t, in.Close())
	require.NoError(t, open.Wait())
	s.take(func(g got) bool { return g.short() != "exit" })
}

// TestLost: events that find no room are counted, and told when there is room again.
func TestLost(t *testing.T) {
	c := prepareCollector(t)
	addr := "127.0.0.1:" + freePort(t)
	s := startServer(t, c, settings{collector: addr, conf: "/broccoli/queue_max_events 10"})
	for range 3 {
		require.Equal(t, 0, s.status(s.ssh("good", target(), "true")))
	}
	c.addr = addr
	c.start(t, addr)
	e := s.details(t, 0, 1, "lost")[0]
	require.Greater(t, e.Args["number"], 5.0)
	require.WithinRange(t, time.UnixMicro(int64(e.Args["since"].(float64)*1e6)), s.started, time.Now())
	s.take(func(got) bool { return true })
	s.quit()
}
