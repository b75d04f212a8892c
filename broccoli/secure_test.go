package broccoli_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

// authority makes certificates in a folder.
type authority struct {
	t   *testing.T
	ca  *certs.CA
	dir string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	ca, err := certs.NewCA("test CA", time.Hour)
	require.NoError(t, err)
	a := authority{t, ca, t.TempDir()}
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, "ca.pem"), ca.PEM, 0o600))
	return a
}

// of returns the TLS of a host.
func (a authority) of(host string) *broccoli.TLS {
	a.t.Helper()
	b, err := a.ca.Issue(host)
	require.NoError(a.t, err)
	file := filepath.Join(a.dir, host+".pem")
	require.NoError(a.t, os.WriteFile(file, b, 0o600))
	return &broccoli.TLS{CA: filepath.Join(a.dir, "ca.pem"), Cert: file}
}

func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	server, client := ca.of("127.0.0.1"), ca.of("sensor")
	a, b := pair(t, broccoli.Config{TLS: client, Confirm: true}, broccoli.Config{TLS: server, Events: []string{"e"}})
	require.NoError(t, a.Send(within(t), "e", make([]byte, 1<<20)))
	receive(t, b)
	require.NoError(t, a.Flush(within(t)))
	require.NoError(t, a.Close())
}

// TestTLSRefuses other names, other authorities, and who speaks in the clear.
func TestTLSRefuses(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	elsewhere := listen(t, broccoli.Config{TLS: ca.of("elsewhere")}).Addr().String()
	client := ca.of("sensor")
	_, err := broccoli.Dial(within(t), elsewhere, broccoli.Config{TLS: client})
	require.ErrorContains(t, err, "certificate is of elsewhere")
	for _, name := range []string{"elsewhere", ""} {
		named := *client
		named.PeerName, named.AnyName = name, name == ""
		require.NoError(t, dial(t, elsewhere, broccoli.Config{TLS: &named}).Close())
	}
	named := *ca.of("127.0.0.1")
	named.PeerName = "someone"
	picky := listen(t, broccoli.Config{TLS: &named}).Addr().String()
	_, err = broccoli.Dial(within(t), picky, broccoli.Config{TLS: client})
	require.Error(t, err, "it may be another's certificate only")
	_, err = broccoli.Dial(within(t), picky, broccoli.Config{TLS: other.of("sensor")})
	require.Error(t, err)
	_, err = broccoli.Dial(within(t), picky, broccoli.Config{})
	require.Error(t, err)
	_, err = broccoli.Listen("127.0.0.1:0", broccoli.Config{TLS: &broccoli.TLS{CA: "/nowhere.pem"}})
	require.ErrorContains(t, err, "/nowhere.pem")
}
