package hub

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/memory"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// pipes is a listener whose streams have no buffers: who reads nothing holds up who
// writes at once.
type pipes struct {
	come  chan net.Conn
	close context.CancelFunc
	ctx   context.Context
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.come:
		return nc, nil
	case <-p.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// client subscribes, and reads nothing more.
func (p *pipes) client(t *testing.T) net.Conn {
	t.Helper()
	dialer := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		p.come <- theirs
		return ours, nil
	}}
	nc, _, _, err := dialer.Dial(t.Context(), "ws://here"+zeek.Path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(enough)))
	require.NoError(t, wsutil.WriteClientText(nc, zeek.Subscription{}.AppendTo(nil)))
	_, _, err = wsutil.ReadServerData(nc)
	require.NoError(t, err)
	return nc
}

// TestTurnIsNotHeldByWhoReadsNothing: others have their large events taken while one does
// not read what was wrong with its own.
func TestTurnIsNotHeldByWhoReadsNothing(t *testing.T) {
	for what, send := range map[string]func(nc net.Conn){
		"no event": func(nc net.Conn) {
			require.NoError(t, wsutil.WriteClientText(nc, append(bytes.Repeat([]byte(" "), 2*memory.LargeEvent), '{')))
		},
		"too large an event": func(nc net.Conn) { publish(t, nc, "one", 2<<20) },
	} {
		t.Run(what, func(t *testing.T) {
			n := &notebook{}
			h, _ := serve(t, n, func(h *Hub) { h.Memory = memory.New(16 << 20) })
			ctx, cancel := context.WithCancel(t.Context())
			p := &pipes{make(chan net.Conn), cancel, ctx}
			done := make(chan error, 1)
			go func() { done <- h.Serve(ctx, p) }()
			silent := p.client(t)
			send(silent)
			require.Eventually(t, func() bool { return h.refused.Load() == 1 }, enough, time.Millisecond)
			publish(t, p.client(t), "two", 2*memory.LargeEvent)
			require.Eventually(t, func() bool { return len(n.seen()) == 1 }, enough, time.Millisecond)
			_ = silent.Close()
			cancel()
			if err := <-done; err != nil { // the listener may see the end first
				require.ErrorIs(t, err, net.ErrClosed)
			}
		})
	}
}
