package confine_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/library/confine"
)

// inside is the program that is confined. It is built as the core is: without cgo.
var inside string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "inside-")
	if err == nil {
		err = os.Chmod(dir, 0o755) // others run it too
	}
	inside = filepath.Join(dir, "inside")
	build := exec.Command("go", "build", "-o", inside, "./testdata/inside")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err == nil {
		err = build.Run()
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const (
	nobody   = 65534
	ordinary = 4711 // in no file of users
)

// party is a host that a core may be confined for, and its core.
type party struct {
	name   string
	uid    int // of the host
	folder bool
	is     int // of the core
}

// everybody is all that can be tried here.
func everybody() []party {
	if uid := os.Getuid(); uid != 0 {
		return []party{{"an ordinary user", uid, true, uid}}
	}
	return []party{
		{"root becomes nobody", 0, false, nobody},
		{"root with a folder of root's", 0, true, 0},
		{"an ordinary user", ordinary, true, ordinary},
	}
}

// place is what the program gets (testdata/inside/main.go).
type place struct {
	Plan                                     *confine.Plan
	Secret, Own, Outside, Folder, Unix, Name string
	Addr, DNS, CA, Cert, Key, Stats, Refused string
	party                                    party
}

// prepare makes what an attack is about: folders and files of everybody concerned.
func prepare(t *testing.T, w party) *place {
	t.Helper()
	dir, err := os.MkdirTemp("", "confine-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &place{
		party: w, Secret: filepath.Join(dir, "secret"), Own: filepath.Join(dir, "own"), Outside: filepath.Join(dir, "outside"),
		Folder: filepath.Join(dir, "folder"), Stats: filepath.Join(dir, "stats"),
		CA: filepath.Join(dir, "ca"), Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"),
	}
	folder(t, dir, 0o777, -1)
	folder(t, p.Outside, 0o777, -1)
	folder(t, p.Folder, 0o700, w.is)
	folder(t, filepath.Join(p.Folder, "sub"), 0o700, w.is)
	for path, owner := range map[string]int{
		p.Secret: 4712, p.Own: w.is, p.Outside + "/victim": -1, filepath.Join(p.Folder, "file"): w.is,
	} {
		require.NoError(t, os.WriteFile(path, []byte("content\n"), 0o600))
		own(t, path, owner)
	}
	require.NoError(t, os.Symlink(p.Own, filepath.Join(p.Folder, "link")))
	p.listen(t, dir)
	return p
}

func folder(t *testing.T, dir string, mode os.FileMode, owner int) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, mode))
	require.NoError(t, os.Chmod(dir, mode))
	own(t, dir, owner)
}

func own(t *testing.T, path string, owner int) {
	t.Helper()
	if os.Getuid() == 0 && owner >= 0 {
		require.NoError(t, os.Chown(path, owner, owner))
	}
}

// listen has a process be reached by sockets of the machine.
func (p *place) listen(t *testing.T, dir string) {
	t.Helper()
	p.Unix = filepath.Join(dir, "socket")
	p.Name = "confine-" + filepath.Base(dir)
	for _, address := range []string{p.Unix, "@" + p.Name} {
		l, err := net.Listen("unix", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
	}
	require.NoError(t, os.Chmod(p.Unix, 0o777))
}

// confined is the plan for it.
func (p *place) confined() *place {
	p.Plan = &confine.Plan{Must: true, Grants: []confine.Grant{
		{Path: p.CA, Mode: confine.Read}, {Path: p.Cert, Mode: confine.Read}, {Path: p.Key, Mode: confine.Read},
		{Path: p.Stats, Mode: confine.Append},
	}}
	if p.party.folder {
		p.Plan.Grants = append(p.Plan.Grants, confine.Grant{Path: p.Folder, Mode: confine.Folder})
	}
	return p
}

func (p *place) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	b, err := json.Marshal(p)
	require.NoError(t, err)
	cmd := exec.Command(inside, args...)
	cmd.Env = append(os.Environ(), "INSIDE_PLACE="+string(b))
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
			Uid: uint32(p.party.uid), Gid: uint32(p.party.uid), Groups: []uint32{4713}, // of which root lets go
		}}
	}
	return cmd
}

func (p *place) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.command(t, args...).CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// notHere are answers of a kernel without what an attack is about.
var notHere = []error{
	syscall.ENOSYS, syscall.ENOENT, syscall.ENXIO, syscall.ENODEV, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT,
	syscall.ESOCKTNOSUPPORT, syscall.EOPNOTSUPP, syscall.EINVAL,
}

// TestAttacks: whatever a core tries that somebody has taken over is refused, and is not
// refused to the same program of root's that is not confined.
func TestAttacks(t *testing.T) {
	list, err := exec.Command(inside, "list").Output()
	require.NoError(t, err)
	text, err := os.ReadFile("../../../docs/confinement.md")
	require.NoError(t, err)
	documented := string(text)
	for _, attack := range strings.Split(strings.TrimSpace(string(list)), "\n") {
		t.Run(attack, func(t *testing.T) {
			t.Parallel()
			for _, w := range everybody() {
				got := prepare(t, w).confined().run(t, "host", "try", attack)
				require.True(t, strings.HasPrefix(got, "refused: "), "%s: %s", w.name, got)
			}
			require.Contains(t, documented, "\n| "+attack+" |")
			if os.Getuid() != 0 {
				return
			}
			got := prepare(t, party{name: "root", folder: true}).run(t, "host", "try", attack)
			if got == "done\n" {
				return
			}
			for _, err := range notHere {
				if strings.HasSuffix(got, err.Error()+"\n") {
					t.Logf("the kernel here has no such thing to attack: %s", got)
					return
				}
			}
			require.Equal(t, "done\n", got, "without Enter")
		})
	}
}

// TestThreads: all threads of the process are confined, those from before too. Looked at
// from outside.
func TestThreads(t *testing.T) {
	for _, w := range everybody() {
		t.Run(w.name, func(t *testing.T) {
			p := prepare(t, w).confined()
			p.Plan.Bounding = true
			cmd := p.command(t, "threads")
			in, err := cmd.StdinPipe()
			require.NoError(t, err)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.Equal(t, "ready\n", line, "%v", err)
			all := statuses(t, cmd.Process.Pid)
			require.Greater(t, len(all), 20)
			for _, status := range all {
				is := strconv.Itoa(w.is)
				require.Equal(t, strings.Repeat(is+"\t", 3)+is, status["Uid"])
				require.Equal(t, "1", status["NoNewPrivs"])
				require.Equal(t, "2", status["Seccomp"])
				require.Equal(t, "0077", status["Umask"])
				none := strings.Repeat("0", 16)
				for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
					require.Equal(t, none, status[set], set)
				}
				if w.uid == 0 {
					require.Equal(t, none, status["CapBnd"])
					require.Empty(t, status["Groups"])
				}
			}
			owner, err := os.Stat(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
			require.NoError(t, err)
			require.Zero(t, owner.Sys().(*syscall.Stat_t).Uid, "it is root's when it is not dumpable")
			core, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
			require.NoError(t, err)
			require.Regexp(t, `Max core file size +0 +0 `, string(core))
			_ = in.Close()
			require.NoError(t, cmd.Wait())
		})
	}
}

// statuses are of each thread of a process.
func statuses(t *testing.T, pid int) (all []map[string]string) {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	require.NoError(t, err)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		fields := map[string]string{}
		for line := range bytes.Lines(b) {
			key, value, _ := strings.Cut(string(line), ":")
			fields[key] = strings.TrimSpace(value)
		}
		all = append(all, fields)
	}
	return all
}
