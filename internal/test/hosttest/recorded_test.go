package hosttest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// serials returns the payloads of the SERIAL messages of a stream, each with
// the event's time cleared: the one thing that differs from run to run.
func serials(t *testing.T, stream []byte) [][]byte {
	t.Helper()
	r := wire.NewReader(bytes.NewReader(stream), wire.Limits{})
	var all [][]byte
	for {
		typ, payload, err := r.Next()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		if typ != wire.MsgSerial {
			continue
		}
		payload = bytes.Clone(payload)
		name := int(binary.BigEndian.Uint32(payload[1:]))
		clear(payload[1+4+name:][:8])
		all = append(all, payload)
	}
}

// tee notes what is read.
type tee struct {
	net.Conn
	said bytes.Buffer
}

func (c *tee) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.said.Write(b[:n])
	return n, err
}

// TestProgramsSendWhatWasRecorded hands the events of a recorded client to a
// program that builds them anew through the C API. What it sends must be, byte
// for byte, what the recorded client sent with the original library.
func TestProgramsSendWhatWasRecorded(t *testing.T) {
	for _, folder := range []string{"ping", "v6addrs", "vectors", "sensor-sshd"} {
		t.Run(folder, func(t *testing.T) {
			recorded, err := os.ReadFile("../../../testdata/vectors/" + folder + "/client.bin")
			require.NoError(t, err)
			want := serials(t, recorded)
			require.NotEmpty(t, want)
			var names []string
			for _, payload := range want {
				var ev event.Event
				require.NoError(t, wire.NewDecoder(wire.Limits{}).Event(payload[1:], &ev))
				names = append(names, ev.Name)
			}
			slices.Sort(names)
			names = slices.Compact(names)
			got := make(chan []byte, 1)
			addr, done := accept(t, func(nc net.Conn) error {
				c := &tee{Conn: nc}
				p, err := peer.Open(t.Context(), c, peer.Config{Requests: names})
				if err != nil {
					return err
				}
				for _, payload := range want {
					if err := p.SendSerial(payload); err != nil {
						return err
					}
				}
				if err := p.Flush(); err != nil {
					return err
				}
				var ev event.Event
				for range want {
					if err := p.Next(&ev); err != nil {
						return err
					}
				}
				got <- c.said.Bytes()
				return p.Close()
			})
			require.NoError(t, host(t, append([]string{"mirror", addr}, names...)...).Run())
			require.NoError(t, <-done)
			require.Equal(t, want, serials(t, <-got))
		})
	}
}
