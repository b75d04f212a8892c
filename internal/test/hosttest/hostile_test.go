package hosttest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// memoryBound is what a process with one connection may take at the most,
// whatever the peer sends: README, "Limits".
const memoryBound = 256 << 20

// TestHostilePeerIsBounded: after the handshake a peer may send what it likes.
func TestHostilePeerIsBounded(t *testing.T) {
	t.Parallel()
	big := &event.Event{Name: "big", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 15<<20)}}}
	deep := event.Value{Type: event.Count}
	for range 50 {
		deep = event.Value{Type: event.Vector, Elems: []event.Value{deep}}
	}
	millions := wire.AppendMessage(nil, wire.MsgRequest, bytes.Repeat([]byte("a\x00"), 8<<20-1))
	rnd := rand.NewChaCha8([32]byte{1})
	for name, flood := range map[string]func(*peer.Conn, net.Conn) error{
		"4 GiB chunk": func(_ *peer.Conn, nc net.Conn) error {
			_, err := nc.Write([]byte{0, 0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
			return err
		},
		"random bytes": func(_ *peer.Conn, nc net.Conn) error {
			b := make([]byte, 64<<10)
			_, _ = rnd.Read(b)
			_, err := nc.Write(b)
			return err
		},
		"large events": func(p *peer.Conn, _ net.Conn) error { return p.Send(big) },
		"deep events": func(p *peer.Conn, _ net.Conn) error {
			return p.Send(&event.Event{Name: "deep", Args: []event.Value{deep}})
		},
		"pings": func(_ *peer.Conn, nc net.Conn) error {
			_, err := nc.Write((&wire.Ping{}).AppendTo(nil))
			return err
		},
		"requests": func(p *peer.Conn, _ net.Conn) error {
			names := make([]string, 1000)
			for i := range names {
				names[i] = strconv.FormatUint(rnd.Uint64(), 36) + strings.Repeat("x", 200)
			}
			return p.Request(names)
		},
		"a request of millions": func(_ *peer.Conn, nc net.Conn) error {
			_, err := nc.Write(millions)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, done := accept(t, func(nc net.Conn) error {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				p, err := peer.Open(ctx, nc, peer.Config{})
				if err != nil {
					return err
				}
				_ = nc.SetWriteDeadline(time.Now().Add(5 * time.Second))
				for flood(p, nc) == nil {
				}
				return nil
			})
			out, err := host(t, "idle", addr, "1500").Output()
			require.NoError(t, err)
			kib, err := strconv.Atoi(strings.TrimSpace(string(out)))
			require.NoError(t, err)
			t.Logf("%d KiB", kib)
			require.Less(t, kib<<10, memoryBound)
			require.NoError(t, <-done)
		})
	}
}
