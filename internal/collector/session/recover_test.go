package session

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// nothing is a log that keeps nothing.
type nothing struct{}

func (nothing) Batch(context.Context, eventlog.Peer, func()) eventlog.Batch { return nothing{} }
func (nothing) Add(*event.Event, []string)                                  {}
func (nothing) Len() int                                                    { return 0 }
func (nothing) Flush() error                                                { return nil }
func (nothing) Settle() error                                               { return nil }
func (nothing) Close()                                                      {}

// opened opens a log, and the folder with it; gone lets go of them as a kill does.
func opened(t *testing.T, path string, format eventlog.Format) (l *Log, gone func()) {
	t.Helper()
	dir, err := logfile.OpenDir(path, nil)
	require.NoError(t, err)
	never, err := eventlog.ParseSync("never")
	require.NoError(t, err)
	l, err = Open(dir, path, nothing{}, Settings{
		Events: eventlog.Settings{Format: format, Errorf: t.Logf, Sync: never}, Memory: 64 << 20, Interim: time.Hour, Lost: time.Hour,
	})
	require.NoError(t, err)
	return l, func() { _ = dir.Close() }
}

// connection returns two events: of who was let in, and of the end.
func connection(cid uint64, ts float64) []*event.Event {
	var all []*event.Event
	for i, name := range []string{"auth_ok", "conn_end"} {
		at := ts + float64(i)
		ev := &event.Event{Name: prefix + name, Args: []event.Value{
			{Type: event.Time, Bits: math.Float64bits(at)}, {Type: event.String, Bytes: []byte("sid")}, {Type: event.Count, Bits: cid},
		}}
		if name == "auth_ok" {
			ev.Args = append(ev.Args, event.Value{Type: event.String, Bytes: []byte("user")}, event.Value{Type: event.Int}, event.Value{Type: event.Int})
		}
		all = append(all, ev)
	}
	return all
}

// lines returns the lines in the log and in those that were rotated, without headings.
func lines(t *testing.T, path string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(path + "/" + name + ".log*")
	require.NoError(t, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(b)) {
			if !strings.HasPrefix(line, "#") {
				require.True(t, strings.HasSuffix(line, "\n"), "%q", line)
				all = append(all, line)
			}
		}
	}
	return all
}

// TestKilledWhileWriting: however much of the lines was written, and whatever became of
// the file, each is there once.
func TestKilledWhileWriting(t *testing.T) {
	for _, format := range []eventlog.Format{eventlog.FormatJSON, eventlog.FormatTSV} {
		for _, part := range []int{0, 1, 40, 500, -500, -1, math.MaxInt} {
			for _, then := range []string{"", "rotated", "removed"} {
				t.Run(fmt.Sprint(format, part, then), func(t *testing.T) {
					path := t.TempDir()
					l, gone := opened(t, path, format)
					b := l.Batch(t.Context(), eventlog.Peer{Addr: "192.0.2.1:1"}, nil)
					for cid := range uint64(3) {
						for _, ev := range connection(cid, 1000) {
							b.Add(ev, nil)
						}
						if cid == 0 && then != "removed" { // there are lines before
							require.NoError(t, b.Flush())
						}
					}
					// As take, and commit up to the journal.
					l.look()
					for facts := b.(*batch); len(facts.facts) > 0; {
						require.NoError(t, l.hear(facts))
					}
					require.NoError(t, l.record())
					written := min(part, len(l.pending))
					if part < 0 {
						written = max(0, len(l.pending)+part)
					}
					l.pending = l.pending[:written]
					require.NoError(t, l.writePending())
					gone()
					switch then {
					case "rotated":
						require.NoError(t, os.Rename(path+"/sshd_session.log", path+"/sshd_session.log.2026-01-01-00-00-00"))
					case "removed":
						require.NoError(t, os.Remove(path+"/sshd_session.log"))
					}

					for range 2 { // the second time nothing is missing
						l, gone = opened(t, path, format)
						require.Len(t, lines(t, path), 3)
						require.Zero(t, l.Stats().Open)
						gone()
					}
				})
			}
		}
	}
}

// TestTornJournal: what is not whole at the end is left out, whatever it is.
func TestTornJournal(t *testing.T) {
	path := t.TempDir()
	l, gone := opened(t, path, eventlog.FormatJSON)
	b := l.Batch(t.Context(), eventlog.Peer{Addr: "192.0.2.1:1"}, nil)
	b.Add(connection(1, 1000)[0], nil)
	require.NoError(t, b.Flush())
	size := l.journal.size
	b.Add(connection(1, 1000)[1], nil)
	require.NoError(t, b.Flush())
	gone()
	whole, err := os.ReadFile(path + "/" + journalName)
	require.NoError(t, err)
	for cut := range len(whole) {
		require.NoError(t, os.WriteFile(path+"/"+journalName, whole[:cut], 0o600))
		l, gone := opened(t, path, eventlog.FormatJSON)
		open := 0
		if int64(cut) >= size {
			open = 1
		}
		require.Equal(t, open, l.Stats().Open, cut)
		gone()
		flipped := []byte(string(whole))
		flipped[cut] ^= 0x40
		require.NoError(t, os.WriteFile(path+"/"+journalName, flipped, 0o600))
		_, gone = opened(t, path, eventlog.FormatJSON)
		gone()
	}
}

// TestEverythingComesBack after the journal was written anew.
func TestEverythingComesBack(t *testing.T) {
	path := t.TempDir()
	l, gone := opened(t, path, eventlog.FormatJSON)
	b := l.Batch(t.Context(), eventlog.Peer{Addr: "192.0.2.1:1", Host: "h"}, nil)
	for cid := range uint64(50) {
		events := connection(cid, 1000)
		b.Add(events[0], nil)
		if cid%2 == 0 {
			b.Add(events[1], nil)
		}
	}
	require.NoError(t, b.Flush())
	before := pictures(l)
	gone()
	for range 2 {
		l, gone = opened(t, path, eventlog.FormatJSON)
		require.Equal(t, before, pictures(l))
		gone()
	}
	// And what has come before the end comes again without adding anything.
	l, gone = opened(t, path, eventlog.FormatJSON)
	defer gone()
	b = l.Batch(t.Context(), eventlog.Peer{Addr: "192.0.2.1:2", Host: "h"}, nil)
	for cid := range uint64(50) {
		for _, ev := range connection(cid, 1000) {
			b.Add(ev, nil)
		}
	}
	require.NoError(t, b.Flush())
	require.Len(t, lines(t, path), 50)
	require.EqualValues(t, 75, l.Stats().Again)
}

// pictures returns what is known of each connection and sensor, and what that is reckoned to
// take.
func pictures(l *Log) map[string]string {
	all := map[string]string{}
	for _, o := range l.table.owners {
		for _, s := range o.sensors {
			of := o.name + " " + s.sid
			for cid, r := range s.open {
				copied := *r
				copied.sensor, copied.order = nil, nil
				all[fmt.Sprint(of, " ", cid)] = fmt.Sprintf("%+v", copied)
			}
			all[of] = fmt.Sprintf("%v %v %v %v %v", s.over, s.last, s.beats, s.left, len(s.seen.ring))
		}
	}
	return all
}
