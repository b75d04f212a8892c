package hosttest

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// Flags of a connection, as broccoli.h and romanesco.h have them.
const (
	flagReconnect   = 1 << 0
	flagAlwaysQueue = 1 << 1
	flagBackground  = 1 << 6
)

// guestPeers are peers that are no collectors, by the words of a guest's args.
var guestPeers = map[string]func(*testing.T) string{
	// Reads nothing after the handshake.
	"STALLED": func(t *testing.T) string {
		addr, _ := serveAll(t, peer.Config{Requests: []string{"big", "tick"}}, func(*peer.Conn) { <-t.Context().Done() })
		return addr
	},
	// Does not answer.
	"SILENT": func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		return l.Addr().String()
	},
	// Closes after the handshake.
	"CLOSER": func(t *testing.T) string {
		addr, _ := serveAll(t, peer.Config{Requests: []string{"tick"}}, func(*peer.Conn) {})
		return addr
	},
	// Sends "in" until the connection ends.
	"SENDER": func(t *testing.T) string {
		addr, _ := serveAll(t, peer.Config{}, func(p *peer.Conn) {
			gone := make(chan struct{})
			go func() {
				_ = drain(p)
				close(gone)
			}()
			for {
				if p.Send(&event.Event{Name: "in", Args: []event.Value{}}) != nil || p.Flush() != nil {
					return
				}
				select {
				case <-gone:
					return
				case <-time.After(2 * time.Millisecond):
				}
			}
		})
		return addr
	},
}

// stateGuests are about what state a connection is in: who may change it, and
// what becomes of what was accepted.
func stateGuests() []guest {
	left := `of 8: 8 same thread, 8 other thread, 8 deleted\n0 descriptors left, threads fine\n`
	list := []guest{
		{
			program: "clientloop", args: "PROXY 1000", conf: "/broccoli/confirm yes\n",
			prints: `accepted (1000)\ndelete 1\n`, arrives: map[string]string{"tick": "$1"}, twice: true,
		},
		{name: "handlerfork early", program: "handlerfork", args: "P1 300", prints: `status 0\n`, arrives: map[string]string{"child": "3"}},
		{name: "handlerfork late", program: "handlerfork", args: "P1 1500", prints: `status 0\n`, arrives: map[string]string{"child": "3"}},
		{program: "exitstalled", args: "STALLED 10", prints: `(\d+ events accepted\n){10}exit took .* s, in time, status 0\n`},
		{program: "flushes", args: "STALLED", prints: `in time, queue not empty\n`},
		{name: "leave by cancellation", program: "leave", args: "SENDER cancel", prints: left},
		{name: "leave by longjmp", program: "leave", args: "SENDER longjmp", prints: left},
		{name: "leave by exception", program: "throws", args: "SENDER", prints: left},
		{name: "pending cancellation up", program: "pending", args: "P1 up", prints: `all deleted\n`, arrives: any0("tick"), twice: true},
		{name: "pending cancellation lost", program: "pending", args: "CLOSER lost", prints: `all deleted\n`},
		{name: "pending cancellation stalled", program: "pending", args: "STALLED stalled", prints: `all deleted\n`},
		{
			program: "children_ask", args: "P1 200", prints: `0 failed\n`,
			arrives: map[string]string{"child": "200"},
		},
		{
			program: "exitrandom", args: "P1 20 1", prints: `accepted (\d+), 0 failed\n`,
			arrives: map[string]string{"tick": "$1+"},
		},
	}
	for _, how := range []string{"delete", "exit"} {
		list = append(list, guest{
			name: "closebehind " + how, program: "closebehind", args: "P1 SILENT " + how,
			prints: `in time, status 0\n`, arrives: map[string]string{"tick": "1"},
		})
	}
	return list
}

// TestReconnectKeepsOrder: bro_conn_reconnect() with a full queue. The peer
// reads late, and one connection after the other.
func TestReconnectKeepsOrder(t *testing.T) {
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	for name, flags := range map[string]int{
		"none": 0, "reconnect": flagReconnect, "background": flagBackground, "always queue": flagAlwaysQueue,
	} {
		for _, conf := range []string{"", "/broccoli/confirm yes\n"} {
			t.Run(strings.TrimSpace(name+" "+strings.TrimPrefix(conf, "/broccoli/")), func(t *testing.T) {
				t.Parallel()
				addr, stop := inTurn(t)
				g := guest{program: "reconnfull", args: fmt.Sprint(addr, " ", flags), conf: conf}
				said, _ := g.call(t, g.args)
				var accepted, again, deleted int
				_, err := fmt.Sscanf(said, "accepted %d, reconnect %d, delete %d\n", &accepted, &again, &deleted)
				require.NoError(t, err, said)
				require.Equal(t, 1, deleted)
				numbers := stop(accepted)
				t.Logf("%s, %d arrived", strings.TrimSpace(said), len(numbers))
				seen := map[uint64]bool{}
				for i, n := range numbers {
					if i > 0 && n <= numbers[i-1] && conf == "" {
						assert.Fail(t, "not in order", "%d after %d", n, numbers[i-1])
						break
					}
					seen[n] = true
				}
				require.Len(t, seen, accepted)
			})
		}
	}
}

// inTurn is a peer that reads each connection to its end, from half a second
// after its start on, before it accepts the next. stop waits until so many
// different numbers have come, or no more do, and returns all in turn.
func inTurn(t *testing.T) (addr string, stop func(want int) []uint64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	came := make(chan uint64, 1<<20)
	go func() {
		for first := true; ; first = false {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"tick"}})
			if err != nil {
				continue
			}
			if first {
				time.Sleep(500 * time.Millisecond)
			}
			_ = receive(p, func(_ string, n uint64) { came <- n })
			_ = p.Close()
		}
	}()
	return l.Addr().String(), func(want int) (all []uint64) {
		different := map[uint64]bool{}
		for {
			select {
			case n := <-came:
				all = append(all, n)
				different[n] = true
			case <-time.After(3 * time.Second):
				return all
			}
			if len(different) == want && len(came) == 0 {
				return all
			}
		}
	}
}

// cutting passes connections on to a collector, and resets each after a while,
// later and later.
func cutting(t *testing.T, c *collectorProcess) string {
	t.Helper()
	var lives atomic.Int64
	p := newProxy(t, func() string { return c.addr }, func() int64 { return 4000 + 500*lives.Add(1) })
	return p.addr
}

// call runs the program with these arguments, in which nothing is replaced any more.
func (g *guest) call(t *testing.T, args string) (said, told string) {
	t.Helper()
	return runGroup(t, g.within(), g.environment(t, g.conf, g.env), filepath.Join(guestPrograms(t), g.program), strings.Fields(args)...)
}

func pid(c *collectorProcess) string { return strconv.Itoa(c.cmd.Process.Pid) }
