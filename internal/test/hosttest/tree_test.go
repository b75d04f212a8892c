package hosttest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// leaves is a peer that takes the events of trees of processes.
type leaves struct {
	addr string

	mu          sync.Mutex
	connections int
	got         map[uint64][]uint64 // by the number of the child
	total       int
}

func newLeaves(t *testing.T) *leaves {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &leaves{addr: l.Addr().String(), got: make(map[uint64][]uint64)}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go s.take(t, nc)
		}
	}()
	return s
}

func (s *leaves) take(t *testing.T, nc net.Conn) {
	p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"leaf"}})
	if err != nil {
		return
	}
	s.mu.Lock()
	s.connections++
	s.mu.Unlock()
	for ev := new(event.Event); p.Next(ev) == nil; {
		s.mu.Lock()
		child := ev.Args[0].Bits
		s.got[child] = append(s.got[child], ev.Args[1].Bits)
		s.total++
		s.mu.Unlock()
	}
}

// await waits for that many events, and looks whether each child's came once, in order.
func (s *leaves) await(t *testing.T, children, each int) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.total >= children*each
	}, 30*time.Second, 10*time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Len(t, s.got, children)
	for child, numbers := range s.got {
		require.Len(t, numbers, each, "child %d", child)
		for i, n := range numbers {
			require.EqualValues(t, i, n, "child %d", child)
		}
	}
}

// TestTree: the children of a process, and those that are another program by now, send by the
// core that is there; with core_share over one connection.
func TestTree(t *testing.T) {
	const each = 20
	for _, c := range []struct {
		what        string
		children    int
		settings    string
		args        []string
		connections int
	}{
		{"each its connection", 50, "", nil, 51},
		{"one connection", 1000, "/broccoli/core_share yes\n", nil, 1},
		{"one connection that confirms", 200, "/broccoli/core_share yes\n/broccoli/confirm yes\n", nil, 1},
		{"found by a path", 20, "/broccoli/core_socket %s/core\n", []string{"reexec"}, 21},
		{"one connection, found by a path", 50, "/broccoli/core_socket %s/core\n/broccoli/core_share yes\n", []string{"reexec"}, 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newLeaves(t)
			dir := t.TempDir()
			conf := filepath.Join(dir, "broccoli.conf")
			text := "/broccoli/core process\n" + strings.ReplaceAll(c.settings, "%s", dir)
			require.NoError(t, os.WriteFile(conf, []byte(text), 0o600))
			cmd := run(t, "tree", append([]string{s.addr, fmt.Sprint(c.children), fmt.Sprint(each)}, c.args...)...)
			cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+conf)
			out, err := cmd.Output()
			require.NoError(t, err, "%s", out)
			s.await(t, c.children, each)
			s.mu.Lock()
			require.Equal(t, c.connections, s.connections)
			s.mu.Unlock()
		})
	}
}
