package websocket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// frameOf reads a frame as the other side of c does.
func frameOf(t *testing.T, c *Conn) (ws.OpCode, []byte) {
	t.Helper()
	h, err := ws.ReadHeader(c.in)
	require.NoError(t, err)
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(c.in, payload)
	require.NoError(t, err)
	if h.Masked {
		ws.Cipher(payload, h.Mask, 0)
	}
	return h.OpCode, payload
}

// TestBytesThatAreNoUTF8 go in binary frames, to whom takes them: Zeek since 7.2
// closes the connection over a text frame, Broker takes no binary one.
func TestBytesThatAreNoUTF8(t *testing.T) {
	ev := func(s string) *event.Event {
		return &event.Event{Name: "e", Args: []event.Value{{Type: event.String, Bytes: []byte(s)}}}
	}
	const fine = "fine \u00e9 \u2028 \x7f"
	for version, want := range map[string]ws.OpCode{
		"2.7.0": ws.OpText, "2.8.0-dev.97": ws.OpText, "6.2.0": ws.OpText, "7.2.0": ws.OpBinary, "8.2.2": ws.OpBinary,
	} {
		client, server := pair(t, Config{Topic: "t", Subscribe: []string{"t"}, All: true}, Config{Topic: "t", All: true, Version: version})
		for s, op := range map[string]ws.OpCode{fine: ws.OpText, "\xff": want, "\xed\xa0\x80": want, "\xe2\x82": want} {
			send(t, client, ev(s))
			got, payload := frameOf(t, server)
			require.Equal(t, op, got, "%s %q", version, s)
			require.Contains(t, string(payload), s)
			send(t, client, ev(s))
			require.Equal(t, s, string(receive(t, server).Args[0].Bytes))

			// The other way, whatever a client is.
			if s != fine {
				op = ws.OpBinary
			}
			send(t, server, ev(s))
			got, _ = frameOf(t, client)
			require.Equal(t, op, got, "%q", s)
			send(t, server, ev(s))
			require.Equal(t, s, string(receive(t, client).Args[0].Bytes))
			require.NoError(t, server.SendMessage([]byte(s)))
			require.NoError(t, server.Flush())
			got, _ = frameOf(t, client)
			require.Equal(t, op, got, "%q", s)
		}
	}
}

// TestComplaintsAreUTF8, or else in a binary frame.
func TestComplaintsAreUTF8(t *testing.T) {
	client, server := pair(t, Config{Topic: "t"}, Config{All: true})
	require.NoError(t, client.complain(new(event.Event), nil))
	require.NoError(t, server.complain(new(event.Event), fmt.Errorf("event \xff")))
	op, _ := frameOf(t, client)
	require.Equal(t, ws.OpBinary, op)
	require.NoError(t, server.complain(new(event.Event), fmt.Errorf("event e")))
	op, _ = frameOf(t, client)
	require.Equal(t, ws.OpText, op)
}

// TestZeekWithoutABackend takes events and drops them; it is not to be believed.
func TestZeekWithoutABackend(t *testing.T) {
	a, b := streams(t)
	go func() { _, _ = Accept(patience(t), b, Config{Endpoint: "-websocket-3", Version: "8.2.2"}) }()
	_, err := Open(patience(t), a, Config{Host: "h", Topic: "t"})
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "no cluster backend")
	require.ErrorContains(t, err, "@load frameworks/cluster/backend/broker")
	require.Less(t, len(err.Error()), 400, "a program can be told")

	pair(t, Config{Topic: "t"}, Config{Endpoint: "zeek-websocket-3", Version: "8.2.2"})
}

// TestNoAnswerToTheSubscription, which is what such a Zeek gives to who subscribes.
func TestNoAnswerToTheSubscription(t *testing.T) {
	for _, topics := range [][]string{{"broccoli/to-clients", "b"}, nil} {
		a, b := streams(t)
		go func() { _, _ = ws.Upgrade(b) }()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := Open(ctx, a, Config{Host: "h", Subscribe: topics})
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "no answer in time")
		require.Equal(t, len(topics) > 0, strings.Contains(err.Error(), "cluster backend"), "%v", err)
	}
}

// TestOneClientTooMany: Zeek closes it before it has read a byte, which is the end
// of the stream or a reset.
func TestOneClientTooMany(t *testing.T) {
	for _, linger := range []int{0, -1} {
		for _, upgrades := range []bool{false, true} {
			a, b := streams(t)
			if upgrades {
				go func() {
					_, _ = ws.Upgrade(b)
					_, _ = io.ReadFull(b, make([]byte, 10))
					_ = b.Close() // the rest is unread: a reset
				}()
			} else {
				_ = b.(*net.TCPConn).SetLinger(linger)
				_ = b.Close()
			}
			_, err := Open(patience(t), a, Config{Host: "h"})
			require.ErrorIs(t, err, ErrRefused)
			require.ErrorContains(t, err, "a Zeek takes 100 clients")
			require.ErrorContains(t, err, "broccoli-collector")
			require.Less(t, len(err.Error()), 400)
		}
	}
}

// TestApplicationName: Zeek refuses other characters than these.
func TestApplicationName(t *testing.T) {
	for name, want := range map[string]string{
		"": "libbroccoli", "sshd:Romanesco/1.2.3": "sshd:Romanesco/1.2.3", "my daemon (x)\r\nA: b": "my_daemon__x___A:_b",
		"\xff\x00é": "____", strings.Repeat("n", 200): strings.Repeat("n", maxName), "a=b*@-.": "a=b*@-.",
	} {
		require.Equal(t, want, applicationName(name))
		a, b := streams(t)
		go func() { _, _ = Open(patience(t), a, Config{Host: "h", Application: name}) }()
		var got string
		_, err := ws.Upgrader{OnHeader: func(key, value []byte) error {
			if http.CanonicalHeaderKey(string(key)) == "X-Application-Name" {
				got = string(value)
			}
			return nil
		}}.Upgrade(b)
		require.NoError(t, err)
		require.Equal(t, want, got)
		_ = b.Close()
	}
}

// TestTimeZoneIsTold: what becomes of times is said when the version is known.
func TestTimeZoneIsTold(t *testing.T) {
	zone := time.FixedZone("Site/Time", -5*3600)
	for _, c := range []struct {
		version string
		zone    *time.Location
		says    string
	}{
		{"7.2.0", nil, "zeek_time_zone"}, {"2.7.0", nil, "zeek_exact_time"}, {"8.2.2", zone, "is not used"}, {"8.2.2", nil, ""}, {"7.0.0", zone, ""},
	} {
		var log bytes.Buffer
		client, server := pair(t, Config{Topic: "t", Zone: c.zone, Subscribe: []string{"t"}, All: true,
			Logf: func(format string, args ...any) { fmt.Fprintf(&log, format+"\n", args...) },
		}, Config{Topic: "t", All: true, Version: c.version})
		if c.says == "" {
			require.NotContains(t, log.String(), "time")
		}
		require.Contains(t, log.String(), c.says)
		args := values()[5:6]
		send(t, client, &event.Event{Name: "e", Args: args})
		receive(t, server)
		want := "2005-09-13T21:05:47.123"
		if c.zone != nil && c.version[0] != '8' {
			want = "2005-09-13T16:05:47.123"
		}
		require.Contains(t, string(server.Message()), want)
		require.NoError(t, server.SendMessage([]byte(strings.ReplaceAll(string(server.Message()), "456\"", "\""))))
		require.NoError(t, server.Flush())
		require.InDelta(t, args[0].Float(), receive(t, client).Args[0].Float(), 0.001)
	}
}

// TestExactTimesInAnyZone: beside the interval it does not matter which zone the
// time of an old Zeek is in.
func TestExactTimesInAnyZone(t *testing.T) {
	client, server := pair(t, Config{Topic: "t", Subscribe: []string{"t"}, All: true, ExactTime: true},
		Config{Topic: "t", All: true, ExactTime: true, Version: "7.2.0"})
	args := values()[5:6]
	send(t, client, &event.Event{Name: "e", Args: args})
	require.Equal(t, args, receive(t, server).Args)
	require.NoError(t, server.SendMessage([]byte(strings.ReplaceAll(string(server.Message()), "T21:05", "T17:05"))))
	require.NoError(t, server.Flush())
	require.Equal(t, args, receive(t, client).Args)
}
