package collect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"romanesco/internal/event"
	"romanesco/internal/peer"
	"romanesco/internal/wire"
)

// TestMemoryIsBounded: who makes the collector hold more than there is goes, those
// who do not stay, and afterwards all of it is there again.
func TestMemoryIsBounded(t *testing.T) {
	c := start(t, Config{Destinations: anyone(t, "sensor_sshd.*"), Limits: Limits{Memory: 8 << 20}})
	modest := c.dial(t, peer.Config{})
	// Each announces the most that an event may have, and sends a part of it.
	var greedy []*rawPeer
	for range 3 {
		p := &rawPeer{}
		p.dial(t, c)
		greedy = append(greedy, p)
		head := wire.AppendMessage(nil, wire.MsgSerial, []byte{wire.SerialEvent})
		head = binary.BigEndian.AppendUint32(head[:len(head)-5], 16<<20)
		p.write(head)
		p.write(make([]byte, 4<<20))
	}
	require.Eventually(t, func() bool {
		return strings.Contains(strings.Join(c.told.lines(), "\n"), "no memory is left for a SERIAL of this size")
	}, patience, time.Millisecond)
	send(t, modest, numbered("sensor_sshd_exec", 1))
	c.arrived(t, 1)
	for _, p := range greedy {
		_ = p.nc.Close()
	}
	require.Eventually(t, func() bool { return c.memory.Used() == 0 }, patience, time.Millisecond)
	// One such event at a time is welcome.
	big := numbered("sensor_sshd_exec", 2)
	big.Args = append(big.Args, event.Value{Type: event.String, Bytes: bytes.Repeat([]byte("x"), 2<<20)})
	send(t, modest, big)
	require.Eventually(t, func() bool { events, _ := c.Totals(); return events == 2 }, patience, time.Millisecond)
}

// TestNamesAreBounded: those that a peer asks for are memory too.
func TestNamesAreBounded(t *testing.T) {
	const most = 512 << 10
	c := start(t, Config{Destinations: anyone(t, ".*"), Forward: true, Limits: Limits{Memory: most}})
	names := make([]string, 6000)
	for i := range names {
		names[i] = fmt.Sprintf("event_number_%d", i)
	}
	p := c.dial(t, peer.Config{Requests: names})
	c.subscribed(t, names[0], 1)
	require.Eventually(t, func() bool { return c.memory.Used() > most*3/4 }, patience, time.Millisecond)
	require.LessOrEqual(t, c.memory.Used(), int64(most))
	c.subscribed(t, names[len(names)-1], 0)
	require.NoError(t, p.Close())
	require.Eventually(t, func() bool { return c.memory.Used() == 0 }, patience, time.Millisecond)
}
