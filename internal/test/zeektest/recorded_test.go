package zeektest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// TestRecorded: Zeek makes of every kind of value what is recorded, and of a long text
// what it was.
func TestRecorded(t *testing.T) {
	since(t, 8, 0, "times in UTC, \\u and metadata, which the recording has")
	EachBackend(t, func(t *testing.T, z *Zeek) {
		const topic = "romanesco/recorded"
		from := z.client(t, websocket.Config{Subscribe: []string{topic}})
		to := z.client(t, websocket.Config{Topic: topic})
		go func() { _ = to.Next(&event.Event{}) }()
		receive := func() *event.Event {
			ev := new(event.Event)
			require.NoError(t, from.Next(ev))
			return ev
		}
		f, err := os.Open("../../protocol/zeek/testdata/zeek-8.2.2.jsonl")
		require.NoError(t, err)
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var r struct{ Sent, Received string }
			require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
			require.NoError(t, to.SendMessage(bytesAsRecorded(r.Sent)))
			require.NoError(t, to.Flush())
			receive()
			require.Equal(t, string(bytesAsRecorded(r.Received)), string(from.Message()), "sent %s", r.Sent)
		}
		for _, long := range [][]byte{bytes.Repeat([]byte("\xff\x00\\u"), 1<<18), bytes.Repeat([]byte("x"), 1<<20)} {
			args := []event.Value{{Type: event.Count, Bits: 1}, {Type: event.String, Bytes: long}}
			require.NoError(t, to.Send(&event.Event{Name: "recorded", Args: args}))
			require.NoError(t, to.Flush())
			got := receive().Args
			require.True(t, len(got) == 2 && bytes.Equal(long, got[1].Bytes))
		}
	}, Absolute(t, "internal/test/zeektest/testdata/values.zeek"))
}

// bytesAsRecorded undoes the picture of the bytes that a recording has.
func bytesAsRecorded(s string) (b []byte) {
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}
