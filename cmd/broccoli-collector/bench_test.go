package main

import (
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"romanesco/internal/protocol/delivery"

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
			c := benchmarkWith(b, launch(b, cmd), dir, c.confirm)
			used := c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime()
			b.ReportMetric(float64(b.N)/used.Seconds(), "events/core-s")
		})
	}
}

func benchmarkWith(b *testing.B, c *collector, dir string, confirm bool) *collector {
	journal := delivery.NewJournal(8 << 20)
	if !confirm {
		journal = nil
	}
	p, _ := sensor(b, c.addr, journal)
	ev := numbered(kinds[0], 0)
	ev.Args[1].Bytes = ev.Args[1].Bytes[:10]
	b.ResetTimer()
	for n := range b.N {
		ev.Name, ev.Args[2].Bits = "sensor_sshd_"+kinds[n%len(kinds)], uint64(n)
		require.NoError(b, p.Send(ev))
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
	return c
}
