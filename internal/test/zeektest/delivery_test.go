package zeektest

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// soak sends n events with the library, and returns when the program has ended.
func soak(t *testing.T, z *Zeek, conf string, n uint64) (wait func() error) {
	t.Helper()
	bin := cprogram(t, "soak")
	cmd := host(t, conf, bin, "ws://"+z.Addr, "0", fmt.Sprint(n), filepath.Join(t.TempDir(), "accepted"))
	require.NoError(t, cmd.Start())
	return cmd.Wait
}

// TestKilled: a Zeek that is killed again and again at full speed handles each event
// at least once, as its script confirms them.
func TestKilled(t *testing.T) {
	n := amount(t, 200_000)
	EachBackend(t, func(t *testing.T, z *Zeek) {
		wait := soak(t, z, "/broccoli/confirm yes\n/broccoli/zeek_confirm script\n", n)
		done := make(chan error, 1)
		go func() { done <- wait() }()
		for range 10 {
			select {
			case err := <-done:
				require.NoError(t, err)
				t.Fatal("it has ended before the last kill: send more")
			case <-time.After(time.Duration(500+rand.N(1000)) * time.Millisecond):
			}
			z.kill()
			z.start(t)
		}
		require.NoError(t, <-done)
		z.end(t)
		found := z.handled(t)
		t.Log(summary(found, n))
		assert.Len(t, found, int(n))
	}, Absolute(t, "internal/test/zeektest/testdata/count.zeek"))
}

// TestSlow: a Zeek that takes a millisecond for each event gets all of them, once, and
// is never overrun.
func TestSlow(t *testing.T) {
	n := amount(t, 15_000) // it closes who does not answer for some 10 s
	for name, conf := range map[string]string{"plain": "", "confirm": "/broccoli/confirm yes\n"} {
		t.Run(name, func(t *testing.T) {
			EachBackend(t, func(t *testing.T, z *Zeek) {
				require.NoError(t, soak(t, z, conf, n)())
				if !is(t, 7, 2) { // Broker has read far more than is handled
					time.Sleep(20 * time.Second)
				}
				time.Sleep(2 * time.Second)
				z.end(t)
				found := z.handled(t)
				t.Log(summary(found, n))
				for i := range n {
					require.Equal(t, 1, found[i], "number %d", i)
				}
				assert.Empty(t, z.complaints(t))
			}, Absolute(t, "internal/test/zeektest/testdata/count.zeek"), "busy=1msec")
		})
	}
}

// segments is a stream that writes what a segment of an Ethernet holds, and then
// pauses: a reader sees frames in parts.
type segments struct{ net.Conn }

func (s segments) Write(b []byte) (n int, err error) {
	for piece := range slices.Chunk(b, 1448) {
		var m int
		m, err = s.Conn.Write(piece)
		if n += m; err != nil {
			return n, err
		}
		time.Sleep(time.Millisecond)
	}
	return n, nil
}

// TestSegments: it does no harm that frames come in parts, which Broker ends
// connections for.
func TestSegments(t *testing.T) {
	const n = 300
	EachBackend(t, func(t *testing.T, z *Zeek) {
		nc, err := net.Dial("tcp", z.Addr)
		require.NoError(t, err)
		c, err := websocket.Open(t.Context(), segments{nc}, websocket.Config{
			Host: z.Addr, Topic: "broccoli/from-clients", All: true, Logf: t.Logf,
		})
		require.NoError(t, err)
		go func() { _ = c.Next(&event.Event{}) }()
		for i := range uint64(n) {
			require.NoError(t, c.Send(&event.Event{Name: "sensor_sshd_data_rx", Args: []event.Value{
				{Type: event.Time}, {Type: event.String, Bytes: []byte("sid")}, {Type: event.Count, Bits: 1},
				{Type: event.Count, Bits: i}, {Type: event.String, Bytes: bytes.Repeat([]byte("x"), int(5*i))},
			}}))
			require.NoError(t, c.Flush())
		}
		require.NoError(t, c.Finish())
		require.NoError(t, c.Close())
		z.awaits(t, "sshd_sensor", n)
		z.end(t)
		require.Equal(t, n, len(z.log(t, "sshd_sensor")))
		require.Empty(t, z.complaints(t))
	})
}

// TestZone: times are what they were, with the time zone of a Zeek that has them in
// its own.
func TestZone(t *testing.T) {
	const name = "America/New_York"
	zone, err := zeek.LoadZone(name)
	if err != nil {
		t.Skip("needs the time zones of the system")
	}
	t.Setenv("TZ", name)
	EachBackend(t, func(t *testing.T, z *Zeek) {
		c := z.client(t, websocket.Config{Topic: "broccoli/from-clients", Zone: zone})
		times := []float64{0, 0.5, 1126645547.25, 1136214245.5, 4102444800.125} // of summers and winters
		for _, at := range times {
			require.NoError(t, c.Send(&event.Event{Name: "sensor_sshd_restart", Args: []event.Value{
				{Type: event.Time, Bits: math.Float64bits(at)}, {Type: event.String, Bytes: []byte("sid")},
			}}))
		}
		go func() { _ = c.Next(&event.Event{}) }()
		require.NoError(t, c.Finish())
		z.awaits(t, "sshd_sensor", len(times))
		z.end(t)
		var got []float64
		for _, line := range z.log(t, "sshd_sensor") {
			at, err := strconv.ParseFloat(line["ts"], 64)
			require.NoError(t, err)
			got = append(got, at)
		}
		require.Equal(t, times, got)
	})
}

// TestNoText: a name that is no UTF-8 stops nothing, and comes as it is.
func TestNoText(t *testing.T) {
	EachBackend(t, func(t *testing.T, z *Zeek) {
		c := z.client(t, websocket.Config{Topic: "broccoli/from-clients"})
		for i, user := range []string{"first", "\xff", "a\x00b", `back\slash`, "last"} {
			require.NoError(t, c.Send(&event.Event{Name: "sensor_sshd_auth_failed", Args: []event.Value{
				{Type: event.Time}, {Type: event.String, Bytes: []byte("sid")}, {Type: event.Count, Bits: uint64(i)},
				{Type: event.String, Bytes: []byte(user)},
			}}))
		}
		go func() { _ = c.Next(&event.Event{}) }()
		require.NoError(t, c.Finish())
		require.NoError(t, c.Close())
		time.Sleep(300 * time.Millisecond)
		z.end(t)
		var users []string
		for _, line := range z.log(t, "sshd_sensor") {
			users = append(users, line["user"])
		}
		nul := `\x00`
		if !is(t, 8, 0) { // these four characters are sent
			nul = `\\x00`
		}
		assert.Equal(t, []string{"first", `\xff`, "a" + nul + "b", `back\\slash`, "last"}, users)
		assert.Empty(t, z.complaints(t))
	})
}

// TestNoBackend: a Zeek that can publish nothing is told of, and how to mend it.
func TestNoBackend(t *testing.T) {
	since(t, 8, 1, "a Zeek without a backend")
	z := Start(t, "broker", Absolute(t, "internal/test/zeektest/testdata/nobackend.zeek"))
	_, err := z.open(t, websocket.Config{Topic: "x"})
	require.ErrorContains(t, err, "frameworks/cluster/backend/broker")
	_, err = z.open(t, websocket.Config{Topic: "x", Subscribe: []string{"y"}})
	require.ErrorContains(t, err, "frameworks/cluster/backend/broker")
}

// TestFull: the 101st client is told that Zeek takes no more.
func TestFull(t *testing.T) {
	since(t, 7, 2, "a bound of the clients")
	z := Start(t, "broker")
	for range 100 {
		z.client(t, websocket.Config{Topic: "x"})
	}
	_, err := z.open(t, websocket.Config{Topic: "x"})
	require.ErrorContains(t, err, "100 clients")
}
