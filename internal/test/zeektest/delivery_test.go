package zeektest

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"romanesco/internal/event"
	"romanesco/internal/protocol/zeek/websocket"
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
		assert.Equal(t, []string{"first", `\xff`, `a\x00b`, `back\\slash`, "last"}, users)
		assert.Empty(t, z.complaints(t))
	})
}

// TestNoBackend: a Zeek that can publish nothing is told of, and how to mend it.
func TestNoBackend(t *testing.T) {
	z := Start(t, "broker", Absolute(t, "internal/test/zeektest/testdata/nobackend.zeek"))
	_, err := z.open(t, websocket.Config{Topic: "x"})
	require.ErrorContains(t, err, "frameworks/cluster/backend/broker")
	_, err = z.open(t, websocket.Config{Topic: "x", Subscribe: []string{"y"}})
	require.ErrorContains(t, err, "frameworks/cluster/backend/broker")
}

// TestFull: the 101st client is told that Zeek takes no more.
func TestFull(t *testing.T) {
	z := Start(t, "broker")
	for range 100 {
		z.client(t, websocket.Config{Topic: "x"})
	}
	_, err := z.open(t, websocket.Config{Topic: "x"})
	require.ErrorContains(t, err, "100 clients")
}
