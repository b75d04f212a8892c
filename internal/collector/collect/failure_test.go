package collect

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/policy"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

// forgetful is a log that takes everything and can make nothing safe.
type forgetful struct{ discard }

var errDisk = errors.New("disk full")

func (forgetful) Batch(context.Context, eventlog.Peer, func()) eventlog.Batch { return forgetful{} }
func (forgetful) Settle() error                                               { return errDisk }

// TestNothingUnsafeIsConfirmed: a sensor gets its receipt for what is safe
// only, and a log that fails ends the collector, with the reason.
func TestNothingUnsafeIsConfirmed(t *testing.T) {
	l, at := listen(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- New(Config{Destinations: anyone(t, ".*"), Log: forgetful{}}).Run(ctx, l) }()
	nc, err := net.Dial("tcp", at.String())
	require.NoError(t, err)
	j := delivery.NewJournal(1 << 20)
	p := opened(t, nc, peer.Config{Journal: j})
	send(t, p, numbered("sensor_sshd_exec", 1))
	require.Error(t, p.Next(&event.Event{}), "it is ended")
	require.ErrorIs(t, <-done, errDisk)
	require.Equal(t, 1, j.Pending())
}

// TestOneFailureEndsAllSources: the other listener, and who is waited for.
func TestOneFailureEndsAllSources(t *testing.T) {
	first, at := listen(t)
	other, _ := listen(t)
	idle, idleAt := listen(t) // takes connections, and says nothing
	defer idle.Close()
	all := append(anyone(t, ".*"), Destination{Address: idleAt.String(), Destination: policy.Destination{
		Connect: true, Retry: time.Hour,
	}})
	done := make(chan error, 1)
	go func() { done <- New(Config{Destinations: all, Log: forgetful{}}).Run(t.Context(), first, other) }()
	nc, err := net.Dial("tcp", at.String())
	require.NoError(t, err)
	p := opened(t, nc, peer.Config{Journal: delivery.NewJournal(1 << 20)})
	send(t, p, numbered("sensor_sshd_exec", 1))
	select {
	case err := <-done:
		require.Equal(t, errDisk, err, "once")
	case <-time.After(patience):
		t.Fatal("it goes on with what is left")
	}
}

// TestFailureOfADestinationEndsAllSources: of one that we connect to.
func TestFailureOfADestinationEndsAllSources(t *testing.T) {
	ours, _ := listen(t)
	sensor, at := listen(t)
	all := anyone(t, ".*")
	all[0].Address, all[0].Connect, all[0].Retry = at.String(), true, time.Hour
	done := make(chan error, 1)
	go func() { done <- New(Config{Destinations: all, Log: forgetful{}}).Run(t.Context(), ours) }()
	nc, err := sensor.Accept()
	require.NoError(t, err)
	p := opened(t, nc, peer.Config{Journal: delivery.NewJournal(1 << 20)})
	send(t, p, numbered("sensor_sshd_exec", 1))
	select {
	case err := <-done:
		require.Equal(t, errDisk, err, "once")
	case <-time.After(patience):
		t.Fatal("it goes on listening")
	}
}

// faulty is a log with an error in its program, which events of one name show.
type faulty struct{ discard }

func (faulty) Batch(context.Context, eventlog.Peer, func()) eventlog.Batch { return faulty{} }
func (faulty) Add(ev *event.Event, _ []string) {
	if ev.Name == "sensor_sshd_exec" {
		panic("not thought of")
	}
}

// sayer hands on each thing that is written.
type sayer chan string

func (s sayer) Write(b []byte) (int, error) {
	s <- string(b)
	return len(b), nil
}

// TestErrorOfOursEndsOneConnection: and tells where it is.
func TestErrorOfOursEndsOneConnection(t *testing.T) {
	l, at := listen(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said := make(chan string, 100)
	c := New(Config{Catalog: catalog.Builtin(), Destinations: anyone(t, ".*"), Log: faulty{}, Messages: messages(sayer(said))})
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, l) }()
	var peers [2]*peer.Conn
	for i := range peers {
		nc, err := net.Dial("tcp", at.String())
		require.NoError(t, err)
		peers[i] = opened(t, nc, peer.Config{Journal: delivery.NewJournal(1 << 20)})
	}
	send(t, peers[0], numbered("sensor_sshd_exec", 1))
	require.Error(t, peers[0].Next(&event.Event{}))
	for s := range said {
		if strings.Contains(s, "not thought of") {
			require.Contains(t, s, "failure_test.go")
			break
		}
	}
	send(t, peers[1], numbered("sensor_sshd_listen", 1))
	require.NoError(t, peers[1].Close())
	cancel()
	require.NoError(t, <-done)
}

// impatient runs a collector that waits no time for a handshake.
func impatient(t *testing.T, within time.Duration, listener func(net.Listener) net.Listener) string {
	t.Helper()
	l, at := listen(t)
	c := New(Config{Destinations: anyone(t, ".*"), Log: discard{}})
	c.handshake = within
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, listener(l)) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return at.String()
}

// closed waits until the collector has closed a connection.
func closed(t *testing.T, nc net.Conn) {
	t.Helper()
	require.NoError(t, nc.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.Copy(io.Discard, nc)
	var late net.Error
	require.False(t, errors.As(err, &late) && late.Timeout(), "it is still open")
}

// TestSilentPeersAreCutOff: who connects and says nothing takes no place for long.
func TestSilentPeersAreCutOff(t *testing.T) {
	addr := impatient(t, 10*time.Millisecond, func(l net.Listener) net.Listener { return l })
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer nc.Close()
	closed(t, nc)
}

// TestBadTLSIsCutOff: what is no TLS, or says nothing.
func TestBadTLSIsCutOff(t *testing.T) {
	dir := t.TempDir()
	ca, err := certs.NewCA("test CA", time.Hour)
	require.NoError(t, err)
	cert, err := ca.Issue("127.0.0.1")
	require.NoError(t, err)
	s := secure.Settings{CACert: filepath.Join(dir, "ca.pem"), HostCert: filepath.Join(dir, "host.pem")}
	require.NoError(t, os.WriteFile(s.CACert, ca.PEM, 0o600))
	require.NoError(t, os.WriteFile(s.HostCert, cert, 0o600))
	cfg, err := s.Listening()
	require.NoError(t, err)
	for says, within := range map[string]time.Duration{"": 10 * time.Millisecond, "GET / HTTP/1.1\r\n\r\n": time.Hour} {
		addr := impatient(t, within, func(l net.Listener) net.Listener { return tls.NewListener(l, cfg) })
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer nc.Close()
		_, err = io.WriteString(nc, says)
		require.NoError(t, err)
		closed(t, nc)
	}
}

// troubled is a listener that fails at first, as one does without descriptors.
type troubled struct {
	net.Listener
	failures int
}

func (l *troubled) Accept() (net.Conn, error) {
	if l.failures--; l.failures >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestAcceptingGoesOn(t *testing.T) {
	addr := impatient(t, patience, func(l net.Listener) net.Listener { return &troubled{l, 2} })
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	require.NoError(t, opened(t, nc, peer.Config{}).Close())
}
