package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/youmark/pkcs8"
	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

// terminal opens a pseudo-terminal: what the operator sees and types, and what
// the program has.
func terminal(t *testing.T) (operator, program *os.File) {
	t.Helper()
	operator, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = operator.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(operator.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(operator.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = program.Close() })
	return operator, program
}

// encrypted writes a certificate, and its key with a passphrase, into one file.
func encrypted(t *testing.T, ca *certs.CA, path, pass string) {
	t.Helper()
	b, err := ca.Issue("127.0.0.1")
	require.NoError(t, err)
	var out bytes.Buffer
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			require.NoError(t, err)
			der, err := pkcs8.MarshalPrivateKey(key, []byte(pass), nil)
			require.NoError(t, err)
			block = &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}
		}
		require.NoError(t, pem.Encode(&out, block))
	}
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
}

// TestAsksForThePassphrase: on its terminal, though its input and output are elsewhere.
func TestAsksForThePassphrase(t *testing.T) {
	dir := t.TempDir()
	bin, caFile, host := filepath.Join(dir, "collector"), filepath.Join(dir, "ca.pem"), filepath.Join(dir, "host.pem")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	ca, err := certs.NewCA("test", time.Hour)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(caFile, ca.PEM, 0o600))
	encrypted(t, ca, host, "open sesame")
	for pass, says := range map[string]string{"open sesame": "listening on", "wrong": "incorrect password"} {
		operator, program := terminal(t)
		cmd := exec.CommandContext(t.Context(), bin, "-listen", "", "-tls-listen", "127.0.0.1:0", "-ca-cert", caFile, "-host-cert", host)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
		cmd.Stdin = program
		told, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		prompt, err := bufio.NewReader(operator).ReadString(':')
		require.NoError(t, err)
		require.Contains(t, prompt, "Passphrase of "+host)
		_, err = operator.WriteString(pass + "\n")
		require.NoError(t, err)
		line, err := bufio.NewReader(told).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, says)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}
