package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// TestAnySensor: whatever sensors say, in whatever types and however large, from several
// connections at a time and with the program killed meanwhile, it goes on, holds its bounds,
// and its logs are whole lines.
func TestAnySensor(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-log-dir", dir, "-fsync", "never", "-log-files", "one", "-rotate-size", "8M", "-max-memory", "64M", "-session-interval", "50ms", "-session-lost", "300ms"}
	known := catalog.Builtin()
	names := known.Select(func(name string) bool { return strings.HasPrefix(name, "sensor_sshd_") })
	for life := range 4 {
		c := start(t, args...)
		var wg sync.WaitGroup
		for n := range 6 {
			nc := shakesHands(t, c.addr)
			wg.Go(func() { speakAnything(nc, rand.New(rand.NewPCG(uint64(life), uint64(n))), names, known) })
		}
		if life%2 == 0 {
			time.Sleep(time.Duration(100+rand.IntN(2000)) * time.Millisecond)
			c.end(t, syscall.SIGKILL)
			wg.Wait()
			continue
		}
		wg.Wait()
		require.Less(t, c.highWater(t), int64(64<<20+32<<20+128<<10*256))
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
		require.NotContains(t, said, "internal error")
	}
	files, err := filepath.Glob(dir + "/sshd_session.log*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(b)) {
			var r struct{ Duration float64 }
			require.NoError(t, json.Unmarshal([]byte(line), &r), line)
			require.GreaterOrEqual(t, r.Duration, 0.0)
		}
	}
	info, err := os.Stat(dir + "/sshd_session.state")
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(32<<20))
}

func speakAnything(nc net.Conn, r *rand.Rand, names []string, known catalog.Catalog) {
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(deadline))
	go func() { _, _ = nc.Read(make([]byte, 1<<20)) }()
	var enc wire.Encoder
	for range 2000 {
		name := names[r.IntN(len(names))]
		ev := &event.Event{Name: name, Time: r.NormFloat64()}
		for i, arg := range known[name] {
			v := event.Value{Type: event.Count, Bits: uint64(r.IntN(1000))}
			switch {
			case i == 0:
				v = event.Value{Type: event.Time, Bits: math.Float64bits(float64(r.IntN(1000)))}
			case i == 1:
				v = event.Value{Type: event.String, Bytes: fmt.Append(nil, r.IntN(50))}
			case strings.HasSuffix(arg, "_ip"):
				v = event.Value{Type: event.Addr, Addr: [16]byte{byte(r.IntN(256)), 15: byte(r.IntN(256))}}
			case strings.HasSuffix(arg, "_p"):
				v = event.Value{Type: event.Port, Bits: uint64(r.IntN(70000)), Proto: event.ProtoTCP}
			case arg == "uid" || arg == "gid" || name == "sensor_sshd_channel_exit" && arg == "status":
				v = event.Value{Type: event.Int, Bits: r.Uint64()}
			case arg == "valid" || arg == "accepted" || arg == "allowed" || arg == "tty" || arg == "s2h":
				v = event.Value{Type: event.Bool, Bits: uint64(r.IntN(2))}
			case arg == "uptime":
				v = event.Value{Type: event.Interval, Bits: r.Uint64()}
			case arg == "since":
				v = event.Value{Type: event.Time, Bits: r.Uint64()}
			case strings.Contains("cid chan_id pid audit_session login_uid cert_serial bytes_read bytes_written connections sent lost number connections_lost bytes_left_out lines_left_out status", arg):
			default:
				v = event.Value{Type: event.String, Bytes: make([]byte, r.IntN(1+r.IntN(3000)))}
				for k := range v.Bytes {
					v.Bytes[k] = byte(r.Uint32())
				}
			}
			if r.IntN(60) == 0 { // another type, or another number
				v = []event.Value{{}, {Type: event.Double, Bits: r.Uint64()}, {Type: event.Time, Bits: r.Uint64()}, {Type: event.String, Bytes: make([]byte, 4<<r.IntN(20))},
					{Type: event.Vector, Elems: []event.Value{v, v}}, {Type: event.Count, Bits: r.Uint64()}}[r.IntN(6)]
			}
			ev.Args = append(ev.Args, v)
		}
		if r.IntN(40) == 0 {
			ev.Args = ev.Args[:r.IntN(len(ev.Args)+1)]
		}
		b, err := enc.AppendEvent(nil, ev)
		if err != nil {
			continue
		}
		for range 1 + r.IntN(2) { // again
			if _, err := nc.Write(b); err != nil {
				return
			}
		}
	}
}
