package hosttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// scriptedZeek is a Zeek with the script that confirms, as far as a client can
// tell: it reads, and answers pings, faster than it handles. When it is killed,
// what it has read and not handled is gone.
type scriptedZeek struct {
	t       *testing.T
	mu      sync.Mutex
	handled map[uint64]int
	kills   int // still to come
	lost    int // events that were read and not handled
	poison  uint64
	busy    int // in how many connections the scripts come to nothing before it dies
}

// busyTime is longer than a script is waited for that has not answered before.
const busyTime = 7 * time.Second

func (z *scriptedZeek) serve(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		z.client(nc)
	}
}

func (z *scriptedZeek) client(nc net.Conn) {
	c, err := zeekAccept(z.t, nc, websocket.Config{All: true, Script: true, Version: "8.2.2"})
	if err != nil {
		return
	}
	queue := make(chan event.Event, 10_000)
	dead, handled := make(chan struct{}), make(chan struct{})
	die := sync.OnceFunc(func() {
		close(dead)
		_ = nc.Close()
	})
	last := 0 // what it dies of, right after it has read that
	z.mu.Lock()
	if z.kills--; z.kills >= 0 {
		last = 1 + rand.IntN(40)
	}
	z.mu.Unlock()
	go func() {
		defer close(handled)
		if z.isBusy(die) {
			<-dead
		}
		z.handle(c, queue, dead, die)
	}()
	for ev := new(event.Event); c.Next(ev) == nil; {
		if ev.Name == "steady" && z.poison > 0 && ev.Args[0].Bits == z.poison {
			_, _ = nc.Write([]byte{0x88, 2, 1007 >> 8, 1007 & 0xff})
			_ = nc.Close()
			break
		}
		kept := event.Event{Name: ev.Name, Args: slices.Clone(ev.Args)}
		for i := range kept.Args {
			kept.Args[i].Bytes = slices.Clone(kept.Args[i].Bytes)
		}
		queue <- kept
		if last--; last == 0 {
			die()
		}
	}
	close(queue)
	<-handled
}

// isBusy reports whether the scripts of this connection, not the first, are so until
// the process dies.
func (z *scriptedZeek) isBusy(die func()) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.busy == 0 || len(z.handled) == 0 {
		return false
	}
	z.busy--
	time.AfterFunc(busyTime, die)
	return true
}

// handle is what the scripts do, one event after another, until the process is dead.
func (z *scriptedZeek) handle(c *websocket.Conn, queue <-chan event.Event, dead <-chan struct{}, die func()) {
	for ev := range queue {
		select {
		case <-dead:
			z.mu.Lock()
			z.lost++
			z.mu.Unlock()
			continue
		default:
		}
		switch ev.Name {
		case "BroccoliConfirm::hello":
			z.reply(c, "here", ev.Args[0])
		case "BroccoliConfirm::mark":
			z.reply(c, "confirmed", ev.Args[0], ev.Args[2])
		default:
			time.Sleep(20 * time.Microsecond)
			z.mu.Lock()
			z.handled[ev.Args[0].Bits]++
			if z.busy > 0 && len(z.handled) == 10 { // the script has answered
				die()
			}
			z.mu.Unlock()
		}
	}
}

func (z *scriptedZeek) reply(c *websocket.Conn, name string, args ...event.Value) {
	ev := &event.Event{Name: "BroccoliConfirm::" + name, Args: args}
	if c.SendOn("broccoli/confirm/"+string(args[0].Bytes), ev) == nil {
		_ = c.Flush()
	}
}

// TestZeekScriptConfirms: of a Zeek that dies again and again with events that it
// has read and not handled, each is handled all the same; without the script
// some are not, which shows that the test can tell.
func TestZeekScriptConfirms(t *testing.T) {
	t.Parallel()
	const events = 2000
	for _, by := range []string{"script", "auto"} {
		t.Run(by, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			z := &scriptedZeek{t: t, handled: map[uint64]int{}, kills: 10}
			go z.serve(l)
			_, told := secureHost(t, "/broccoli/confirm yes\n/broccoli/zeek_confirm "+by+"\n",
				"steady", "ws://"+l.Addr().String(), fmt.Sprint(events))
			z.mu.Lock()
			defer z.mu.Unlock()
			require.Len(t, z.handled, events, told)
			require.NotZero(t, z.lost, "nothing was read and not handled")
			t.Logf("%d events were read and not handled", z.lost)
		})
	}
}

// TestZeekScriptThatIsBusy: a script that has confirmed, and answers nothing on a later
// connection, is not taken for one that is not there: what the server reads meanwhile
// is not confirmed.
func TestZeekScriptThatIsBusy(t *testing.T) {
	t.Parallel()
	const events = 4500 // for longer than it is busy
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	z := &scriptedZeek{t: t, handled: map[uint64]int{}, busy: 1}
	go z.serve(l)
	_, told := secureHost(t, "/broccoli/confirm yes\n", "steady", "ws://"+l.Addr().String(), fmt.Sprint(events))
	z.mu.Lock()
	defer z.mu.Unlock()
	require.Zero(t, z.busy, "it was never busy")
	require.Len(t, z.handled, events, told)
}

// TestZeekScriptAndRefusal: the event that ends connections is found with a script
// that confirms, too.
func TestZeekScriptAndRefusal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	z := &scriptedZeek{t: t, handled: map[uint64]int{}, poison: 100}
	go z.serve(l)
	_, told := secureHost(t, "/broccoli/confirm yes\n/broccoli/zeek_confirm script\n",
		"steady", "ws://"+l.Addr().String(), "300")
	z.mu.Lock()
	defer z.mu.Unlock()
	require.Len(t, z.handled, 299, told)
	if !outside() { // between two processes only a few messages wait for the host
		require.Equal(t, 1, strings.Count(told, "is set aside"))
	}
}

// TestZeekSpool: what a process has left in a spool for a Zeek comes with the next
// one.
func TestZeekSpool(t *testing.T) {
	addr := nobody(t)
	first := host(t, "leave", "ws://"+addr, "500")
	dir := spooling(t, first)
	out, err := first.Output()
	require.NoError(t, err)
	require.Equal(t, "500\n", string(out))
	awaitUnlocked(t, dir)
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	defer l.Close()
	var got []string
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		c, err := zeekAccept(t, nc, websocket.Config{All: true})
		for ev := new(event.Event); err == nil; {
			if err = c.Next(ev); err == nil {
				got = append(got, fmt.Sprintf("%s %d", ev.Name, ev.Args[0].Bits))
			}
		}
		done <- nil
	}()
	second := host(t, "deliver", "ws://"+addr)
	respool(t, second, dir)
	require.NoError(t, second.Run())
	require.NoError(t, <-done)
	require.Len(t, got, 501)
	require.Equal(t, "left 0", got[0])
	require.Equal(t, "last 1", got[500])
	requireEmpty(t, dir)
}

// TestRefusedFile: the event that a Zeek refuses is in the file that is configured.
func TestRefusedFile(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var mu sync.Mutex
	seen := map[uint64]bool{}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c, err := zeekAccept(t, nc, websocket.Config{All: true})
			for ev := new(event.Event); err == nil; {
				if err = c.Next(ev); err != nil {
					break
				}
				if ev.Args[0].Bits == 100 {
					_, _ = nc.Write([]byte{0x88, 2, 1007 >> 8, 1007 & 0xff})
					break
				}
				mu.Lock()
				seen[ev.Args[0].Bits] = true
				mu.Unlock()
			}
			_ = nc.Close()
		}
	}()
	file := filepath.Join(t.TempDir(), "refused")
	_, told := secureHost(t, "/broccoli/confirm yes\n/broccoli/refused_file "+file+"\n",
		"steady", "ws://"+l.Addr().String(), "300")
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, seen, 299, told)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(b), "code 1007"))
	require.Contains(t, told, "is set aside")
}
