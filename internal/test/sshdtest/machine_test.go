package sshdtest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// machine is what the tests need on the machine, made once: a user with a
// password and keys, the privilege separation user, a service of PAM.
type machine struct {
	build    string  // the folder of "make"
	openssh  string  // and of "make openssh"
	dir      string  // everybody may pass
	ours     program // with the sensor
	stock    program // as Debian ships it
	name     string  // of the user
	uid      string
	gid      string
	undo     []func() error
	coverage coverage
}

const password = "correct horse battery"

var m machine

func TestMain(t *testing.M) {
	os.Exit(run(t))
}

func run(t *testing.M) (code int) {
	m.build, m.openssh = os.Getenv("ROMANESCO_BUILD"), os.Getenv("ROMANESCO_OPENSSH")
	if m.openssh == "" {
		fmt.Println("ROMANESCO_OPENSSH does not say where the built sshd is: use make test-openssh")
		return 0
	}
	defer func() {
		if err := m.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "cleaning up:", err)
			code = 1
		}
	}()
	if err := m.make(); err != nil {
		fmt.Fprintln(os.Stderr, "preparing the machine:", err)
		return 1
	}
	return m.check(t.Run())
}

// check demands that the tests have met each event, if all of them were run.
func (m *machine) check(code int) int {
	missing, err := m.coverage.report()
	if err != nil {
		fmt.Fprintln(os.Stderr, "comparing with the documentation:", err)
		return 1
	}
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && len(missing) > 0 {
		fmt.Println("FAIL:", strings.Join(missing, "; "))
		return 1
	}
	return code
}

func (m *machine) make() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("privilege separation needs root")
	}
	var err error
	if m.dir, err = os.MkdirTemp("", "sshdtest"); err != nil {
		return err
	}
	m.later(func() error { return os.RemoveAll(m.dir) })
	if err := os.Chmod(m.dir, 0o755); err != nil {
		return err
	}
	for _, f := range []func() error{m.makePrivsep, m.makeUser, m.makeKeys, m.makeService, m.findPrograms} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) later(f func() error) { m.undo = append(m.undo, f) }

func (m *machine) remove() error {
	var first error
	for i := len(m.undo) - 1; i >= 0; i-- {
		if err := m.undo[i](); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (m *machine) makePrivsep() error {
	if _, err := os.Stat("/run/sshd"); err != nil {
		if err := os.Mkdir("/run/sshd", 0o755); err != nil {
			return err
		}
		m.later(func() error { return os.Remove("/run/sshd") })
	}
	if _, err := user.Lookup("sshd"); err == nil {
		return nil
	}
	m.later(func() error { return command("userdel", "sshd") })
	return command("useradd", "--system", "--no-create-home", "--home-dir", "/run/sshd", "--shell", "/usr/sbin/nologin", "sshd")
}

func (m *machine) makeUser() error {
	m.name = strings.Replace(filepath.Base(m.dir), "sshdtest", "romanesco", 1) // as nobody before
	home := filepath.Join(m.dir, "home")
	m.later(func() error { return command("userdel", m.name) })
	if err := command("useradd", "--create-home", "--home-dir", home, "--shell", "/bin/sh", m.name); err != nil {
		return err
	}
	set := exec.Command("chpasswd")
	set.Stdin = strings.NewReader(m.name + ":" + password + "\n")
	if out, err := set.CombinedOutput(); err != nil {
		return fmt.Errorf("chpasswd: %w: %s", err, out)
	}
	u, err := user.Lookup(m.name)
	if err != nil {
		return err
	}
	m.uid, m.gid = u.Uid, u.Gid
	return nil
}

// makeKeys makes a key of the host's, one that is authorized, and one that is not.
func (m *machine) makeKeys() error {
	for _, name := range []string{"host", "good", "bad"} {
		if err := command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(m.dir, name)); err != nil {
			return err
		}
	}
	good, err := os.ReadFile(filepath.Join(m.dir, "good.pub"))
	if err != nil {
		return err
	}
	host, err := os.ReadFile(filepath.Join(m.dir, "host.pub"))
	if err != nil {
		return err
	}
	askpass := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$SSHDTEST_PASSWORD\"\n")
	for name, text := range map[string]string{
		"authorized": string(good), "known": "* " + string(host), "askpass": askpass,
	} {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
