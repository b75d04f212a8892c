package session

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// TestWhateverIsSaid by sensors, by several at a time and however often the process is
// killed, what is known is what comes back, what it takes is reckoned right, and no
// connection has a second last line.
func TestWhateverIsSaid(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		path := t.TempDir()
		l, gone := opened(t, path, eventlog.FormatJSON)
		var batches []eventlog.Batch
		begin := func() {
			l.set.Memory = 256 << 10 // so that there is no room, often
			batches = nil
			for _, addr := range []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"} {
				batches = append(batches, l.Batch(t.Context(), eventlog.Peer{Addr: addr}, nil))
			}
		}
		begin()
		at := time.Now()
		l.clock = func() time.Time { return at }
		for range 3000 {
			b := batches[r.IntN(len(batches))]
			switch n := r.IntN(300); {
			case n == 0:
				before := pictures(l)
				gone()
				l, gone = opened(t, path, eventlog.FormatJSON)
				l.clock = func() time.Time { return at }
				for key, now := range pictures(l) {
					require.True(t, before[key] == now, "%s:\n%.2000q\n%.2000q", key, before[key], now)
				}
				require.Len(t, pictures(l), len(before))
				begin()
			case n == 1:
				at = at.Add(time.Duration(r.IntN(5000)) * time.Second)
				require.NoError(t, l.tick())
			case n == 2:
				require.NoError(t, l.Rotate())
			case n < 40:
				require.NoError(t, b.Flush())
				reckon(t, l)
			default:
				b.Add(anything(r), nil)
			}
		}
		gone()
		last := map[string]int{}
		for _, line := range lines(t, path) {
			if !strings.Contains(line, `"reason":"open"`) {
				last[line]++
			}
		}
		require.NotEmpty(t, last)
		for line, n := range last {
			require.Equal(t, 1, n, line)
		}
	}
}

// anything is an event of a sensor, of those that there are.
func anything(r *rand.Rand) *event.Event {
	all := shapes()
	names := slices.Sorted(maps.Keys(all))
	name := names[r.IntN(len(names))]
	ts := float64(1000 + r.IntN(500))
	ev := &event.Event{Name: prefix + name, Args: []event.Value{
		{Type: event.Time, Bits: math.Float64bits(ts)}, {Type: event.String, Bytes: []byte{'a' + byte(r.IntN(3))}},
	}}
	for _, letter := range []byte(all[name].args) {
		ev.Args = append(ev.Args, anyValue(r, letter))
	}
	return ev
}

func anyValue(r *rand.Rand, letter byte) event.Value {
	types := map[byte]event.Type{
		'c': event.Count, 'n': event.Count, 'i': event.Int, 's': event.String, 'l': event.String, 'x': event.String,
		'a': event.Addr, 'p': event.Port, 'b': event.Bool, 't': event.Time,
	}
	v := event.Value{Type: types[letter]}
	switch letter {
	case 'c':
		v.Bits = uint64(r.IntN(20))
	case 'n', 'i':
		v.Bits = r.Uint64() >> r.IntN(64)
	case 'p':
		v.Bits = uint64(r.IntN(1 << 16))
	case 'b':
		v.Bits = uint64(r.IntN(2))
	case 'a':
		v.Addr = [16]byte{byte(r.IntN(3)), 15: byte(r.IntN(3))}
	case 's', 'l', 'x':
		v.Bytes = make([]byte, r.IntN(3)*r.IntN(1200))
		for i := range v.Bytes {
			v.Bytes[i] = byte(r.IntN(256))
		}
	}
	return v
}

// reckon compares what all of it takes with what that is said to be.
func reckon(t *testing.T, l *Log) {
	t.Helper()
	all, records, sensors := 0, 0, 0
	for _, o := range l.table.owners {
		of := 0
		for _, s := range o.sensors {
			sensors++
			cost := sensorCost + 2*len(s.sid) + sightingCost*cap(s.seen.ring) + overCost*cap(s.over)
			for _, r := range s.open {
				records++
				before := *r
				r.count()
				require.Equal(t, before.cost, r.cost)
				require.Equal(t, before.text, r.text)
				cost += r.cost
			}
			require.Equal(t, cost, s.cost)
			of += cost
		}
		require.Equal(t, of, o.cost)
		all += of
	}
	require.Equal(t, []int{all, records, sensors}, []int{l.table.cost, l.table.records, l.table.sensors})
}
