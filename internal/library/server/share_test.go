package server

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/core"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// counting is a peer that counts the events which come, and sends some.
func counting(t *testing.T, send int) (addr string, got chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	got = make(chan string, 1000)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"e", "f"}})
			if err != nil {
				continue
			}
			for range send {
				_ = p.Send(&event.Event{Name: "back"})
			}
			_ = p.Flush()
			go func() {
				for ev := new(event.Event); p.Next(ev) == nil; {
					got <- ev.Name
				}
			}()
		}
	}()
	return l.Addr().String(), got
}

// member attaches a link that shares its connection, and has asked for events of the peer.
func sharing(t *testing.T, addr string, requests string) (*front, func() *front) {
	t.Helper()
	control := serving(t)
	text := append(settings("core_sandbox", "no", "core_share", "1", "peer", addr, "timeout_ms", "5000"), requests...)
	join := func() *front {
		f := attached(t, control)
		f.link.Move(shared.Opening)
		result, err := f.ask(kindConnect, 0, text, f.toCore, f.toHost)
		require.NoError(t, err)
		require.EqualValues(t, core.Connected, result)
		return f
	}
	return join(), join
}

// hand puts a record into the ring, whatever it is, and wakes the core.
func (f *front) hand(t *testing.T, rec []byte) {
	t.Helper()
	require.True(t, f.out.Put(rec))
	f.out.Publish()
	_, err := f.toCore.Write(native.AppendUint64(nil, 1))
	require.NoError(t, err)
}

func record(t *testing.T, name string) []byte {
	t.Helper()
	rec, err := flat.AppendEvent(nil, &event.Event{Name: name})
	require.NoError(t, err)
	return rec
}

// TestMemberOfTheTrunkWritesNonsense: what a host puts into its ring concerns itself alone.
func TestMemberOfTheTrunkWritesNonsense(t *testing.T) {
	addr, got := counting(t, 0)
	good, join := sharing(t, addr, "")
	for name, rec := range map[string][]byte{
		"kind":  {16, 0, 0, 0, 77, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8},
		"event": append([]byte{64, 0, 0, 0, flat.KindEvent, 0, 0, 0}, make([]byte, 56)...),
		"raw":   append([]byte{32, 0, 0, 0, flat.KindRaw, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 16)...),
		"far":   flat.FarRecord(1, 1<<40),
	} {
		t.Run(name, func(t *testing.T) {
			if name == "event" {
				for i := 8; i < len(rec); i++ {
					rec[i] = 0xff
				}
			}
			bad := join()
			bad.hand(t, rec)
			require.Eventually(t, func() bool { return bad.link.State != shared.Up }, 10*time.Second, time.Millisecond)
			good.hand(t, record(t, "e"))
			require.Equal(t, "e", <-got)
			require.Equal(t, shared.Up, good.link.State)
			bad.close()
		})
	}
	good.close()
}

// TestMemberOfTheTrunkTakesNothing: it does not keep the others from what they have asked for.
func TestMemberOfTheTrunkTakesNothing(t *testing.T) {
	const events = 60_000 // several times what a ring takes
	addr, _ := counting(t, events)
	idle, join := sharing(t, addr, "back\x00")
	busy := join()
	deadline := time.Now().Add(30 * time.Second)
	var taken uint64
	for seen := 0; seen < events/2; {
		require.True(t, time.Now().Before(deadline), "%d seen", seen)
		head := busy.link.In.Head()
		if head == taken {
			time.Sleep(time.Millisecond)
			continue
		}
		seen += int(head-taken) / len(record(t, "back"))
		taken = head
		busy.link.In.SetTail(taken)
	}
	idle.close()
	busy.close()
}

// TestMemberOfTheTrunkPointsFar: many records that stand for one large one take no more memory than
// large ones may.
func TestMemberOfTheTrunkPointsFar(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		if nc, err := l.Accept(); err == nil {
			_, _ = peer.Open(t.Context(), nc, peer.Config{Requests: []string{"e"}}) // and reads nothing
		}
	}()
	f, _ := sharing(t, l.Addr().String(), "")
	const size = 8 << 20
	rec, err := flat.AppendEvent(nil, &event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: make([]byte, size)}}})
	require.NoError(t, err)
	copy(f.bytes[shared.AtOut+shared.RingBytes:], rec)
	for range 60 {
		f.hand(t, flat.FarRecord(0, uint64(len(rec))))
	}
	var most uint64
	for range 40 {
		time.Sleep(50 * time.Millisecond)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	require.Less(t, most, uint64(200<<20), "60 of them are 480 MiB")
	f.close()
}
