package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// told is an event of a sensor: its name, and what it has behind ts and sid.
func told(sid, name string, ts float64, args ...any) *event.Event {
	ev := &event.Event{Name: "sensor_sshd_" + name, Time: ts, Args: []event.Value{
		{Type: event.Time, Bits: math.Float64bits(ts)}, {Type: event.String, Bytes: []byte(sid)},
	}}
	for _, arg := range args {
		ev.Args = append(ev.Args, sampleOf(arg))
	}
	return ev
}

// ip and tcp are values of events.
type (
	ip  [4]byte
	tcp uint64
)

func sampleOf(arg any) event.Value {
	switch v := arg.(type) {
	case int:
		return event.Value{Type: event.Count, Bits: uint64(v)}
	case int64:
		return event.Value{Type: event.Int, Bits: uint64(v)}
	case string:
		return event.Value{Type: event.String, Bytes: []byte(v)}
	case float64:
		return event.Value{Type: event.Time, Bits: math.Float64bits(v)}
	case bool:
		if v {
			return event.Value{Type: event.Bool, Bits: 1}
		}
		return event.Value{Type: event.Bool}
	case ip:
		return event.Value{Type: event.Addr, Addr: [16]byte{10: 0xff, 11: 0xff, 12: v[0], 13: v[1], 14: v[2], 15: v[3]}}
	case tcp:
		return event.Value{Type: event.Port, Bits: uint64(v), Proto: event.ProtoTCP}
	case time.Duration:
		return event.Value{Type: event.Interval, Bits: math.Float64bits(v.Seconds())}
	}
	panic(fmt.Sprintf("%T", arg))
}

// sessionOf are the events of a connection.
func sessionEvents(sid string, cid int, ts float64) []*event.Event {
	return []*event.Event{
		told(sid, "conn_new", ts, cid, ip{198, 51, 100, 7}, tcp(40000), ip{192, 0, 2, 1}, tcp(22)),
		told(sid, "auth_failed", ts+1, cid, "eve"),
		told(sid, "auth_ok", ts+2, cid, "alice", int64(1000), int64(1000)),
		told(sid, "channel_new_session", ts+3, cid, 0, "exec"),
		told(sid, "exec", ts+3, cid, 0, fmt.Sprint("command ", cid)),
		told(sid, "data_rx", ts+4, cid, 0, ""),
		told(sid, "data_rx", ts+4.5, cid, 0, ""),
		told(sid, "channel_exit", ts+5, cid, 0, int64(3)),
		told(sid, "conn_end", ts+8, cid),
	}
}

// sessionLine is a line of sshd_session.log.
type sessionLine struct {
	TS, Duration                float64
	Sid, Peer, Reason, User     string
	Cid, Failures               int
	Host                        *string
	Commands, Forwards, Types   []string
	CommandCount                int `json:"command_count"`
	LinesOut                    int `json:"lines_out"`
	Statuses                    []int
	Method, Fingerprint, Client string
	CommunityID                 string   `json:"community_id"`
	OrigH                       string   `json:"id.orig_h"`
	OrigP                       int      `json:"id.orig_p"`
	Truncated                   bool     `json:"_truncated"`
	SftpOps                     []string `json:"sftp_ops"`
	SftpCounts                  []int    `json:"sftp_counts"`
	BytesIn                     int      `json:"bytes_in"`
	BytesOut                    int      `json:"bytes_out"`
	EventsLost                  int      `json:"events_lost"`
}

// records returns the lines, of rotated logs too, and fails if there is anything but whole
// ones.
func records(t *testing.T, dir string) (all []sessionLine) {
	t.Helper()
	files, err := filepath.Glob(dir + "/sshd_session.log*")
	require.NoError(t, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, len(b) == 0 || b[len(b)-1] == '\n', "%s ends in a line", file)
		for line := range strings.Lines(string(b)) {
			var r sessionLine
			require.NoError(t, json.Unmarshal([]byte(line), &r), line)
			all = append(all, r)
		}
	}
	return all
}

// sendsAll sends events and waits until they are confirmed.
func sendsAll(t *testing.T, p *peer.Conn, journal *delivery.Journal, events ...*event.Event) {
	t.Helper()
	for _, ev := range events {
		require.NoError(t, p.Send(ev))
	}
	require.NoError(t, p.Flush())
	for journal.Pending() > 0 {
		<-journal.Room()
	}
}

// TestSessionLog has one line for a connection, with all that its events say.
func TestSessionLog(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "-log-dir", dir, "-metrics", "127.0.0.1:0")
	url := regexp.MustCompile(`http://\S+`).FindString(c.passed)
	journal := delivery.NewJournal(1 << 20)
	p, _ := sensor(t, c.addr, journal)
	const ts = 1764057140.25
	events := sessionEvents("login1_22", 1, ts)
	events = append(events[:len(events)-1],
		told("login1_22", "auth_detail", ts+1, 1, "eve", "publickey", "", false, "ED25519", "SHA256:no", "", 0, ""),
		told("login1_22", "auth_detail", ts+2, 1, "alice", "publickey", "", true, "ED25519", "SHA256:yes", "", 0, ""),
		told("login1_22", "client", ts+2, 1, "OpenSSH_9.2", "k", "h", "c", "c", "m", "m", "none"),
		told("login1_22", "channel_new_forward", ts+5, 1, 1, ip{127, 0, 0, 1}, tcp(8080), ip{10, 0, 0, 1}, tcp(80), false),
		told("login1_22", "sftp", ts+6, 1, 2, "open", "/a", "", 0, 0, 0),
		told("login1_22", "sftp", ts+6, 1, 2, "close", "/a", "", 100, 7, 0),
		told("login1_22", "sftp", ts+6.5, 1, 2, "open", "/b", "", 0, 0, 0),
		told("login1_22", "data_cut", ts+7, 1, 0, "rx", "binary", 5000, 0),
		told("login1_22", "lost", ts+7, 12, 1.5),
		told("login1_22", "data_rx", ts+7, 1, 0, "at the same time"),
		told("login1_22", "data_rx", ts+7, 1, 0, "at the same time"),
		events[len(events)-1],
	)
	sendsAll(t, p, journal, events[:3]...)
	_, body := get(t, url)
	require.Contains(t, body, "broccoli_sessions_open 1\n")
	sendsAll(t, p, journal, events[3:]...)
	_, body = get(t, url)
	require.Contains(t, body, "broccoli_sessions_closed_total 1\n")
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	all := records(t, dir)
	require.Len(t, all, 1)
	peer := all[0].Peer
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, peer)
	require.Equal(t, sessionLine{
		TS: ts, Duration: 8, Sid: "login1_22", Peer: peer, Reason: "closed", User: "alice", Cid: 1, Failures: 1,
		Commands: []string{"command 1"}, CommandCount: 1, Types: []string{"exec"}, Forwards: []string{"127.0.0.1:8080 -> 10.0.0.1:80"},
		LinesOut: 4, Statuses: []int{3}, Method: "publickey", Fingerprint: "SHA256:yes", Client: "OpenSSH_9.2",
		CommunityID: "1:0DPZ5Ty0Vd0KLAvnJ1CaRWn8fZc=", OrigH: "198.51.100.7", OrigP: 40000,
		SftpOps: []string{"open", "close"}, SftpCounts: []int{2, 1}, BytesIn: 7, BytesOut: 5132, EventsLost: 12,
	}, all[0])
}

// TestSessionLogOff: then there is none, nor its state; TSV is rotated with the others.
func TestSessionLogOff(t *testing.T) {
	for _, with := range []string{"true", "false"} {
		dir := t.TempDir()
		c := start(t, "-log-dir", dir, "-session-log="+with, "-log-format", "tsv")
		journal := delivery.NewJournal(1 << 20)
		p, _ := sensor(t, c.addr, journal)
		sendsAll(t, p, journal, sessionEvents("s", 1, 1000)...)
		require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
		c.wait(t, "reloaded")
		sendsAll(t, p, journal, sessionEvents("s", 2, 1000)...)
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
		logs, err := filepath.Glob(dir + "/sshd_session*")
		require.NoError(t, err)
		if with == "false" {
			require.Empty(t, logs)
			continue
		}
		require.Len(t, logs, 3)
		for _, log := range logs[:2] {
			b, err := os.ReadFile(log)
			require.NoError(t, err)
			require.Regexp(t, `(?s)^#separator.*\n#path\tsshd_session\n.*\tid.orig_h\t.*\n#types\t.*\n1000\.000000\t[^\n]*\tclosed\t8\.000000\tF\n#close\t[^\n]*\n$`, string(b))
		}
	}
}

// TestSessionsSurviveKills: whenever the collector is killed, each connection has exactly
// one line in the end, with everything once that its events have said.
func TestSessionsSurviveKills(t *testing.T) {
	for _, c := range []struct {
		kills int
		args  []string
	}{
		{25, []string{"-fsync", "never", "-rotate-size", "16K"}},
		{6, []string{"-log-files", "one"}},
	} {
		args, kills := c.args, c.kills
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "logs")
			journal := delivery.NewJournal(64 << 20)
			const each = 40
			sent := 0
			for life := range kills + 1 {
				c := start(t, append(args, "-log-dir", dir)...)
				p, ended := sensor(t, c.addr, journal)
				killed := make(chan struct{})
				if life < kills {
					time.AfterFunc(time.Duration(rand.IntN(30))*time.Millisecond, func() {
						_ = c.cmd.Process.Signal(syscall.SIGKILL)
						close(killed)
					})
				}
				// Connections that overlap: each life ends in the middle of some.
				for range each {
					sent++
					for i, ev := range sessionEvents("s", sent, 1000+float64(sent)) {
						if i == 8 && sent > 3 {
							_ = p.Send(sessionEvents("s", sent-3, 1000+float64(sent-3))[8])
						} else if i < 8 {
							_ = p.Send(ev)
						}
					}
					_ = p.Flush()
				}
				if life < kills {
					<-killed
					c.end(t, 0)
					<-ended
					_ = p.Close()
					continue
				}
				for cid := sent - 2; cid <= sent; cid++ {
					require.NoError(t, p.Send(sessionEvents("s", cid, 1000+float64(cid))[8]))
				}
				sendsAll(t, p, journal)
				code, said := c.end(t, syscall.SIGTERM)
				require.Zero(t, code, said)
			}
			lines := map[int]int{}
			for _, r := range records(t, dir) {
				lines[r.Cid]++
				require.Equal(t, "closed", r.Reason, r)
				require.Equal(t, []any{1, "alice", []string{fmt.Sprint("command ", r.Cid)}, 1, 2, []int{3}, 8.0},
					[]any{r.Failures, r.User, r.Commands, r.CommandCount, r.LinesOut, r.Statuses, r.Duration}, r.Cid)
			}
			require.Len(t, lines, sent)
			for cid, n := range lines {
				require.Equal(t, 1, n, "connection %d", cid)
			}
		})
	}
}
