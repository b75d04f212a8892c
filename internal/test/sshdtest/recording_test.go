package sshdtest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each of these is a way out of the recording: what is done in it must not keep
// what comes after from being told.

// piped runs a shell that reads what it is to do, and returns the lines of its connection.
func (s *server) piped(input string) []string {
	s.t.Helper()
	s.cid++
	cmd := s.ssh("good", "-T", target(), "cat >/dev/null")
	cmd.Stdin = strings.NewReader(input)
	require.Equal(s.t, 0, s.status(cmd))
	return s.lines(s.cid)
}

// cuts returns what was left out of a connection, when all was told.
func (s *server) cuts(cid int) (list []string) {
	for _, e := range s.detailsNow(cid, "data_cut") {
		list = append(list, e.values("chan_id direction reason bytes_left_out lines_left_out"))
	}
	return list
}

func garbage(n int) string {
	b := make([]byte, n)
	seed := rand.NewChaCha8([32]byte{})
	_, _ = seed.Read(b)
	return string(b)
}

// TestNul: one byte that is no text is told as such, and nothing else changes.
func TestNul(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	require.Equal(t, []string{"tx a␛00b", "tx plain \\x00 and caf\u00e9", "tx caf␛e9", "tx ␛04", "tx ␛e2␛90␛9b␛1b", "tx end"},
		s.piped("a\x00b\nplain \\x00 and caf\u00e9\ncaf\xe9\n\x04\n␛\x1b\nend\n"))
	require.Empty(t, s.cuts(s.cid))
	out, err := s.ssh("good", target(), "printf '\\0'; echo later").Output()
	require.NoError(t, err)
	require.Equal(t, "\x00later\n", string(out))
	s.cid++
	require.Equal(t, []string{"rx ␛00later"}, s.lines(s.cid))
}

// TestCarriageReturns: they end lines as well.
func TestCarriageReturns(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	require.Equal(t, []string{"tx one", "tx two", "tx three"}, s.piped("one\rtwo\rthree"))
	lines := s.piped(strings.Repeat("\r", 100_000) + "after\r")
	require.Equal(t, "tx after", lines[len(lines)-1])
	require.Equal(t, []string{"0 tx empty 0 99936"}, s.cuts(s.cid))
}

// TestEmptyLines: the first ones are told, the others are counted, and what follows is told.
func TestEmptyLines(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	lines := s.piped(strings.Repeat("\n", 100_000) + "after\n")
	require.Equal(t, 64, len(lines)-1)
	require.Equal(t, "tx after", lines[64])
	require.Equal(t, []string{"0 tx empty 0 99936"}, s.cuts(s.cid))
}

// TestLongLines: those of one byte more or less than a piece has.
func TestLongLines(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	x := func(n int) string { return strings.Repeat("x", n) }
	require.Equal(t, []string{"tx " + x(4095), "tx " + x(4096), "tx " + x(4096), "tx x", "tx after"},
		s.piped(x(4095)+"\n"+x(4096)+"\n"+x(4097)+"\nafter\n"))
	// A character is not torn.
	require.Equal(t, []string{"tx " + x(4095), "tx \u00e9after"}, s.piped(x(4095)+"\u00e9after\n"))
}

// TestLongCommand: one of 70,000 bytes is told whole, in two pieces.
func TestLongCommand(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	command := "true " + strings.Repeat("x", 70_000) + "; echo short"
	require.Equal(t, 0, s.status(s.ssh("good", target(), command)))
	s.cid++
	s.waitFor(s.cid, "exec 0 "+command[:65536])
	s.waitFor(s.cid, "exec 0 "+command[65536:])
	require.Equal(t, []string{"rx short"}, s.lines(s.cid))
}

// TestSingleLetters: what is typed on a terminal, a byte at a time.
func TestSingleLetters(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	s.cid++
	cmd := s.ssh("good", "-tt", target(), "stty -icanon; head -c 4 | od -An -c; echo done")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	for _, b := range []string{"w", "\r", "\x04", "x"} {
		time.Sleep(200 * time.Millisecond) // so that each is a packet
		_, err := io.WriteString(in, b)
		require.NoError(t, err)
	}
	require.NoError(t, cmd.Wait())
	lines := s.lines(s.cid)
	require.Contains(t, lines, "tx w")
	require.Contains(t, lines, "tx ␛04x")
	require.Contains(t, lines, "rx done")
}

// TestScpCommand: a command that looks like a file transfer is recorded as any other.
func TestScpCommand(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	s.cid++
	file := filepath.Join(m.dir, "home", "x")
	cmd := s.ssh("good", target(), "scp -t "+file+"; bash")
	cmd.Stdin = strings.NewReader("\x00\nid -un\necho more\n")
	out, err := cmd.Output()
	require.NoError(t, err, string(out))
	s.waitFor(s.cid, "exec 0 scp -t "+file+"; bash")
	lines := s.lines(s.cid)
	require.Contains(t, lines, "tx id -un")
	require.Contains(t, lines, "tx echo more")
	require.Contains(t, lines, "rx more")
}

// TestSecondSession: each session of a connection has its own channel, and what
// one does has no effect on the other.
func TestSecondSession(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	control := filepath.Join(m.dir, "control")
	s.cid++
	master := s.ssh("good", "-M", "-S", control, target(), "head -c 1000000 /dev/zero; cat")
	in, err := master.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, master.Start())
	eventually(t, func() bool { _, err := os.Stat(control); return err == nil }, "no control socket")
	out, err := s.client("ssh", "-S", control, target(), "echo second").Output()
	require.NoError(t, err)
	require.Equal(t, "second\n", string(out))
	require.NoError(t, in.Close())
	require.NoError(t, master.Wait())
	s.ended(s.cid)
	var second []got
	for _, e := range s.take(func(g got) bool { return g.cid() == s.cid }) {
		if fmt.Sprint(e.Args["chan_id"]) == "1" {
			second = append(second, e)
		}
	}
	require.Equal(t, []string{"channel_new_session 1 exec", "exec 1 echo second"}, texts(second)[:2])
	require.Contains(t, texts(second), "data_rx 1 second") // sshd may hear of the end first
	require.NotEmpty(t, s.cuts(s.cid), "a megabyte of NUL is no text")
}

// ended waits for the end of a connection.
func (s *server) ended(cid int) {
	s.t.Helper()
	eventually(s.t, func() bool {
		return s.count(func(g got) bool { return g.cid() == cid && g.short() == "conn_end" }) > 0
	}, "connection %d does not end", cid)
}

// TestSilence: a session that does nothing for 40 seconds is the same afterwards.
func TestSilence(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 40 seconds")
	}
	t.Parallel()
	s := newServer(t, settings{conf: "/sshd/data yes"})
	s.cid++
	cmd := s.ssh("good", "-T", target())
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.WriteString(in, "echo before\n")
	require.NoError(t, err)
	time.Sleep(40 * time.Second)
	_, err = io.WriteString(in, "echo after\nexit\n")
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	require.ElementsMatch(t, []string{"tx echo before", "rx before", "tx echo after", "rx after", "tx exit"}, s.lines(s.cid))
}

// TestGarbage: a megabyte that is no text is cut, and told to be; the lines that
// come after it, and those in the middle of it, are told.
func TestGarbage(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	input := garbage(1<<19) + "\nw\nin the middle\n" + garbage(1<<19) + "\nid\nls -l\n"
	lines := s.piped(input)
	require.Contains(t, lines, "tx w")
	require.Contains(t, lines, "tx in the middle")
	require.Equal(t, []string{"tx id", "tx ls -l"}, lines[len(lines)-2:])
	require.Less(t, len(lines), 500, "what is no text is not told")
	cuts := s.cuts(s.cid)
	require.Len(t, cuts, 2, "%v", s.more)
	require.Equal(t, "0 tx binary 0 0", cuts[0])
	var bytes, lost int
	_, err := fmt.Sscanf(cuts[1], "0 tx binary %d %d", &bytes, &lost)
	require.NoError(t, err)
	require.Greater(t, bytes, 1<<20-64<<10)
	require.Greater(t, lost, 3000)

	// A whole window of text ends the cut, and all is told again, text or not.
	lines = s.piped(garbage(1<<19) + "\n" + strings.Repeat(strings.Repeat("text ", 10)+"\n", 1500) + "\x01\x02\x03\n")
	require.Equal(t, "tx ␛01␛02␛03", lines[len(lines)-1], "left out: %v", s.cuts(s.cid))
}

// TestFlood: lines that come faster than they can be taken are left out and
// counted, and nothing else is lost for them.
func TestFlood(t *testing.T) {
	s := newServer(t, settings{conf: "/sshd/data yes"})
	s.cid++
	const lines = 3_000_000
	cmd := s.ssh("good", target(), fmt.Sprintf("yes | head -n %d; sleep 1; echo after", lines))
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("y\n", lines)+"after\n", string(out))
	s.ended(s.cid)
	told := s.lines(s.cid)
	require.Equal(t, "rx after", told[len(told)-1])
	left := 0
	for _, c := range s.cuts(s.cid) {
		var bytes, n int
		_, err := fmt.Sscanf(c, "0 rx rate %d %d", &bytes, &n)
		require.NoError(t, err, c)
		left += n
	}
	require.InDelta(t, lines+1, len(told)+left, 0.001*lines, "%d told, %d left out", len(told), left)
	require.Empty(t, s.details(t, 0, 0, "lost"))
}

// TestSftpRekeys: a large transfer over many keys arrives as it was, and no slower
// than with Debian's sshd; ROMANESCO_SFTP_BYTES is its size.
func TestSftpRekeys(t *testing.T) {
	size := int64(256 << 20)
	if text := os.Getenv("ROMANESCO_SFTP_BYTES"); text != "" {
		_, err := fmt.Sscan(text, &size)
		require.NoError(t, err)
	}
	file := filepath.Join(m.dir, "home", "large")
	want := makeLarge(t, file, size)
	s := newServer(t, settings{conf: "/sshd/data yes"})
	stock := startServer(t, nil, settings{stock: true})
	ours, debians := time.Duration(0), time.Duration(0)
	rounds := 3
	if size > 1<<30 {
		rounds = 1
	}
	for range rounds { // in turn, so that both have the same of what else goes on
		debians += stock.fetch(file, want)
		ours += s.fetch(file, want)
	}
	t.Logf("%d bytes, %d times: %v, Debian's %v, ratio of rates %.3f", size, rounds, ours, debians, debians.Seconds()/ours.Seconds())
	for cid := 1; cid <= rounds; cid++ {
		ops := s.details(t, cid, 2, "sftp")
		require.Equal(t, fmt.Sprintf("close %s %d 0 0", file, size), ops[len(ops)-1].values("op path bytes_read bytes_written status"))
		s.ended(cid)
		s.take(func(g got) bool { return g.cid() == cid })
	}
	stock.quit()
}

// makeLarge writes a file, and returns its checksum.
func makeLarge(t *testing.T, path string, size int64) string {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	sum := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, sum), rand.NewChaCha8([32]byte{}), size)
	require.NoError(t, err)
	require.NoError(t, f.Chmod(0o644))
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// fetch gets a file by sftp, and returns how long that took.
func (s *server) fetch(path, want string) time.Duration {
	s.t.Helper()
	local := filepath.Join(m.dir, "fetched")
	defer os.Remove(local)
	client := s.client("sftp", "-q", "-o", "IdentityFile="+m.dir+"/good", "-o", "RekeyLimit=64M", target()+":"+path, local)
	start := time.Now()
	require.Equal(s.t, 0, s.status(exec.Command(client.Path, client.Args[1:]...))) // as long as it takes
	took := time.Since(start)
	f, err := os.Open(local)
	require.NoError(s.t, err)
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	require.NoError(s.t, err)
	require.Equal(s.t, want, fmt.Sprintf("%x", sum.Sum(nil)))
	return took
}
