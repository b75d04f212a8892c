package websocket

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

func mustURL() *url.URL { return &url.URL{Scheme: "ws", Host: "h", Path: zeek.Path} }

// sink takes what is written, and has what is read.
type sink struct {
	net.Conn
	io.Reader
}

func (s sink) Read(b []byte) (int, error)     { return s.Reader.Read(b) }
func (sink) Write(b []byte) (int, error)      { return len(b), nil }
func (sink) SetReadDeadline(time.Time) error  { return nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }
func (sink) SetDeadline(time.Time) error      { return nil }
func (sink) Close() error                     { return nil }

// FuzzFrames: whatever a peer sends, Next ends with an error or an event.
func FuzzFrames(f *testing.F) {
	m, err := zeek.NewEncoder("t", zeek.Dialect{}).AppendEvent(nil, &event.Event{Name: "e"})
	require.NoError(f, err)
	for _, frame := range []ws.Frame{
		ws.NewTextFrame(m), ws.NewBinaryFrame(m), ws.NewTextFrame([]byte("{\"type\":\"\xff\"}")),
		ws.NewBinaryFrame([]byte("{\"type\":\"\xff\"}")), ws.NewPingFrame([]byte("p")), ws.NewFrame(ws.OpText, false, m[:20]),
		ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "x")), ws.NewPongFrame([]byte{0, 0, 0, 1}),
	} {
		b := frameBytes(f, frame)
		f.Add(b, true)
		f.Add(append(b, b...), true)
		f.Add(frameBytes(f, ws.MaskFrame(frame)), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, client bool) {
		state := ws.StateServerSide
		if client {
			state = ws.StateClientSide
		}
		s := sink{Reader: bytes.NewReader(b)}
		c := newConn(s, Config{All: true, Limits: zeek.Limits{MaxMessage: 1 << 16}}, state)
		c.reads(s)
		c.speaks(zeek.Dialect{})
		var ev event.Event
		for c.Next(&ev) == nil {
			require.NotEmpty(t, ev.Name)
		}
		require.NoError(t, c.Close())
	})
}
