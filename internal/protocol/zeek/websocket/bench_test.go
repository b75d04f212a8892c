package websocket

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

func sevenArgs() *event.Event {
	v4 := [16]byte{10: 255, 11: 255, 12: 192, 14: 2, 15: 1}
	return &event.Event{Name: "sensor_sshd_conn_new", Time: 1126645547.123456, Args: []event.Value{
		{Type: event.Time, Bits: math.Float64bits(1126645547.25)}, {Type: event.String, Bytes: []byte("sshd_22")},
		{Type: event.Count, Bits: 1}, {Type: event.Addr, Addr: v4}, {Type: event.Port, Bits: 41000, Proto: event.ProtoTCP},
		{Type: event.Addr, Addr: v4}, {Type: event.Port, Bits: 22, Proto: event.ProtoTCP},
	}}
}

// BenchmarkSend encodes, masks and writes to a stream that somebody empties.
func BenchmarkSend(b *testing.B) {
	for version, name := range map[string]string{"2.7.0": "Broker 2.7", "8.0.0": "Zeek 8"} {
		b.Run(name, func(b *testing.B) {
			client, server := pair(b, Config{Topic: "broccoli/from-clients"}, Config{Version: version})
			go func() {
				for ev := new(event.Event); server.Next(ev) == nil; {
				}
			}()
			go func() { _ = client.Next(&event.Event{}) }() // takes the answers to its pings
			ev := sevenArgs()
			b.ReportAllocs()
			for b.Loop() {
				if err := client.Send(ev); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, client.Flush())
		})
	}
}

// BenchmarkNext reads and decodes.
func BenchmarkNext(b *testing.B) {
	client, server := pair(b, Config{Requests: []string{"sensor_sshd_conn_new"}}, Config{Topic: "t"})
	server.speaks(zeek.Dialect{})
	ev := sevenArgs()
	go func() {
		for server.Send(ev) == nil {
		}
	}()
	var got event.Event
	b.ReportAllocs()
	for b.Loop() {
		if err := client.Next(&got); err != nil {
			b.Fatal(err)
		}
	}
}
