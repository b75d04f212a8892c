package commlog

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/traffic"
)

// logs is a pair of logs whose time the test sets.
type logs struct {
	*Log
	path string
	at   time.Time
	told []string
}

func open(t *testing.T, maxSize int64) *logs {
	t.Helper()
	l := &logs{path: t.TempDir()}
	dir, err := logfile.OpenDir(l.path, func() time.Time { return l.at })
	require.NoError(t, err)
	t.Cleanup(func() { _ = dir.Close() })
	l.Log = New(dir, maxSize, func(format string, args ...any) { l.told = append(l.told, fmt.Sprintf(format, args...)) })
	return l
}

func (l *logs) lines(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(l.path, name))
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func tcp(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }

// TestSensorOfTheGuide: the lines of the sensor in the guide.
func TestSensorOfTheGuide(t *testing.T) {
	l := open(t, 0)
	at := func(seconds int64) { l.at = time.Unix(seconds, 599792000) }
	at(1126645547)
	l.started(73482, 73483)
	at(1126645548)
	l.Listening(tcp("0.0.0.0", 44332), true)
	at(1126645588)
	p := l.Accepted(tcp("10.100.101.102", 4241), true)
	p.Logf("phase: %s", "version")
	p.Logf("phase: %s", "handshake")
	p.Requested("ftp_unexpected_conn_violation", true)
	p.Requested("software_version_change", true)
	p.Requested("login_fail_pair", false)
	p.Logf("phase: sync")
	p.Logf("sending full state")
	p.Logf("done sending full state")
	p.Logf("phase: running")
	p.Established()
	at(1126645607)
	l.Statistics(traffic.Totals{
		BytesIn: 2202, BytesOut: 402*1024 + 100, ChunksIn: 12, ChunksOut: 2960, Reads: 5, Writes: 913, EventsOut: 1476,
	}, make([]traffic.Totals, 1))
	require.NoError(t, l.Close())
	const peer = "1126645588 (parent) [#10000/10.100.101.102:4241] "
	require.Equal(t, []string{
		"1126645547 (parent) communication started, parent pid is 73482, child pid is 73483",
		"1126645548 (child)  listening on 0.0.0.0:44332 (ssl)",
		"1126645588 (child)  [#10000/10.100.101.102:4241] accepted SSL connection",
		peer + "added peer",
		peer + "peer connected",
		peer + "phase: version",
		peer + "phase: handshake",
		peer + "registered for event ftp_unexpected_conn_violation",
		peer + "registered for event software_version_change",
		peer + "request for unknown event login_fail_pair",
		peer + "phase: sync",
		peer + "sending full state",
		peer + "done sending full state",
		peer + "phase: running",
		"1126645607 (parent) parent statistics: pending=0 bytes=2K/402K chunks=12/2960 io=5/913 bytes/io=0.43K/0.44K events=0/1476",
		"1126645607 (parent) child statistics: [0] pending=0 bytes=0K/0K chunks=0/0 io=0/0 bytes/io=NaNK/NaNK",
	}, l.lines(t, "comm.log"))
	require.Equal(t, []string{"1126645588.599792 10.100.101.102/4241 connection established."}, l.lines(t, "remote.log"))
}

// TestAnalyzerOfTheGuide: those of the other side.
func TestAnalyzerOfTheGuide(t *testing.T) {
	l := open(t, 0)
	l.at = time.Unix(1126645546, 115779000)
	p := l.Connected(tcp("10.200.201.202", 44332))
	for _, phase := range []string{"version", "handshake", "sync", "running"} {
		p.Logf("phase: %s", phase)
	}
	for _, line := range []struct {
		at    int64
		write func()
	}{
		{115779, p.Established},
		{116053, func() { p.Requesting(Pattern("/.*/")) }},
		{116405, func() { p.Remotef("accepting state") }},
		{116471, func() { p.Remotef("requesting synchronized state") }},
	} {
		l.at = time.Unix(1126645546, line.at*1000)
		line.write()
	}
	for _, s := range []struct {
		at  int64
		sum traffic.Totals
	}{
		{1126645584, traffic.Totals{BytesIn: 816 << 10, BytesOut: 2500, ChunksIn: 5909, ChunksOut: 16, Reads: 888, Writes: 4, EventsIn: 2891}},
		{1126645644, traffic.Totals{BytesIn: 1964 << 10, BytesOut: 2500, ChunksIn: 13645, ChunksOut: 16, Reads: 1930, Writes: 4, EventsIn: 6758}},
		{1126645704, traffic.Totals{BytesIn: 3074 << 10, BytesOut: 2500, ChunksIn: 21055, ChunksOut: 16, Reads: 3021, Writes: 4, EventsIn: 10462}},
	} {
		l.at = time.Unix(s.at, 0)
		l.Statistics(s.sum, nil)
	}
	const peer = "[#1/10.200.201.202:44332] "
	require.Equal(t, []string{
		"1126645546 (child)  " + peer + "connected",
		"1126645546 (parent) " + peer + "peer connected",
		"1126645546 (parent) " + peer + "phase: version",
		"1126645546 (parent) " + peer + "phase: handshake",
		"1126645546 (parent) " + peer + "phase: sync",
		"1126645546 (parent) " + peer + "phase: running",
		"1126645584 (parent) parent statistics: pending=0 bytes=816K/2K chunks=5909/16 io=888/4 bytes/io=0.92K/0.61K events=2891/0",
		"1126645644 (parent) parent statistics: pending=0 bytes=1964K/2K chunks=13645/16 io=1930/4 bytes/io=1.02K/0.61K events=6758/0",
		"1126645704 (parent) parent statistics: pending=0 bytes=3074K/2K chunks=21055/16 io=3021/4 bytes/io=1.02K/0.61K events=10462/0",
	}, l.lines(t, "comm.log"))
	require.Equal(t, []string{
		"1126645546.115779 10.200.201.202/44332 connection established.",
		"1126645546.116053 10.200.201.202/44332 requesting events matching /^?(.*)$?/",
		"1126645546.116405 10.200.201.202/44332 accepting state",
		"1126645546.116471 10.200.201.202/44332 requesting synchronized state",
	}, l.lines(t, "remote.log"))
}

func TestPatternsAreShownAsOne(t *testing.T) {
	require.Equal(t, "/^?(sensor_sshd.*)$?/", Pattern("/sensor_sshd.*/"))
	require.Equal(t, "/^?(sensor_sshd.*)$?/", Pattern("sensor_sshd.*"))
	require.Equal(t, "/(^?(a)$?)|(^?(b)$?)/", Pattern("a", "/b/"))
}

// TestEndOfPeers: how it is told, and under which ids.
func TestEndOfPeers(t *testing.T) {
	l := open(t, 0)
	l.at = time.Unix(1, 0)
	first := l.Accepted(tcp("192.0.2.1", 1), false)
	second := l.Accepted(tcp("2001:db8::1", 2), false)
	mapped := l.Connected(tcp("::ffff:192.0.2.3", 3))
	local := l.Connected(&net.UnixAddr{Name: "s", Net: "unix"})
	first.Established()
	first.Closed(nil)
	second.Closed(errors.New("bad\nframe\x1b[2J é"))
	mapped.Established()
	local.Established()
	require.Equal(t, []string{
		"1 (child)  [#10000/192.0.2.1:1] accepted clear connection",
		"1 (parent) [#10000/192.0.2.1:1] added peer",
		"1 (parent) [#10000/192.0.2.1:1] peer connected",
		"1 (child)  [#10001/[2001:db8::1]:2] accepted clear connection",
		"1 (parent) [#10001/[2001:db8::1]:2] added peer",
		"1 (parent) [#10001/[2001:db8::1]:2] peer connected",
		"1 (child)  [#1/192.0.2.3:3] connected",
		"1 (parent) [#1/192.0.2.3:3] peer connected",
		"1 (child)  [#2/s] connected",
		"1 (parent) [#2/s] peer connected",
		"1 (child)  [#10000/192.0.2.1:1] connection closed",
		"1 (parent) [#10000/192.0.2.1:1] peer disconnected",
		`1 (parent) [#10001/[2001:db8::1]:2] error: bad\x0aframe\x1b[2J \xc3\xa9`,
		"1 (child)  [#10001/[2001:db8::1]:2] connection closed",
		"1 (parent) [#10001/[2001:db8::1]:2] peer disconnected",
	}, l.lines(t, "comm.log"))
	require.Equal(t, []string{
		"1.000000 192.0.2.1/1 connection established.",
		"1.000000 192.0.2.1/1 connection closed.",
		"1.000000 192.0.2.3/3 connection established.",
		"1.000000 s connection established.",
	}, l.lines(t, "remote.log"))
}

// TestPeerCannotFillTheDisk: neither with lines nor with long ones.
func TestPeerCannotFillTheDisk(t *testing.T) {
	l := open(t, 0)
	p := l.Accepted(tcp("192.0.2.1", 1), false)
	for range 10 * maxNotes {
		p.Logf("skipped: %s", strings.Repeat("x", 10*maxText))
	}
	l.Statistics(traffic.Totals{}, make([]traffic.Totals, maxChildren+900))
	lines := l.lines(t, "comm.log")
	require.Len(t, lines, 3+maxNotes+1+1+maxChildren+1)
	require.Contains(t, lines[3+maxNotes], "there is more, which is not written")
	require.True(t, strings.HasSuffix(lines[len(lines)-1], "child statistics: and 900 further connections"))
	for _, line := range lines {
		require.Less(t, len(line), maxText+100)
	}
}

// TestPeerAsksForTooMuch: of what it asks for, so much is written, and then how much
// was not.
func TestPeerAsksForTooMuch(t *testing.T) {
	for name, most := range map[string]int{"e": maxRequests, strings.Repeat("\xff", 512): maxCaused / 2048} {
		l := open(t, 0)
		p := l.Accepted(tcp("192.0.2.1", 1), false)
		const asked = 8 << 10
		for i := range asked {
			p.Requested(fmt.Sprint(name, i), i%2 == 0)
		}
		p.Logf("a message")
		p.Closed(nil)
		lines := l.lines(t, "comm.log")
		written := 0
		for _, line := range lines {
			if strings.Contains(line, "event "+string(appendClean(nil, name))) {
				written++
			}
		}
		require.LessOrEqual(t, written, most+1)
		require.Greater(t, written, most/2)
		require.Contains(t, lines[3+written], "there is more, which is not written")
		left := asked - written
		if !strings.HasSuffix(lines[4+written], "a message") {
			left++ // the bytes are used up
		}
		require.Contains(t, lines[len(lines)-3], fmt.Sprintf("] %d lines are left out", left))
		require.EqualValues(t, left, l.LeftOut())
		info, err := os.Stat(filepath.Join(l.path, "comm.log"))
		require.NoError(t, err)
		require.Less(t, info.Size(), int64(maxCaused+8<<10))

		other := l.Accepted(tcp("192.0.2.1", 2), false)
		other.Requested("e", true)
		lines = l.lines(t, "comm.log")
		require.Contains(t, lines[len(lines)-1], "registered for event e", "another one starts anew")
	}
}

func TestRotation(t *testing.T) {
	l := open(t, 0)
	l.at = time.Date(2026, 11, 25, 7, 6, 5, 0, time.Local)
	l.Accepted(tcp("192.0.2.1", 1), false).Established()
	require.NoError(t, l.Rotate())
	require.NoError(t, l.Rotate())
	l.Started()
	require.NoError(t, l.Close())
	require.Len(t, l.lines(t, "comm.log.2026-11-25-07-06-05"), 3)
	require.Len(t, l.lines(t, "remote.log.2026-11-25-07-06-05"), 1)
	require.Len(t, l.lines(t, "comm.log"), 1)
	entries, err := os.ReadDir(l.path)
	require.NoError(t, err)
	require.Len(t, entries, 3)
}

// TestRotationBySize, while several peers write.
func TestRotationBySize(t *testing.T) {
	l := open(t, 4096)
	l.at = time.Unix(1, 0)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 50 {
				l.Accepted(tcp("192.0.2.1", i), false).Closed(nil)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(l.path)
	require.NoError(t, err)
	total := 0
	for _, e := range entries {
		lines := l.lines(t, e.Name())
		total += len(lines)
		for _, line := range lines {
			require.Regexp(t, `^1 \((parent|child)\)  ?\[#1\d{4}/192\.0\.2\.1:\d\] [a-z ]+$`, line)
		}
		info, err := e.Info()
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), int64(4096))
	}
	require.Equal(t, 4*50*5, total)
}

func TestWhatIsWrongWithTheLogIsToldOnce(t *testing.T) {
	l := open(t, 0)
	require.NoError(t, os.Mkdir(l.path+"/comm.log", 0o700))
	l.Started()
	l.Started()
	require.Len(t, l.told, 1)
	require.Contains(t, l.told[0], "comm.log is not a regular file")
	require.NoError(t, os.Remove(l.path+"/comm.log"))
	l.Started()
	require.Len(t, l.lines(t, "comm.log"), 1)
}

func TestNoLogs(t *testing.T) {
	var l *Log
	l.Started()
	l.Listening(tcp("192.0.2.1", 1), false)
	l.Statistics(traffic.Totals{}, nil)
	for _, p := range []*Peer{l.Accepted(nil, true), l.Connected(nil)} {
		p.Logf("x")
		p.Requested("x", true)
		p.Established()
		p.Requesting("x")
		p.Closed(errors.New("x"))
	}
	require.NoError(t, l.Rotate())
	require.NoError(t, l.Close())
}
