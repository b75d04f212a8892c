package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// TestOwnersHaveTheirShare: one of them has no more than a quarter, though nobody else has
// anything.
func TestOwnersHaveTheirShare(t *testing.T) {
	path := t.TempDir()
	l, gone := opened(t, path, eventlog.FormatJSON)
	defer gone()
	l.set.Memory = 4 << 20
	b := l.Batch(t.Context(), eventlog.Peer{Addr: "192.0.2.1:1"}, nil)
	const connections = 5000
	for cid := range uint64(connections) {
		b.Add(connection(cid, 1000)[0], nil)
		require.NoError(t, b.Flush())
		require.LessOrEqual(t, l.table.cost, 1<<20+1<<14)
	}
	open := l.Stats().Open
	require.Greater(t, open, 500)
	require.Len(t, lines(t, path), connections-open)
	require.Contains(t, lines(t, path)[0], `"cid":0,`)
	require.Contains(t, lines(t, path)[0], `"reason":"no room"`)
	// What comes of one that had no room begins no other record.
	b.Add(connection(connections-uint64(open)-10, 1000)[1], nil)
	require.NoError(t, b.Flush())
	require.Len(t, lines(t, path), connections-open)
}

// TestSensorsAreForgotten when there are too many, with nothing open.
func TestSensorsAreForgotten(t *testing.T) {
	l, gone := opened(t, t.TempDir(), eventlog.FormatJSON)
	defer gone()
	l.set.Memory = 4 << 20
	b := l.Batch(t.Context(), eventlog.Peer{Addr: "192.0.2.1:1"}, nil)
	for n := range 20_000 {
		ev := connection(1, 1000)[1]
		ev.Args[1].Bytes = fmt.Append(nil, "sensor ", n)
		b.Add(ev, nil)
		require.NoError(t, b.Flush())
		require.LessOrEqual(t, l.table.cost, 1<<20+1<<14)
	}
	require.Less(t, l.table.sensors, 2000)
}

// TestRecordsHaveBounds: of texts, in number and in size.
func TestRecordsHaveBounds(t *testing.T) {
	path := t.TempDir()
	l, gone := opened(t, path, eventlog.FormatTSV)
	defer gone()
	b := l.Batch(t.Context(), eventlog.Peer{Addr: "192.0.2.1:1"}, nil)
	ends := connection(7, 1000)
	for n := range 1000 {
		exec := connection(7, 1000)[0]
		exec.Name = prefix + "exec"
		exec.Args = append(exec.Args[:3:3], event.Value{Type: event.Count}, event.Value{Type: event.String, Bytes: fmt.Append(nil, n, strings.Repeat("é", 10_000))})
		b.Add(exec, nil)
	}
	for n := range 1000 {
		failed := connection(8, 1000)[0]
		failed.Name = prefix + "auth_failed"
		failed.Args = append(failed.Args[:3:3], event.Value{Type: event.String, Bytes: fmt.Append(nil, n)})
		b.Add(failed, nil)
	}
	require.NoError(t, b.Flush())
	require.Less(t, l.table.cost, 128<<10)
	for _, s := range l.table.owners["address 192.0.2.1"].sensors {
		require.Len(t, s.open[8].failedUsers, maxItems)
		require.True(t, s.open[8].cut)
	}
	b.Add(ends[1], nil)
	require.NoError(t, b.Flush())
	line := lines(t, path)[0]
	require.Less(t, len(line), maxRecordText+1024)
	cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	require.Equal(t, "1000", cells[22], "they are counted")
	require.True(t, strings.HasPrefix(cells[23], "0é"))
	require.Equal(t, "T", cells[len(cells)-1])
	require.NotContains(t, line, `\x`, "no character is torn")
}

// TestAgain: an event that comes again over another connection adds nothing, each time;
// one that comes twice over the same is two.
func TestAgain(t *testing.T) {
	var s seen
	told := 0
	say := func(conn uint32, hashes ...uint64) {
		for _, h := range hashes {
			if !s.again(h, conn, true) {
				told++
				s.add(h, conn, 8)
			}
		}
	}
	say(1, 10, 11, 11, 12)
	require.Equal(t, 4, told)
	say(2, 11, 11, 12, 13)
	require.Equal(t, 5, told)
	say(3, 11, 12, 13, 13)
	require.Equal(t, 6, told)
	say(1, 12, 13, 13) // two at a time
	require.Equal(t, 6, told)
	say(3, 20, 21, 22, 23, 24, 25, 26, 27)
	require.Equal(t, 14, told)
	require.Len(t, s.ring, 8)
	say(4, 10, 20, 27)
	require.Equal(t, 16, told, "10 was forgotten and, with it there again, 20 is")
	s.add(30, 4, 4) // there is less room
	require.Len(t, s.ring, 4)
	require.True(t, s.again(27, 5, true))
	require.False(t, s.again(24, 5, true))
}

// TestNobodyIsKeptBusy by events that are old, and come over connections in turn: they are
// looked for so often and no more.
func TestNobodyIsKeptBusy(t *testing.T) {
	var s seen
	for h := range uint64(maxWindow) {
		s.add(h, 1, maxWindow)
	}
	begun := time.Now()
	for h := range uint64(500_000) {
		require.False(t, s.again(maxWindow+h, 2+uint32(h%2), true))
	}
	require.Less(t, time.Since(begun), 30*time.Second)
	require.Greater(t, s.misses, maxMisses)
	require.True(t, s.again(7, 4, true), "over a new one what comes again is known")
}

// TestJournalThatIsNone is told, and not waited for.
func TestJournalThatIsNone(t *testing.T) {
	path := t.TempDir()
	require.NoError(t, unix.Mkfifo(path+"/"+journalName, 0o600))
	dir, err := logfile.OpenDir(path, nil)
	require.NoError(t, err)
	defer dir.Close()
	_, err = Open(dir, path, nothing{}, Settings{})
	require.ErrorContains(t, err, "not a regular file")
}

// TestClockOfSensor: times that are none make no record, however they come.
func TestClockOfSensor(t *testing.T) {
	path := t.TempDir()
	l, gone := opened(t, path, eventlog.FormatJSON)
	defer gone()
	b := l.Batch(t.Context(), eventlog.Peer{Addr: "192.0.2.1:1"}, nil)
	for _, bits := range []uint64{0x7ff8000000000001, 0x7ff0000000000000, 0xfff0000000000000, 0x7fefffffffffffff} {
		for _, ev := range connection(1, 0) {
			ev.Args[0].Bits = bits
			b.Add(ev, nil)
		}
	}
	for _, ev := range connection(2, -5e10) {
		b.Add(ev, nil)
	}
	require.NoError(t, b.Flush())
	require.Len(t, lines(t, path), 1)
	require.Contains(t, lines(t, path)[0], `"duration":1.000000`)
	l.look()
	require.InDelta(t, float64(time.Now().Unix()), l.now, 10)
}
