package server

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/library/core"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
)

// resident is how many bytes of its own this process has in memory: what it shares with hosts
// they have made.
func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	fields := strings.Fields(string(b))
	all, shared := decimal(t, fields[1]), decimal(t, fields[2])
	return (all - shared) * os.Getpagesize()
}

func decimal(t *testing.T, s string) (n int) {
	t.Helper()
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}

// TestHostileMessages: whatever a host sends, and with whatever descriptors, the core serves
// another one as before, and ends with the last.
func TestHostileMessages(t *testing.T) {
	control := serving(t)
	stop := good(t, control)
	null, err := os.Open("/dev/null")
	require.NoError(t, err)
	zero, err := os.Open("/dev/zero")
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	sealed, unsealed := memory(t, wholeSize, true), memory(t, wholeSize, false)
	tiny, odd := memory(t, 4096, true), memory(t, wholeSize+4096, true)
	descriptors := files{null, zero, r, w, sealed, unsealed, tiny, odd}
	defer descriptors.close()
	_ = sendTo(control, nil) // which is no end
	_ = sendTo(control, nil, null)
	for _, n := range []int{1, 4, 39} {
		send(t, control, attachHeader(kindAttach, 0)[:n])
	}
	send(t, control, bytes.Repeat([]byte{0xff}, beginMax+1))
	send(t, control, attachHeader(kindBegin, 0))
	for _, with := range []uint32{0, withProcess, withSpool, withProcess | withSpool, 0xffffffff} {
		send(t, control, attachHeader(kindAttach, with))
		for i := range descriptors {
			for n := 1; n <= 8; n++ {
				ours, theirs := pair(t, unix.SOCK_STREAM)
				all := files{theirs}
				for k := range n - 1 {
					all = append(all, descriptors[(i+k)%len(descriptors)])
				}
				send(t, control, attachHeader(kindAttach, with), all...)
				_ = theirs.Close()
				_ = sendTo(ours, messageHeader(kindConnect, 0, 0))
				_ = ours.Close()
			}
		}
	}
	stop()
}

// TestHostileStreams: the same of a link that is served.
func TestHostileStreams(t *testing.T) {
	control := serving(t)
	stop := good(t, control)
	zero, err := os.Open("/dev/zero")
	require.NoError(t, err)
	defer zero.Close()
	peer := settings("core_sandbox", "no", "peer", "127.0.0.1:1")
	for name, attack := range map[string]func(f *front){
		"half a header": func(f *front) { send(t, f.stream, messageHeader(kindConnect, 0, 0)[:5]) },
		"huge":          func(f *front) { send(t, f.stream, messageHeader(kindConnect, 0, 0xffffffff)) },
		"ends early":    func(f *front) { send(t, f.stream, messageHeader(kindConnect, 0, 1000)) },
		"unknown":       func(f *front) { _, _ = f.ask(77, 0, nil) },
		"no wakers":     func(f *front) { _, _ = f.ask(kindConnect, 0, peer) },
		"one waker":     func(f *front) { _, _ = f.ask(kindConnect, 0, peer, f.toCore) },
		"wrong wakers":  func(f *front) { _, _ = f.ask(kindConnect, 0, peer, zero, zero) },
		"own stream":    func(f *front) { _, _ = f.ask(kindConnect, withSocket, peer, f.stream, f.stream, f.stream) },
		"no settings":   func(f *front) { _, _ = f.ask(kindConnect, 0, nil, f.toCore, f.toHost) },
		"odd settings":  func(f *front) { _, _ = f.ask(kindConnect, 0, []byte("peer\x00a"), f.toCore, f.toHost) },
		"ends at once":  func(f *front) { _, _ = f.ask(kindClose, 0, []byte{0xff, 0xff, 0xff, 0xff}) },
		"many":          func(f *front) { _, _ = f.ask(kindConnect, 0, peer, zero, zero, zero, zero, zero, zero, zero, zero) },
	} {
		t.Run(name, func(t *testing.T) {
			f := attached(t, control)
			_ = f.stream.SetDeadline(time.Now().Add(20 * time.Second))
			attack(f)
			f.close()
		})
	}
	stop()
}

// scribble writes anything into all fields that both sides have, and into the rings, until it is
// told to stop.
func scribble(f *front, rnd *rand.Rand, halt chan struct{}) {
	values := []uint64{0, 1, 7, 8, shared.RingBytes, shared.RingBytes + 8, 1 << 31, 1<<32 - 1, 1 << 63, 1<<64 - 1}
	for {
		select {
		case <-halt:
			return
		default:
		}
		at := 8 * rnd.IntN(4096/8) // what is most looked at
		switch rnd.IntN(3) {
		case 0:
			at = 8 * rnd.IntN(shared.AtIn/8)
		case 1:
			at = shared.AtOut + 8*rnd.IntN(shared.RingBytes/8)
		}
		v := values[rnd.IntN(len(values))]
		if rnd.IntN(2) == 0 {
			v = rnd.Uint64N(4 << 20)
		}
		copy(f.bytes[at:], native.AppendUint64(nil, v))
		f.wake()
	}
}

// TestHostileMemory: nor does it harm the core, or another host, what a host writes into the
// memory that they share.
func TestHostileMemory(t *testing.T) {
	control := serving(t)
	stop := good(t, control)
	victim := newTicks(t)
	before := resident(t)
	for round := range 20 {
		f := attached(t, control)
		result, err := f.connect(victim.addr)
		require.NoError(t, err)
		require.EqualValues(t, 1, result)
		rnd := rand.New(rand.NewPCG(uint64(round), 17))
		halt := make(chan struct{})
		go func() {
			time.Sleep(100 * time.Millisecond)
			close(halt)
		}()
		scribble(f, rnd, halt)
		f.close()
	}
	stop()
	require.Less(t, resident(t)-before, 128<<20)
}

// TestThousandAttaches of one host cost others nothing, nor do messages that each has begun.
func TestThousandAttaches(t *testing.T) {
	control := serving(t)
	stop := good(t, control)
	before := resident(t)
	var all []*front
	part := bytes.Repeat([]byte{1}, 32<<10)
	for range 1000 {
		f := attached(t, control)
		_ = f.stream.SetWriteDeadline(time.Now().Add(time.Second))
		_ = sendTo(f.stream, messageHeader(kindConnect, 0, messageMax))
		_, _ = f.stream.Write(part)
		all = append(all, f)
	}
	most := 256 << 20
	if underRace {
		most *= 4
	}
	require.Less(t, resident(t)-before, most)
	other := good(t, control)
	other()
	for _, f := range all {
		f.close()
	}
	stop()
}

// FuzzMessages reads anything as messages of a link, and settings of these.
func FuzzMessages(f *testing.F) {
	f.Add(append(messageHeader(kindConnect, withSocket, 5), "peer\x00"...))
	f.Add(append(messageHeader(kindClose, 0, 4), 1, 2, 3, 4))
	f.Add(append(messageHeader(kindConnect, 0, 40), settings("peer", "127.0.0.1:1", "zeek", "1")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		c, err := packets(os.NewFile(uintptr(fds[1]), "core"))
		require.NoError(t, err)
		defer c.Close()
		host, err := packets(os.NewFile(uintptr(fds[0]), "host"))
		require.NoError(t, err)
		go func() {
			_, _ = host.Write(b)
			_ = host.Close()
		}()
		for {
			m, err := readMessage(c)
			if err != nil {
				return
			}
			require.Empty(t, m.files)
			require.LessOrEqual(t, len(m.body), messageMax)
			if set, err := core.ParseSettings(m.body); err == nil {
				_, _ = set.Plan()
			}
		}
	})
}
