package hosttest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
	"github.com/romanesco-broccoli/romanesco/internal/test/zeektest"
)

// realZeek is a client of a real Zeek, or of a Broker.
func realZeek(t *testing.T, addr string, cfg websocket.Config) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	cfg.Host, cfg.All, cfg.Logf = addr, true, t.Logf
	c, err := websocket.Open(ctx, nc, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestRealZeekValues: with each backend of the Zeek that ROMANESCO_ZEEK names, and
// with what ROMANESCO_BROKER names: the host:port of a Broker by itself.
func TestRealZeekValues(t *testing.T) {
	if addr := os.Getenv("ROMANESCO_BROKER"); addr != "" {
		t.Run("old Broker", func(t *testing.T) { testRealZeekValues(t, addr) })
	}
	zeektest.EachBackend(t, func(t *testing.T, z *zeektest.Zeek) { testRealZeekValues(t, z.Addr) },
		zeektest.Absolute(t, "internal/test/zeektest/testdata/values.zeek"))
}

// TestRealZeekNumbers: any time, with its interval behind it, and any double come
// through the Broker that ROMANESCO_BROKER names as what it leaves of them.
func TestRealZeekNumbers(t *testing.T) {
	addr := os.Getenv("ROMANESCO_BROKER")
	if addr == "" {
		t.Skip("needs a real Broker: ROMANESCO_BROKER=host:port")
	}
	topic := fmt.Sprintf("romanesco/test/%d", time.Now().UnixNano())
	in := realZeek(t, addr, websocket.Config{Subscribe: []string{topic}, ExactTime: true})
	out := realZeek(t, addr, websocket.Config{Topic: topic, ExactTime: true})
	const (
		n           = 2000
		first, last = 725846400, 4102444800 // 1993 and 2100
		hours       = 0.0018                // half a millionth of an hour
		decimals    = 0.5e-6
		digits      = 1e-14
	)
	times, doubles := make([]float64, n), make([]float64, n)
	for i := range n {
		times[i] = first + rand.Float64()*(last-first)
		doubles[i] = math.Pow(10, -307+rand.Float64()*(307+308.25)) * float64(1-2*rand.N(2))
		require.NoError(t, out.Send(&event.Event{Name: "numbers", Args: []event.Value{
			{Type: event.Time, Bits: math.Float64bits(times[i])}, {Type: event.Double, Bits: math.Float64bits(doubles[i])},
		}}))
	}
	require.NoError(t, out.Flush())
	for i := range n {
		var ev event.Event
		require.NoError(t, in.Next(&ev))
		require.Len(t, ev.Args, 2, "%f", times[i])
		require.InDelta(t, times[i], ev.Args[0].Float(), hours+1e-6)
		require.InDelta(t, doubles[i], ev.Args[1].Float(), decimals+digits*math.Abs(doubles[i]))
	}
}

// testRealZeekValues sends every kind of value through a real Zeek to a program in C,
// which sends it back by value and in raw form.
func testRealZeekValues(t *testing.T, addr string) {
	declarations := filepath.Join(t.TempDir(), "site.zeek")
	require.NoError(t, os.WriteFile(declarations, []byte(zeektest.Declarations), 0o600))
	types, err := zeek.LoadTypes(declarations)
	require.NoError(t, err)
	topic := fmt.Sprintf("romanesco/test/%d/", time.Now().UnixNano())
	c := realZeek(t, addr, websocket.Config{
		Topic: topic + "to", Subscribe: []string{topic + "from"}, Types: types, ExactTime: true,
	})
	args := zeekValues()
	conf := filepath.Join(t.TempDir(), "broccoli.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "/broccoli/debug_messages yes\n/broccoli/zeek_exact_time yes\n"+
		"/broccoli/zeek_types %s\n/broccoli/zeek_topic %sfrom\n/broccoli/zeek_subscribe %sto\n", declarations, topic, topic), 0o600))
	cmd := host(t, "echo", "ws://"+addr)
	cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	got := make(chan event.Event, 100)
	go func() {
		defer close(got)
		for {
			var ev event.Event
			if err := c.Next(&ev); err != nil {
				return
			}
			for i := range ev.Args {
				ev.Args[i] = withoutNames(ev.Args[i])
			}
			ev.Raw = nil
			got <- ev
		}
	}()
	send := func() {
		require.NoError(t, c.Send(&event.Event{Name: "echo", Args: args}))
		require.NoError(t, c.Flush())
	}
	// The program subscribes some time after it was started.
	var first event.Event
	require.Eventually(t, func() bool {
		send()
		select {
		case first = <-got:
			return true
		case <-time.After(100 * time.Millisecond):
			return false
		}
	}, 20*time.Second, time.Millisecond)
	require.Equal(t, "echoed", first.Name)
	second := <-got
	require.Equal(t, "echo", second.Name)
	for i, want := range args {
		require.Equal(t, fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", first.Args[i]), "argument %d", i)
		require.Equal(t, fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", second.Args[i]), "argument %d, raw", i)
	}
	for i, s := range hostileTexts() {
		args[2].Bits, args[6].Bytes = uint64(i+1), []byte(s)
		send()
		for _, name := range []string{"echoed", "echo"} {
			back := <-got
			for back.Args[2].Bits != args[2].Bits { // of those that were sent while nobody was sure to listen
				back = <-got
			}
			require.Equal(t, name, back.Name)
			want := s
			if strings.Contains(string(back.Args[6].Bytes), `\x00`) { // a Zeek before 8.0
				want = strings.ReplaceAll(s, "\x00", `\x00`)
			}
			require.True(t, want == string(back.Args[6].Bytes), "%.100q, got %.100q", want, back.Args[6].Bytes)
		}
	}
}

// hostileTexts are what somebody may have a sensor send to do harm.
func hostileTexts() []string {
	return []string{
		"", "\xff", "a\x00b", "\x00", `\`, `\\`, `\"`, `"`, `\u0041`, `\u`, `\ud800`, "\x7f", "\u2028\u2029", "\xed\xa0\x80",
		"\xc0\x80", "\xe2\x82", "\ufeff", "\U0010ffff", `"}]}]}]}`, "\r\n\t\b\f\v\x1b[2J", strings.Repeat("\xff\\u\x00", 1<<18), strings.Repeat("x", 1<<20),
	}
}
