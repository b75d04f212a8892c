package broccoli_test

import (
	"context"
	"errors"
	"math"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// likeZeek serves one WebSocket client after another, and echoes their events on a topic.
func likeZeek(t *testing.T, topic string) (addr string, got chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	got = make(chan string, 10_000)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				c, err := websocket.Accept(context.Background(), nc, websocket.Config{All: true, Version: "8.0.0"})
				for err == nil {
					var ev event.Event
					if err = c.Next(&ev); err != nil {
						break
					}
					got <- c.Topic() + " " + ev.Name
					err = errors.Join(c.SendOn(topic, &ev), c.Flush())
				}
			}()
		}
	}()
	return "ws://" + l.Addr().String(), got
}

// TestZeek: its WebSocket API has the same values, but for names of fields.
func TestZeek(t *testing.T) {
	addr, got := likeZeek(t, "broccoli/to-clients")
	c := dial(t, addr, broccoli.Config{Events: []string{"all"}, Confirm: true})
	require.True(t, c.Wants("all"))
	sent := sample()
	sent.Colour = broccoli.Enum{Name: "Site::RED"}
	sent.Note = nil
	require.NoError(t, c.Send(within(t), "all", sent, "x"))
	require.NoError(t, c.Flush(within(t)))
	require.Equal(t, "broccoli/from-clients all", <-got)
	var back everything
	var x string
	require.NoError(t, receive(t, c).Scan(&back, &x))
	require.True(t, sent.At.Equal(back.At))
	back.At = sent.At
	require.Equal(t, sent, back)
	require.Equal(t, "x", x)

	require.ErrorIs(t, c.Send(within(t), "all", math.MaxFloat64), broccoli.ErrValue, "Zeek reads no such number")
	for i := range 2000 {
		require.NoError(t, c.Send(within(t), "other", i))
	}
	require.NoError(t, c.Close())
	for range 2000 {
		require.Equal(t, "broccoli/from-clients other", <-got)
	}
}

// TestZeekTopics are those of the Config.
func TestZeekTopics(t *testing.T) {
	addr, got := likeZeek(t, "site/back")
	c := dial(t, addr, broccoli.Config{Events: []string{"e"}, Zeek: broccoli.Zeek{Topic: "site/there", Subscribe: []string{"site/"}}})
	require.NoError(t, c.Send(within(t), "e"))
	require.Equal(t, "e", receive(t, c).Name)
	require.Equal(t, "site/there e", <-got)
}
