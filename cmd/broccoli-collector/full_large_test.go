package main

import (
	"bytes"
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// bigEvent is one that is written for itself.
func bigEvent(n int) *event.Event {
	ev := numbered("exec", n)
	ev.Args[1].Bytes = bytes.Repeat([]byte("y"), 300<<10)
	return ev
}

// TestLargeEventsOnAFullDisk: all who have sent one get signs of life while they are held
// back, though only one event at a time is being written; and the end waits for none.
func TestLargeEventsOnAFullDisk(t *testing.T) {
	t.Parallel()
	for _, room := range []bool{true, false} {
		t.Run(map[bool]string{true: "room", false: "end"}[room], func(t *testing.T) {
			t.Parallel()
			const silence = 4 * time.Second
			c := onSmallDisk(t, "size=8m", "-log-files", "one", "-zeek-listen", "127.0.0.1:0")
			web := c.earlier(t, `WebSocket clients are served at (\S+)`)
			var all []*courier
			for i := range 5 {
				s := &courier{journal: delivery.NewJournal(64 << 20), n: 1, from: i}
				if i < 3 {
					s.conn = opened(t, dialFrom(t, "127.0.0.1", c.addr), peer.Config{Journal: s.journal, Silence: silence})
				} else {
					client, err := websocket.Open(context.Background(), dialFrom(t, "127.0.0.1", web),
						websocket.Config{Host: web, Topic: "t", Journal: s.journal, Silence: silence})
					require.NoError(t, err)
					t.Cleanup(func() { _ = client.Close() })
					s.conn = client
				}
				s.run() // from when it asks whether we live
				require.Eventually(t, func() bool { return s.confirmed() == 1 }, deadline, time.Millisecond)
				all = append(all, s)
			}
			c.fill(t, 64<<10)
			for i, s := range all {
				require.NoError(t, s.conn.Send(bigEvent(len(all)+i)))
				require.NoError(t, s.conn.Flush())
			}
			c.wait(t, `is full, and sensors wait`)
			if !room {
				time.Sleep(500 * time.Millisecond)
				begun := time.Now()
				code, said := c.end(t, syscall.SIGTERM)
				require.Less(t, time.Since(begun), endTime)
				require.Equal(t, 1, code, said)
				require.Regexp(t, `\b5 events had come and could not be written`, said)
				return
			}
			time.Sleep(3 * silence)
			for _, s := range all {
				require.Empty(t, s.ended)
			}
			c.makeRoom(t)
			for _, s := range all {
				require.Eventually(t, func() bool { return s.journal.Pending() == 0 }, deadline, 10*time.Millisecond)
				require.Empty(t, s.ended)
			}
			exactlyOnce(t, c.at, 2*len(all))
			code, said := c.end(t, syscall.SIGTERM)
			require.Zero(t, code, said)
		})
	}
}
