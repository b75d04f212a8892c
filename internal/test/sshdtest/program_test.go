package sshdtest

import (
	"fmt"
	"os"
	"path/filepath"
)

// service is the name of PAM's service of these tests.
var service = fmt.Sprintf("romanesco-sshd-%d", os.Getpid())

// program is an sshd. From OpenSSH 9.8 on it is several programs.
type program struct {
	sshd    string
	session string // empty if sshd does what it does
	auth    string
}

// isSplit tells whether connections have a program of their own.
func (p program) isSplit() bool { return p.session != "" }

// config is what sshd_config has to say of the programs. Older ones call PAM's
// service after themselves, see findPrograms. Penalties would keep out whoever
// fails as often as the tests do.
func (p program) config() string {
	if !p.isSplit() {
		return ""
	}
	return "PAMServiceName " + service + "\nSshdSessionPath " + p.session + "\nSshdAuthPath " + p.auth +
		"\nPerSourcePenalties no\n"
}

func (m *machine) makeService() error {
	path := filepath.Join("/etc/pam.d", service)
	m.later(func() error { return os.Remove(path) })
	return os.WriteFile(path, []byte("auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_permit.so\n"), 0o644)
}

func (m *machine) findPrograms() error {
	var err error
	if m.ours, err = m.find("ours", m.openssh, m.openssh); err != nil {
		return err
	}
	stock := filepath.Join(m.openssh, "stock", "usr")
	m.stock, err = m.find("stock", filepath.Join(stock, "sbin"), filepath.Join(stock, "lib", "openssh"))
	return err
}

// find copies an sshd under a name of ours.
func (m *machine) find(name, dir, libexec string) (program, error) {
	p := program{sshd: filepath.Join(m.dir, name, service)}
	if err := os.Mkdir(filepath.Dir(p.sshd), 0o755); err != nil {
		return p, err
	}
	if err := command("cp", "--dereference", filepath.Join(dir, "sshd"), p.sshd); err != nil {
		return p, err
	}
	if _, err := os.Stat(filepath.Join(libexec, "sshd-session")); err == nil {
		p.session, p.auth = filepath.Join(libexec, "sshd-session"), filepath.Join(libexec, "sshd-auth")
	}
	return p, nil
}
