package main

import (
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"

	"github.com/stretchr/testify/require"
)

// BenchmarkCollector is what an event costs a collector on one processor, its
// sockets and files among it. The time of others on the machine is not counted.
func BenchmarkCollector(b *testing.B) {
	for _, c := range []struct {
		name    string
		confirm bool
		args    []string
	}{
		{"json/one", false, []string{"-log-files", "one"}},
		{"json/each", false, nil},
		{"tsv/one", false, []string{"-log-format", "tsv", "-log-files", "one"}},
		{"tsv/each", false, []string{"-log-format", "tsv"}},
		{"tsv/each/confirmed", true, []string{"-log-format", "tsv"}},
		{"tsv/each/confirmed/fsync=never", true, []string{"-log-format", "tsv", "-fsync", "never"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			dir := b.TempDir()
			cmd := exec.Command(program, append(c.args, "-listen", "127.0.0.1:0", "-log-dir", dir)...)
			cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
			ev := numbered(kinds[0], 0)
			ev.Args[1].Bytes = ev.Args[1].Bytes[:10]
			benchmarkWith(b, launch(b, cmd), dir, c.confirm, func(n int) *event.Event {
				ev.Name, ev.Args[2].Bits = "sensor_sshd_"+kinds[n%len(kinds)], uint64(n)
				return ev
			})
		})
	}
}

// BenchmarkSessions is what sshd_session.log costs: for events that are not of sshd, for
// lines of sessions, and for connections of nine events each.
func BenchmarkSessions(b *testing.B) {
	other := numbered(kinds[0], 0)
	other.Name = "other"
	line := numbered(kinds[0], 1)
	whole := make([][]*event.Event, 1000)
	for i := range whole {
		whole[i] = sessionEvents("sshd_22", i, float64(i))
	}
	for name, next := range map[string]func(n int) *event.Event{
		"other": func(int) *event.Event { return other },
		"lines": func(int) *event.Event { return line },
		"logins": func(n int) *event.Event {
			ev := whole[n/9%len(whole)][n%9]
			ev.Args[2].Bits = uint64(n / 9)
			return ev
		},
	} {
		for _, with := range []string{"true", "false"} {
			b.Run(name+"/session-log="+with, func(b *testing.B) {
				dir := b.TempDir()
				cmd := exec.Command(program, "-event", "other", "-session-log="+with, "-listen", "127.0.0.1:0", "-log-dir", dir, "/sensor_sshd.*/")
				cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
				benchmarkWith(b, launch(b, cmd), dir, false, next)
			})
		}
	}
}

func benchmarkWith(b *testing.B, c *collector, dir string, confirm bool, next func(n int) *event.Event) {
	journal := delivery.NewJournal(8 << 20)
	if !confirm {
		journal = nil
	}
	p, _ := sensor(b, c.addr, journal)
	b.ResetTimer()
	for n := range b.N {
		require.NoError(b, p.Send(next(n)))
		for confirm && journal.Full() {
			require.NoError(b, p.Flush())
			<-journal.Room()
		}
	}
	require.NoError(b, p.Flush())
	for confirm && journal.Pending() > 0 {
		<-journal.Room()
	}
	require.NoError(b, p.Close())
	for closed := false; !closed; time.Sleep(time.Millisecond) {
		comm, err := os.ReadFile(dir + "/comm.log")
		require.NoError(b, err)
		closed = bytes.Contains(comm, []byte("peer disconnected"))
	}
	code, said := c.end(b, syscall.SIGTERM)
	require.Zero(b, code, said)
	used := c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime()
	b.ReportMetric(float64(b.N)/used.Seconds(), "events/core-s")
}
