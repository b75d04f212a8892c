package sshdtest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// TestLoginsPerSecond measures what the sensor costs, beside Debian's own sshd
// in the same run, with collectors of every kind. No login may fail; what the
// figures are is for people to look at.
func TestLoginsPerSecond(t *testing.T) {
	const rounds, logins = 15, 8
	kinds := servers(t)
	times := make([][]time.Duration, len(kinds))
	began := make([]time.Duration, len(kinds))
	for i, k := range kinds {
		began[i] = k.cpu()
	}
	for range rounds {
		for i, k := range kinds { // in turn, so that all have the same of what else goes on
			times[i] = append(times[i], k.logins(logins))
		}
	}
	report := fmt.Sprintf("%d rounds of %d logins, 4 at a time; medians, and sshd's CPU for each, its sensor included\n%-34s %12s %8s %8s\n",
		rounds, logins, "sshd", "logins/s", "ratio", "CPU")
	for i, k := range kinds {
		ratios := make([]float64, rounds)
		for r := range ratios {
			ratios[r] = times[0][r].Seconds() / times[i][r].Seconds()
		}
		ms := float64((k.cpu() - began[i]).Milliseconds()) / (rounds * logins)
		report += fmt.Sprintf("%-34s %12.1f %8.2f %5.1f ms\n", k.kind, logins/median(times[i]).Seconds(), median(ratios), ms)
	}
	t.Log(report)
	for _, k := range kinds {
		k.abandon()
	}
}

func median[T time.Duration | float64](list []T) T {
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

type timed struct {
	*server
	kind string
}

// servers starts an sshd for each kind of collector. The first is Debian's.
func servers(t *testing.T) []timed {
	t.Helper()
	list := []timed{{startServer(t, nil, settings{stock: true}), "Debian's own"}}
	add := func(kind, collector string) {
		list = append(list, timed{startServer(t, nil, settings{collector: collector}), kind})
	}
	add("no collector configured", "")
	list = append(list, timed{startServer(t, newCollector(t), settings{}), "collector up, over TLS"},
		timed{startServer(t, newCollector(t), settings{conf: "/sshd/data yes"}), "the same, with data"})
	add("collector refuses", "127.0.0.1:"+freePort(t))
	add("collector drops packets", blackHole(t))
	add("collector accepts, says nothing", behave(t, func(net.Conn) {}))
	add("collector reads nothing", behave(t, func(nc net.Conn) {
		_ = nc.(*net.TCPConn).SetReadBuffer(4096)
		names := catalog.Builtin().Select(func(string) bool { return true })
		_, _ = peer.Open(context.Background(), nc, peer.Config{Requests: names})
	}))
	add("collector sends garbage", behave(t, func(nc net.Conn) {
		_, _ = nc.Write([]byte(strings.Repeat("\xff", 1<<16)))
		_ = nc.Close()
	}))
	return list
}

// behave serves connections, which stay open.
func behave(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = nc.Close() })
			go f(nc)
		}
	}()
	return l.Addr().String()
}

// blackHole returns an address that answers no SYN: its queue is full.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 20 {
		nc, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = nc.Close() })
	}
	require.FailNow(t, "the queue does not become full")
	return ""
}

// logins does n logins, four at a time, and returns how long that took.
func (k timed) logins(n int) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	failed := make(chan string, n)
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < n; i += 4 {
				if out, err := k.ssh("good", target(), "true").CombinedOutput(); err != nil {
					failed <- fmt.Sprintf("%v: %s", err, out)
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	for why := range failed {
		require.Fail(k.t, "a login failed: "+k.kind, why)
	}
	return time.Since(start)
}
