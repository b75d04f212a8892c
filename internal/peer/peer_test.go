package peer

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"romanesco/internal/event"
	"romanesco/internal/wire"
)

func pair(t *testing.T, a, b Config) (*Conn, *Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	type result struct {
		c   *Conn
		err error
	}
	listening := make(chan result, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			listening <- result{nil, err}
			return
		}
		c, err := Open(ctx, nc, b)
		listening <- result{c, err}
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	ca, err := Open(ctx, nc, a)
	require.NoError(t, err)
	r := <-listening
	require.NoError(t, r.err)
	t.Cleanup(func() { ca.Close(); r.c.Close() })
	return ca, r.c
}

func TestBothSidesSendAndReceive(t *testing.T) {
	a, b := pair(t, Config{Class: "sensor", Requests: []string{"pong"}}, Config{Requests: []string{"ping"}})
	require.Equal(t, "sensor", b.PeerClass())
	for _, dir := range []struct {
		from, to *Conn
		name     string
	}{{a, b, "ping"}, {b, a, "pong"}} {
		sent := &event.Event{Name: dir.name, Time: 12.5, Args: []event.Value{{Type: event.Count, Bits: 7}}}
		require.NoError(t, dir.from.Send(sent))
		require.NoError(t, dir.from.Flush())
		var got event.Event
		require.NoError(t, dir.to.Next(&got))
		got.Raw = nil
		require.Equal(t, *sent, got)
		require.True(t, dir.from.Wants(dir.name))
		require.False(t, dir.from.Wants("other"))
	}
}

// replay is a peer that says what was recorded and notes what it is told.
type replay struct {
	net.Conn
	said io.Reader
	told bytes.Buffer
}

func (r *replay) Read(b []byte) (int, error)  { return r.said.Read(b) }
func (r *replay) Write(b []byte) (int, error) { return r.told.Write(b) }
func (r *replay) Close() error                { return nil }
func (r *replay) SetDeadline(time.Time) error { return nil }

func recorded(t *testing.T, folder, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "vectors", folder, file))
	require.NoError(t, err)
	return b
}

// TestHandshakeIsTheRecordedOne: towards what Bro said, we open the connection
// with the bytes that the recorded client opened it with.
func TestHandshakeIsTheRecordedOne(t *testing.T) {
	for folder, requests := range map[string][]string{
		"ping": {"pong"}, "sensor-sshd": nil, "enum": nil,
	} {
		r := &replay{said: bytes.NewReader(recorded(t, folder, "server.bin"))}
		c, err := Open(context.Background(), r, Config{Requests: requests})
		require.NoError(t, err, folder)
		client := recorded(t, folder, "client.bin")
		require.Equal(t, client[:r.told.Len()], r.told.Bytes(), folder)
		if folder == "sensor-sshd" {
			require.True(t, c.Wants("sensor_sshd_exec"))
		}
		var ev event.Event
		for err = c.Next(&ev); err == nil; err = c.Next(&ev) {
		}
		require.ErrorIs(t, err, io.EOF, folder)
	}
}

// TestBroThatConnects: a Bro 2.5.5 that connects to us tells its description
// before the handshake is over, and its events refer to parts of that.
func TestBroThatConnects(t *testing.T) {
	said, err := os.ReadFile(filepath.Join("testdata", "bro-connects.bin"))
	require.NoError(t, err)
	for _, cache := range []bool{true, false} {
		c, err := Open(t.Context(), &replay{said: bytes.NewReader(said)}, Config{Cache: cache, Logf: t.Logf})
		require.NoError(t, err)
		var ev event.Event
		require.NoError(t, c.Next(&ev))
		require.Equal(t, "sensor_sshd_exec", ev.Name)
		require.Len(t, ev.Args, 5)
		require.Equal(t, "uname -a", string(ev.Args[4].Bytes))
		require.NoError(t, c.Next(&ev))
		require.Equal(t, "sensor_sshd_exit", ev.Name)
		require.Equal(t, "bro", string(ev.Args[1].Bytes))
		require.ErrorIs(t, c.Next(&ev), io.EOF)
	}
}

func TestPingIsAnswered(t *testing.T) {
	said := (&wire.Version{Protocol: 7, DataFormat: 26}).AppendTo(nil)
	said = wire.PhaseDone{}.AppendTo((&wire.Caps{}).AppendTo(said))
	ping := wire.Ping{Seq: 3, Times: [3]float64{1, 2, 3}}
	r := &replay{said: bytes.NewReader(ping.AppendTo(said))}
	c, err := Open(context.Background(), r, Config{})
	require.NoError(t, err)
	r.told.Reset()
	require.ErrorIs(t, c.Next(&event.Event{}), io.EOF)
	require.Equal(t, (*wire.Pong)(&ping).AppendTo(nil), r.told.Bytes())
}

func TestSyncIsAnsweredWithOneMorePhaseDone(t *testing.T) {
	said := (&wire.Version{Protocol: 7, DataFormat: 26}).AppendTo(nil)
	said = wire.AppendMessage(said, wire.MsgRequestSync, []byte{0, 0, 0, 0})
	r := &replay{said: bytes.NewReader(wire.PhaseDone{}.AppendTo(said))}
	_, err := Open(context.Background(), r, Config{})
	require.NoError(t, err)
	done := wire.PhaseDone{}.AppendTo(nil)
	require.True(t, bytes.HasSuffix(r.told.Bytes(), append(done, done...)))
}

func TestBadPeersAreRefused(t *testing.T) {
	random := make([]byte, 4096)
	_, _ = rand.Read(random)
	random[0] = 0x80 // far more than any first chunk may have
	for name, said := range map[string][]byte{
		"silent":    nil,
		"http":      []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"random":    random,
		"version":   (&wire.Version{Protocol: 6, DataFormat: 26}).AppendTo(nil),
		"format":    (&wire.Version{Protocol: 7, DataFormat: 25}).AppendTo(nil),
		"early":     wire.PhaseDone{}.AppendTo(nil),
		"oversized": {0, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff},
	} {
		_, err := Open(context.Background(), &replay{said: bytes.NewReader(said)}, Config{})
		require.Error(t, err, name)
	}
}

func TestSilentPeerEndsWithTheContext(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	go func() { _, _ = io.Copy(io.Discard, b) }()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, a, Config{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func FuzzHandshake(f *testing.F) {
	for _, folder := range []string{"ping", "compound", "compound-cache", "v6addrs"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "vectors", folder, "server.bin"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		c, err := Open(context.Background(), &replay{said: bytes.NewReader(said)}, Config{Cache: true})
		if err != nil {
			return
		}
		var ev event.Event
		for err == nil {
			err = c.Next(&ev)
		}
		if errors.Is(err, io.ErrNoProgress) {
			t.Fatal(err)
		}
	})
}
