package confine_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/romanesco-broccoli/romanesco/internal/library/confine"
	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

// TestWorks: what a core does goes on, for everybody, and under kernels that have less.
func TestWorks(t *testing.T) {
	for _, w := range everybody() {
		for name, calls := range kernels {
			t.Run(w.name+", "+name, func(t *testing.T) {
				p := prepare(t, w).confined()
				p.serve(t)
				args := []string{"host", "core"}
				if calls != "" {
					p.Plan.Must = false
					args = append([]string{"old", calls}, args...)
				}
				out := p.run(t, args...)
				report, steps, _ := strings.Cut(out, "\n")
				require.Contains(t, report, fmt.Sprintf("uid %d,", w.is))
				require.Equal(t, calls != "", strings.Contains(report, "missing"), report)
				require.Equal(t, strings.Contains(calls, "landlock"), strings.Contains(report, "Landlock 0"), report)
				require.Equal(t, w.is == 0 && strings.Contains(calls, "landlock"), strings.Contains(report, "files of root's"), report)
				require.Equal(t, strings.Contains(calls, "seccomp"), strings.Contains(report, "seccomp false"), report)
				for step := range strings.Lines(steps) {
					require.True(t, strings.HasSuffix(step, ": ok\n"), out)
				}
				require.Equal(t, 15, strings.Count(steps, "\n"), out)
				b, err := os.ReadFile(p.Stats)
				require.NoError(t, err)
				require.Equal(t, "line\n", string(b))
			})
		}
	}
}

const landlockCalls = "landlock_create_ruleset,landlock_add_rule,landlock_restrict_self"

// kernels are those that know some calls no more, by these.
var kernels = map[string]string{
	"this kernel":               "",
	"without Landlock":          landlockCalls,
	"without seccomp":           "seccomp",
	"without either of the two": landlockCalls + ",seccomp",
}

// serve has a TLS server, one of names, and the files for both.
func (p *place) serve(t *testing.T) {
	t.Helper()
	ca, err := certs.NewCA("test", time.Hour)
	require.NoError(t, err)
	both, err := ca.IssueTo("localhost", "localhost")
	require.NoError(t, err)
	pair, err := tls.X509KeyPair(both, both)
	require.NoError(t, err)
	for path, b := range map[string][]byte{p.CA: ca.PEM, p.Cert: both, p.Key: both} {
		require.NoError(t, os.WriteFile(path, b, 0o600))
		own(t, path, p.party.uid)
	}
	p.writable(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	p.Addr = "localhost:" + port
	p.names(t)
}

// names answers each question with one address.
func (p *place) names(t *testing.T) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	p.DNS = c.LocalAddr().String()
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
					Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = c.WriteTo(answer, from)
			}
		}
	}()
}

// writable has the statistics be the host's, in a folder that is not the core's.
func (p *place) writable(t *testing.T) {
	t.Helper()
	require.NoError(t, os.WriteFile(p.Stats, nil, 0o600))
	own(t, p.Stats, p.party.uid)
}

// dialogue is with "inside files".
type dialogue struct {
	t  *testing.T
	in io.Writer
	*bufio.Reader
}

func (p *place) dialogue(t *testing.T) *dialogue {
	cmd := p.command(t, "files")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		require.NoError(t, cmd.Wait())
	})
	return &dialogue{t, in, bufio.NewReader(out)}
}

func (d *dialogue) says(format string, args ...any) string {
	_, err := fmt.Fprintf(d.in, format+"\n", args...)
	require.NoError(d.t, err)
	line, err := d.ReadString('\n')
	require.NoError(d.t, err)
	return strings.TrimSpace(line)
}

// TestFiles: those that are renewed are read anew where that is possible; where not, what
// was there at the start holds, and it is told that there is another one.
func TestFiles(t *testing.T) {
	for _, w := range everybody() {
		t.Run(w.name, func(t *testing.T) {
			p := prepare(t, w).confined()
			write := func(path, text string) {
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
				own(t, path, w.uid)
			}
			write(p.Cert, "first")
			write(p.Key, "first")
			write(p.Stats, "")
			d := p.dialogue(t)
			first, second := `"first" <nil>`, `"second" <nil>`
			require.Equal(t, first, d.says("read %s", p.Cert))
			require.Contains(t, d.says("read %s", p.CA), "no such file")
			require.Contains(t, d.says("read %s", p.Own), "permission denied")

			write(p.Cert, "second")
			now := first
			if w.is == w.uid {
				now = second
			}
			require.Equal(t, now, d.says("read %s", p.Cert))
			require.Equal(t, "[]", d.says("stale"))

			write(p.Key+".new", "second")
			require.NoError(t, os.Rename(p.Key+".new", p.Key))
			write(p.CA, "second")
			require.Equal(t, first, d.says("read %s", p.Key))
			require.Equal(t, fmt.Sprintf("[%s %s]", p.CA, p.Key), d.says("stale"))

			require.Equal(t, "<nil>", d.says("append %s", p.Stats))
			require.NoError(t, os.Rename(p.Stats, p.Stats+".1"))
			require.Equal(t, "<nil>", d.says("append %s", p.Stats))
			rotated, err := os.ReadFile(p.Stats + ".1")
			require.NoError(t, err)
			require.Equal(t, "line\nline\n", string(rotated), "rotation must copy and truncate")
			require.NoError(t, os.Truncate(p.Stats+".1", 0))
			require.Equal(t, "<nil>", d.says("append %s", p.Stats))
			rotated, err = os.ReadFile(p.Stats + ".1")
			require.NoError(t, err)
			require.Equal(t, "line\n", string(rotated))
			require.Contains(t, d.says("append %s", p.Own), "permission denied")

			require.NoError(t, os.Truncate(p.Cert, 4<<20+1))
			require.Regexp(t, `larger than|"first"`, d.says("read %s", p.Cert))
		})
	}
}

// TestUnreachable: what a user cannot reach is an error of Read and Append, not of Enter.
func TestUnreachable(t *testing.T) {
	w := everybody()[len(everybody())-1]
	p := prepare(t, w).confined()
	closed := filepath.Join(p.Outside, "closed")
	folder(t, closed, 0, -1)
	t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	for _, mode := range []confine.Mode{confine.Read, confine.Append} {
		p.Plan.Grants = append(p.Plan.Grants, confine.Grant{Path: closed + "/file", Mode: mode})
	}
	d := p.dialogue(t)
	require.Contains(t, d.says("read %s/file", closed), "permission denied")
	require.Contains(t, d.says("append %s/file", closed), "permission denied")
	require.Equal(t, "[]", d.says("stale"))
}

// TestWithoutConfinement: nil is for a core that is a library.
func TestWithoutConfinement(t *testing.T) {
	var f *confine.Files
	path := filepath.Join(t.TempDir(), "file")
	for range 2 {
		file, err := f.Append(path)
		require.NoError(t, err)
		_, err = file.WriteString("x")
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	b, err := f.Read(path)
	require.NoError(t, err)
	require.Equal(t, "xx", string(b))
	require.Empty(t, f.Stale())
	_, err = f.Read(filepath.Dir(path))
	require.Error(t, err)
}

// TestMust: where a part is missing and must not be, the core does not run.
func TestMust(t *testing.T) {
	for name, calls := range kernels {
		if calls == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p := prepare(t, everybody()[0]).confined()
			out, err := p.command(t, "old", calls, "files").CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), "this kernel does not have all of it: ")
		})
	}
}

// TestUsers: which user may be asked for, and which one the core runs as.
func TestUsers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root becomes somebody else")
	}
	for name, c := range map[string]struct {
		host, owner int
		user        string
		says        string
	}{
		"a name":                       {0, 0, "nobody", "uid 65534,"},
		"a number":                     {0, 0, "65534", "uid 65534,"},
		"nobody of that name":          {0, 0, "nobody-at-all", "there is no user"},
		"somebody else, not by root":   {ordinary, ordinary, "nobody", "only root can"},
		"the owner of the folder":      {0, ordinary, "", "uid 4711, gid 4711"},
		"root, of the folder of roots": {0, 0, "", "uid 0,"},
	} {
		t.Run(name, func(t *testing.T) {
			p := prepare(t, party{uid: c.host, is: c.owner, folder: true}).confined()
			p.Plan.User = c.user
			p.serve(t)
			out, _ := p.command(t, "host", "core").CombinedOutput()
			require.Contains(t, string(out), c.says)
		})
	}
}

// TestSpoolConfined runs the tests of package spool in a process that is confined, but for
// those that try what is refused: that make links and pipes, or change limits and modes.
func TestSpoolConfined(t *testing.T) {
	binary := filepath.Join(filepath.Dir(inside), "spool.test")
	build := exec.Command("go", "test", "-c", "-o", binary, "../spool")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, w := range everybody() {
		if !w.folder {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			p := prepare(t, w)
			cmd := exec.Command(binary, "-test.v", "-test.timeout=5m", "-test.skip="+strings.Join([]string{
				"TestForeignFoldersAreLeftAlone", "TestWritesThatFail", "TestUnreadableIsNotLost", "TestLeftOversAreRemoved",
			}, "|"))
			cmd.Env = append(os.Environ(), "ROMANESCO_CONFINED="+p.Folder)
			if os.Getuid() == 0 {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(w.uid), Gid: uint32(w.uid)}}
			}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "Landlock")
			require.Greater(t, strings.Count(string(out), "--- PASS"), 20)
		})
	}
}

// TestCost is small beside the start of a process. It says what it is and asserts
// little: the machine may be busy.
func TestCost(t *testing.T) {
	for _, w := range everybody() {
		var took, more []int
		for range 15 {
			var us, before, after int
			_, err := fmt.Sscan(prepare(t, w).confined().run(t, "cost"), &us, &before, &after)
			require.NoError(t, err)
			took, more = append(took, us), append(more, after-before)
		}
		slices.Sort(took)
		slices.Sort(more)
		t.Logf("%s: Enter takes %d us (of 15: %d to %d), and %d KiB", w.name, took[7], took[0], took[14], more[7])
		require.Less(t, took[7], 1_000_000)
	}
}
