package peer

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
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
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "vectors", folder, file))
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
	ping := wire.Ping{Seq: 3, Times: [3]float64{1, 2, 3}}
	pong := (*wire.Pong)(&ping).AppendTo(nil)
	open := func() (*Conn, *replay) {
		r := upTo(ping.AppendTo(nil))
		c, err := Open(t.Context(), r, Config{})
		require.NoError(t, err)
		r.told.Reset()
		return c, r
	}
	c, r := open()
	var ev event.Event
	kind, err := c.Step(&ev)
	require.NoError(t, err)
	require.Equal(t, arrival.Ping, kind)
	require.Zero(t, r.told.Len(), "the answer would be a receipt")
	require.NoError(t, c.Pong())
	require.Equal(t, pong, r.told.Bytes())

	c, r = open()
	require.ErrorIs(t, c.Next(&ev), io.EOF)
	require.Equal(t, pong, r.told.Bytes())
}

// TestDrained: what was read has all been handed over before more is read, be it in
// the middle of a message, compressed or not.
func TestDrained(t *testing.T) {
	for _, level := range []int{0, 5} {
		sends, takes := pair(t, Config{Compression: level}, Config{
			Requests: []string{"e"}, Decompress: true, Sparing: true,
		})
		var ev event.Event
		next := func() arrival.Kind {
			kind, err := takes.Step(&ev)
			require.NoError(t, err)
			return kind
		}
		for next() != arrival.Drained {
		}
		messages, err := (&wire.Encoder{}).AppendEvent(nil, &event.Event{Name: "e"})
		require.NoError(t, err)
		messages = (&wire.Ping{Seq: 1}).AppendTo(append(messages, messages...))
		if sends.zip != nil {
			messages = sends.zip.Append(nil, messages)
		}
		half := len(messages) / 2 // in the second event
		_, err = sends.net.Write(messages[:half])
		require.NoError(t, err)
		require.Equal(t, arrival.Event, next())
		require.Equal(t, arrival.Drained, next())
		_, err = sends.net.Write(messages[half:])
		require.NoError(t, err)
		for _, want := range []arrival.Kind{arrival.Event, arrival.Ping} {
			kind := next()
			for kind == arrival.Drained { // as often as it is read, of a small buffer
				kind = next()
			}
			require.Equal(t, want, kind)
		}
		require.NoError(t, takes.Pong())
	}
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

// ended is a replay that notes its end.
type ended struct {
	replay
	closed bool
}

func (e *ended) Close() error { e.closed = true; return nil }

func TestBadPeersAreRefused(t *testing.T) {
	random := make([]byte, 4096)
	_, _ = rand.Read(random)
	random[0] = 0x80 // far more than any first chunk may have
	hello := (&wire.Version{Protocol: 7, DataFormat: 26}).AppendTo(nil)
	for name, c := range map[string]struct {
		said []byte
		want error
	}{
		"silent":         {nil, ErrRefused},
		"http":           {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), wire.ErrNotBroccoli},
		"random":         {random, wire.ErrNotBroccoli},
		"version":        {(&wire.Version{Protocol: 6, DataFormat: 26}).AppendTo(nil), ErrVersion},
		"format":         {(&wire.Version{Protocol: 7, DataFormat: 25}).AppendTo(nil), ErrVersion},
		"early":          {wire.PhaseDone{}.AppendTo(nil), wire.ErrMalformed},
		"second version": {append(bytes.Clone(hello), hello...), wire.ErrMalformed},
		"oversized":      {[]byte{0, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}, wire.ErrLimit},
		"only asks":      {(&wire.Request{Events: []string{"a", "b"}}).AppendTo(bytes.Clone(hello)), ErrRefused},
	} {
		r := &ended{replay: replay{said: bytes.NewReader(c.said)}}
		budget := wire.NewBudget(1 << 30)
		_, err := Open(context.Background(), r, Config{Limits: wire.Limits{Budget: budget}})
		require.ErrorIs(t, err, c.want, name)
		require.True(t, r.closed, name)
		require.Zero(t, budget.Used(), name)
	}
}

// upTo returns what a peer says up to the end of the handshake, and then.
func upTo(said ...[]byte) *replay {
	hello := (&wire.Version{Protocol: 7, DataFormat: 26}).AppendTo(nil)
	return &replay{said: bytes.NewReader(append(wire.PhaseDone{}.AppendTo(hello), bytes.Join(said, nil)...))}
}

// TestNamesAskedForAreBounded in number and length.
func TestNamesAskedForAreBounded(t *testing.T) {
	long := strings.Repeat("n", maxName+1)
	names := make([]string, maxWanted+10)
	for i := range names {
		names[i] = fmt.Sprintf("event_%d", i)
	}
	c, err := Open(t.Context(), upTo(
		(&wire.Request{Events: []string{long[1:], long}}).AppendTo(nil), (&wire.Request{Events: names}).AppendTo(nil)), Config{})
	require.NoError(t, err)
	require.ErrorIs(t, c.Next(&event.Event{}), io.EOF)
	require.True(t, c.Wants(long[1:]))
	require.False(t, c.Wants(long))
	require.Len(t, *c.wants.Load(), maxWanted)
}

// TestNonsenseIsBounded, not what is beyond us, and not what stands between events.
func TestNonsenseIsBounded(t *testing.T) {
	serial := func(b ...byte) []byte {
		return wire.AppendMessage(nil, wire.MsgSerial, append([]byte{wire.SerialEvent}, b...))
	}
	good, err := new(wire.Encoder).AppendEvent(nil, &event.Event{Name: "e"})
	require.NoError(t, err)
	nonsense := serial(1)
	// An event "e" with a value of class 21, of a type of which only the name is known.
	strange := serial(0, 0, 0, 1, 'e', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		1, 0, 0, 0, 0, 0x88, 21, 0, 0, 0, 0, 0, 1, 'x')
	many := bytes.Repeat(nonsense, maxNonsense)
	for name, c := range map[string]struct {
		said []byte
		want error
	}{
		"as much as may be": {many, io.EOF},
		"too much":          {append(bytes.Clone(many), nonsense...), wire.ErrMalformed},
		"around an event":   {bytes.Join([][]byte{many, good, many}, nil), io.EOF},
		"beyond us":         {bytes.Repeat(strange, 2*maxNonsense), io.EOF},
	} {
		c2, err := Open(t.Context(), upTo(c.said), Config{})
		require.NoError(t, err)
		for err == nil {
			err = c2.Next(&event.Event{})
		}
		require.ErrorIs(t, err, c.want, name)
	}
}

// TestEmptySerialIsPassedOver, before the end of the handshake and after.
func TestEmptySerialIsPassedOver(t *testing.T) {
	empty := []byte{0, 0, 0, 8, byte(wire.MsgSerial), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	hello := (&wire.Version{Protocol: 7, DataFormat: 26}).AppendTo(nil)
	r := &replay{said: bytes.NewReader(append(wire.PhaseDone{}.AppendTo(append(hello, empty...)), empty...))}
	c, err := Open(t.Context(), r, Config{})
	require.NoError(t, err)
	require.ErrorIs(t, c.Next(&event.Event{}), io.EOF)
}

// TestCapsComeInTheHandshake: later ones are not taken, others rely on them.
func TestCapsComeInTheHandshake(t *testing.T) {
	c, err := Open(t.Context(), upTo((&wire.Caps{Flags: wire.CapBroccoli}).AppendTo(nil)), Config{})
	require.NoError(t, err)
	require.ErrorIs(t, c.Next(&event.Event{}), io.EOF)
	require.False(t, c.pings())
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
		b, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "vectors", folder, "server.bin"))
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
