package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// highWater returns the most that has been resident of the program, in bytes.
func (c *collector) highWater(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	require.NoError(t, err)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	require.NotNil(t, m)
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	require.NoError(t, err)
	return n << 10
}

// shakesHands connects a peer that does not care what it is asked for.
func shakesHands(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	hello := (&wire.Version{Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion}).AppendTo(nil)
	_, err = nc.Write(wire.PhaseDone{}.AppendTo((&wire.Caps{}).AppendTo(hello)))
	require.NoError(t, err)
	return nc
}

// TestMemoryOfTheProgram: -max-memory is of the program, as the kernel counts it, with
// what docs/collector.md says beside.
func TestMemoryOfTheProgram(t *testing.T) {
	const (
		most  = 256 << 20
		peers = 20
	)
	for name, args := range map[string][]string{
		"json": {"-log-format", "json"}, "tsv": {"-log-format", "tsv"}, "forward": {"-forward"},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, append(args, "-max-memory", "256M", "-log-dir", t.TempDir())...)
			for range peers { // who ask for all of it, and read nothing
				opened(t, dialFrom(t, "127.0.0.1", c.addr), peer.Config{Requests: []string{"sensor_sshd_exec"}})
			}
			// One that is too large to be written, two that are not, and many values.
			var b []byte
			for _, v := range []event.Value{
				{Type: event.String, Bytes: bytes.Repeat([]byte{1}, 15<<20)},
				{Type: event.String, Bytes: bytes.Repeat([]byte{'x'}, 15<<20)},
				{Type: event.String, Bytes: bytes.Repeat([]byte{1}, 6<<20)},
				{Type: event.Vector, Elems: slices.Repeat([]event.Value{{Type: event.Count}}, 250_000)},
			} {
				var err error
				b, err = (&wire.Encoder{}).AppendEvent(b, &event.Event{Name: "sensor_sshd_exec", Time: 1, Args: []event.Value{v}})
				require.NoError(t, err)
			}
			var wg sync.WaitGroup
			for range peers {
				nc := shakesHands(t, c.addr)
				wg.Go(func() {
					_ = nc.SetDeadline(time.Now().Add(deadline))
					for range 2 {
						if _, err := nc.Write(b); err != nil {
							return
						}
					}
				})
			}
			wg.Wait()
			p, _ := sensor(t, c.addr, nil)
			require.NoError(t, p.Send(numbered("exec", 1)))
			require.NoError(t, p.Flush())
			time.Sleep(time.Second)
			high := c.highWater(t)
			t.Logf("%d MiB were resident", high>>20)
			require.Less(t, high, int64(most+32<<20+256*128<<10))
			require.NoError(t, p.Close())
		})
	}
}

// TestReferencesInTheLogs: a few bytes that refer to megabytes do not become those in
// the log.
func TestReferencesInTheLogs(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "-log-dir", dir, "-log-files", "one")
	nc := shakesHands(t, c.addr)
	text := func(value []byte) []byte {
		b := append([]byte{wire.SerialEvent, 0, 0, 0, 16}, "sensor_sshd_exec"...)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
		return wire.AppendMessage(nil, wire.MsgSerial, append(b, value...))
	}
	full := append([]byte{1, 0, 0, 0, 7, 0x88, 6, 0}, // object 7, a string
		1, 1, 0, 0, 0, 0, 0x8a, 1, 0, byte(event.String), 4, 0, 1, 0, 0, 0, 0)
	full = append(append(full, 0, 0x50, 0, 0), bytes.Repeat([]byte{1}, 5<<20)...)
	_, err := nc.Write(text(full))
	require.NoError(t, err)
	for range 20 {
		_, err := nc.Write(text([]byte{0, 0, 0, 0, 7}))
		require.NoError(t, err)
	}
	b, err := (&wire.Encoder{}).AppendEvent(nil, numbered("exec", 1))
	require.NoError(t, err)
	_, err = nc.Write(b)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(dir + "/events.log")
		return bytes.Contains(b, []byte(`"cid":1`))
	}, deadline, 50*time.Millisecond)
	comm, err := os.ReadFile(dir + "/comm.log")
	require.NoError(t, err)
	require.Contains(t, string(comm), "limit exceeded: references to")
	info, err := os.Stat(dir + "/events.log")
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(32<<20))
	_, _ = c.end(t, 15)
}
