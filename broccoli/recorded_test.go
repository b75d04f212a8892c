package broccoli_test

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
)

func recorded(t *testing.T, names ...string) []byte {
	t.Helper()
	b, err := os.ReadFile("../testdata/vectors/" + strings.Join(names, "/"))
	require.NoError(t, err)
	return b
}

// TestRecordedSensor: what a real libbroccoli has said to a real Bro.
func TestRecordedSensor(t *testing.T) {
	var names []string
	for line := range strings.Lines(string(recorded(t, "sensor-sshd", "client.stdout"))) {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, strings.TrimSpace(name))
	}
	l := listen(t, broccoli.Config{Events: names})
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Write(recorded(t, "sensor-sshd", "client.bin"))
	require.NoError(t, err)
	require.NoError(t, nc.(*net.TCPConn).CloseWrite())
	c, err := l.Accept(within(t))
	require.NoError(t, err)
	var got []string
	for ev, err := range c.Events(within(t)) {
		require.NoError(t, err)
		got = append(got, ev.Name)
		if ev.Name != "sensor_sshd_conn_new" {
			continue
		}
		var at time.Time
		var sid string
		var cid uint64
		var src, dst netip.Addr
		var srcPort, dstPort broccoli.Port
		require.NoError(t, ev.Scan(&at, &sid, &cid, &src, &srcPort, &dst, &dstPort))
		require.True(t, src.Is4() && dst.Is4())
		require.Equal(t, broccoli.TCP, dstPort.Proto)
	}
	require.Equal(t, names, got)
}

// TestRecordedBro: what a real Bro has answered to the pings of a real libbroccoli, in records.
func TestRecordedBro(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		nc, err := l.Accept()
		if err == nil {
			_, _ = nc.Write(recorded(t, "ping-record", "server.bin"))
			_ = nc.(*net.TCPConn).CloseWrite()
		}
	}()
	c := dial(t, l.Addr().String(), broccoli.Config{Events: []string{"pong"}})
	require.True(t, c.Wants("ping"))
	type pong struct {
		Seq     uint64    `bro:"seq"`
		SrcTime time.Time `bro:"src_time"`
		DstTime time.Time `bro:"dst_time"`
	}
	n := 0
	for ev, err := range c.Events(within(t)) {
		require.NoError(t, err)
		var p pong
		require.NoError(t, ev.Scan(&p))
		require.EqualValues(t, n, p.Seq)
		require.WithinDuration(t, p.SrcTime, p.DstTime, time.Minute)
		n++
	}
	require.Equal(t, strings.Count(string(recorded(t, "ping-record", "client.stdout")), "pong"), n)
}
