package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// TestLoadIdle: what a peer costs that says nothing, as the kernel counts it.
func TestLoadIdle(t *testing.T) {
	peers, most := 1000, 16<<10
	if os.Getenv("ROMANESCO_LOAD") != "" {
		peers = 10_000
	}
	needFiles(t, peers)
	t.Run("clear", func(t *testing.T) {
		each := idle(t, peers, nil)
		require.LessOrEqual(t, each, most)
	})
	t.Run("TLS", func(t *testing.T) {
		a := newAuthority(t)
		cfg, err := secure.Settings{CACert: a.ca, HostCert: a.host}.Config()
		require.NoError(t, err)
		idle(t, peers, cfg, append(a.args(), "-listen", "", "-tls-listen", "127.0.0.1:0")...)
	})
}

// needFiles skips a test for which too few files may be open.
func needFiles(t *testing.T, peers int) {
	t.Helper()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	const others = 1000
	if limit.Max < uint64(peers+others) {
		t.Skipf("%d files may be open, which are too few", limit.Max)
	}
}

// idle returns how many bytes are resident for each of so many peers.
func idle(t *testing.T, peers int, secured *tls.Config, args ...string) int {
	if secured == nil {
		args = []string{"-listen", "127.0.0.1:0"}
	}
	c := launchIn(t, t.TempDir(), append(args, "-metrics", "127.0.0.1:0")...)
	url := c.earlier(t, `metrics at (\S+)`)
	before := c.resident(t)
	begun := time.Now()
	var wg sync.WaitGroup
	conns := make(chan net.Conn, peers)
	const atOnce = 8
	for range atOnce {
		wg.Go(func() {
			for range peers / atOnce {
				nc, err := silent(c.addr, secured)
				if err != nil {
					t.Error(err)
					return
				}
				conns <- nc
			}
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool {
		_, body := get(t, url)
		return strings.Contains(body, fmt.Sprintf("broccoli_handshakes_total %d\n", peers/atOnce*atOnce))
	}, 2*deadline, 100*time.Millisecond)
	took := time.Since(begun)
	time.Sleep(2 * time.Second)
	after := c.resident(t)
	each := (after - before) / peers
	t.Logf("%d idle peers in %v: %d KB before, %d KB after, %d bytes for each; at most %d KB",
		peers, took.Round(time.Millisecond), before>>10, after>>10, each, c.highWater(t)>>10)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	for range len(conns) {
		_ = (<-conns).Close()
	}
	return each
}

// silent connects a peer that has nothing to say, and returns when it is there.
func silent(addr string, secured *tls.Config) (net.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if secured != nil {
		nc = tls.Client(nc, secured)
	}
	hello := (&wire.Version{Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion}).AppendTo(nil)
	_, err = nc.Write(wire.PhaseDone{}.AppendTo((&wire.Caps{}).AppendTo(hello)))
	for kind, r := wire.MsgType(0), wire.NewReader(nc, wire.Limits{}); err == nil && kind != wire.MsgPhaseDone; {
		kind, _, err = r.Next()
	}
	return nc, err
}

// resident returns how many bytes are resident of the program.
func (c *collector) resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	require.NoError(t, err)
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	require.NotNil(t, m)
	n, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return n << 10
}
