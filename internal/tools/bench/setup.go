package main

import (
	"bytes"
	"crypto/tls"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/secure"
	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

//go:embed testdata/*.c
var sources embed.FS

// setup is what all measurements use.
type setup struct {
	dir             string // of the program and its configurations
	bin             string // the program
	bare            string // one that is not linked to any library
	reference, ours string // folders of libraries
	name            string // of the reference
	tls             *tls.Config
}

func newSetup(o options, dir string) (*setup, error) {
	build, err := filepath.Abs(o.build)
	if err != nil {
		return nil, err
	}
	reference, name := o.reference, "reference"
	if reference == "" {
		reference, name = build+"/lib/libbroccoli.so.5", "ours again"
	}
	if _, err := os.Stat(reference); err != nil {
		return nil, fmt.Errorf("REFERENCE_LIB: %w", err)
	}
	s := &setup{
		dir: dir, bin: filepath.Join(dir, "bench"), bare: filepath.Join(dir, "bare"),
		reference: filepath.Dir(reference), ours: build + "/lib", name: name,
	}
	if err := compile("bench.c", "-I"+build+"/include", "-o", s.bin, "-L"+s.ours, "-lbroccoli"); err != nil {
		return nil, err
	}
	if err := compile("bare.c", "-o", s.bare); err != nil {
		return nil, err
	}
	return s, s.configure()
}

// compile makes a program of one of our sources; args end with its libraries.
func compile(source string, args ...string) error {
	text, err := sources.ReadFile("testdata/" + source)
	if err != nil {
		return err
	}
	cc := exec.Command("cc", append([]string{"-std=c11", "-D_GNU_SOURCE", "-O2", "-x", "c", "-"}, args...)...)
	cc.Stdin = bytes.NewReader(text)
	if out, err := cc.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s: %w: %s", source, err, out)
	}
	return nil
}

// configure makes the certificates, and the configurations of the program.
func (s *setup) configure() error {
	ca, err := certs.NewCA("bench", 24*time.Hour)
	if err != nil {
		return err
	}
	cert, err := ca.Issue("127.0.0.1")
	if err != nil {
		return err
	}
	caFile, certFile := filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "host.pem")
	files := map[string]string{caFile: string(ca.PEM), certFile: string(cert)}
	for _, zeek := range []bool{false, true} {
		for secure, text := range map[bool]string{
			false: "/broccoli/use_ssl no\n",
			true: fmt.Sprintf("/broccoli/use_ssl yes\n/broccoli/ca_cert %s\n/broccoli/host_cert %s\n/broccoli/host_key %s\n",
				caFile, certFile, certFile),
		} {
			if zeek {
				text += "/broccoli/transport zeek-websocket\n"
			}
			files[s.conf(zeek, secure)] = text
		}
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	s.tls, err = secure.Settings{CACert: caFile, HostCert: certFile}.Listening()
	return err
}

// conf is the path of the configuration of a program.
func (s *setup) conf(zeek, secure bool) string {
	name := "bro"
	if zeek {
		name = "zeek"
	}
	if secure {
		name += "-tls"
	}
	return filepath.Join(s.dir, name+".conf")
}
