package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestRotationWhileSensorsSend: no line is lost, torn or there twice.
func TestRotationWhileSensorsSend(t *testing.T) {
	for _, args := range [][]string{
		{"-log-format", "tsv", "-rotate-size", "100K", "-rotate-interval", "1s", "-fsync", "never"},
		{"-log-format", "json", "-log-files", "one", "-rotate-size", "100K"},
	} {
		dir := filepath.Join(t.TempDir(), "logs")
		c := start(t, append(args, "-log-dir", dir)...)
		const sensors, events = 3, 6000
		var wg sync.WaitGroup
		for s := range sensors {
			journal := delivery.NewJournal(1 << 20)
			p, _ := sensor(t, c.addr, journal)
			wg.Go(func() {
				for n := range events {
					if p.Send(numbered(kinds[n%len(kinds)], s*events+n)) != nil {
						t.Error("not sent")
						return
					}
					for journal.Full() {
						if p.Flush() != nil {
							t.Error("not sent")
							return
						}
						<-journal.Room()
					}
				}
				if p.Flush() != nil {
					t.Error("not sent")
				}
				for journal.Pending() > 0 {
					<-journal.Room()
				}
			})
		}
		sent := make(chan struct{})
		go func() { wg.Wait(); close(sent) }()
		for signals := 0; ; signals++ {
			require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
			select {
			case <-sent:
				require.Positive(t, signals)
			case <-time.After(10 * time.Millisecond):
				continue
			}
			break
		}
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
		require.Contains(t, said, fmt.Sprintf("%d events from %d peers", sensors*events, sensors))
		found := numbers(t, dir)
		require.Len(t, found, sensors*events)
		for n, times := range found {
			require.Equal(t, 1, times, n)
		}
		rotated, err := filepath.Glob(dir + "/*.????-??-??-??-??-??*")
		require.NoError(t, err)
		require.Greater(t, len(rotated), 10)
	}
}

// TestWhatWasConfirmedSurvives the end of the process, and what was not comes
// again: at least once, and only whole lines.
func TestWhatWasConfirmedSurvives(t *testing.T) {
	dir := t.TempDir()
	journal := delivery.NewJournal(64 << 20)
	const events = 3000
	sent := 0
	for life := range 3 {
		c := start(t, "-log-dir", dir, "-log-files", "one", "-rotate-size", "1M")
		p, ended := sensor(t, c.addr, journal)
		for range events / 3 {
			require.NoError(t, p.Send(numbered(kinds[0], sent)))
			sent++
		}
		require.NoError(t, p.Flush())
		if life == 2 {
			for journal.Pending() > 0 {
				<-journal.Room()
			}
			code, said := c.end(t, syscall.SIGTERM)
			require.Zero(t, code, said)
			break
		}
		<-journal.Room() // something is confirmed
		c.end(t, syscall.SIGKILL)
		require.Error(t, <-ended)
		require.NoError(t, p.Close())
		confirmed := sent - journal.Pending()
		require.Positive(t, confirmed)
		found := map[string]int{}
		for line := range strings.Lines(rawLines(t, dir)) {
			if strings.HasSuffix(line, "}\n") {
				n, _ := number(t, line)
				found[n]++
			}
		}
		for n := range confirmed {
			require.Contains(t, found, fmt.Sprint(n), "it was confirmed")
		}
	}
	require.Len(t, numbers(t, dir), events)
}

func rawLines(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(dir + "/events.log*")
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(b)
	}
	return all.String()
}

// TestDiskErrors that do not pass: it says what is wrong, ends, wherever else sensors
// may come from, and has confirmed nothing that it could not write.
func TestDiskErrors(t *testing.T) {
	idle, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer idle.Close()
	for name, args := range map[string][]string{
		"one source":      nil,
		"two listeners":   append(newAuthority(t).args(), "-tls-listen", "127.0.0.1:0"),
		"an idle peer":    {"-connect", idle.Addr().String()},
		"idle WebSockets": {"-zeek-listen", "127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endsByDiskError(t, args...)
		})
	}
}

func endsByDiskError(t *testing.T, args ...string) {
	dir := t.TempDir()
	c := start(t, append(args, "-log-dir", dir, "-log-files", "one")...)
	limit := unix.Rlimit{Cur: 10_000, Max: 10_000} // a write beyond is done in part
	require.NoError(t, unix.Prlimit(c.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil))
	confirmed, code, said := sendUntilItEnds(t, c)
	require.Equal(t, 1, code)
	require.Equal(t, 1, strings.Count(said, "file too large"), said)
	require.Contains(t, said, "writing log "+dir+"/events.log: file too large (rotate by size, or raise RLIMIT_FSIZE)")
	found := numbers(t, dir)
	for n := range confirmed {
		require.Contains(t, found, fmt.Sprint(n))
	}
	comm, err := os.ReadFile(dir + "/comm.log")
	require.NoError(t, err)
	require.Contains(t, string(comm), "] error: writing log ")
}

func sendUntilItEnds(t *testing.T, c *collector) (confirmed, code int, said string) {
	t.Helper()
	journal := delivery.NewJournal(64 << 20)
	p, ended := sensor(t, c.addr, journal)
	sent := 0
	for ; sent < 1000; sent++ {
		if p.Send(numbered(kinds[0], sent)) != nil || p.Flush() != nil {
			sent++
			break
		}
	}
	require.Error(t, <-ended)
	code, said = c.end(t, 0)
	return sent - journal.Pending(), code, said
}

func TestFullStandardOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	cmd := exec.Command(program, "-listen", "127.0.0.1:0", "-format", "json")
	cmd.Stdout = full
	confirmed, code, said := sendUntilItEnds(t, launch(t, cmd))
	require.Zero(t, confirmed)
	require.Equal(t, 1, code)
	require.Contains(t, said, "no space left on device")
}
