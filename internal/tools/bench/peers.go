package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

func open(nc net.Conn) (*peer.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, secured := nc.(*tls.Conn)
	return peer.Open(ctx, nc, peer.Config{Requests: []string{"bench"}, Whole: secured})
}

// sink reads as fast as a peer can, decoding nothing.
func sink(nc net.Conn) error {
	if _, err := open(nc); err != nil {
		return err
	}
	// However it ends: not every library says good-bye.
	_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{nc}, make([]byte, 1<<20))
	return nil
}

// stalled shakes hands as a Bro, and then reads nothing.
func stalled(d time.Duration) func(net.Conn) error {
	return func(nc net.Conn) error {
		_, err := open(nc)
		time.Sleep(d)
		return err
	}
}

// source sends n events of seven arguments, encoded beforehand: it is not what
// is measured.
func source(n int) func(net.Conn) error {
	return func(nc net.Conn) error {
		if _, err := open(nc); err != nil {
			return err
		}
		one, err := new(wire.Encoder).AppendEvent(nil, sevenArguments())
		if err != nil {
			return err
		}
		return repeat(nc, one, n)
	}
}

// sevenArguments are those that the program sends itself.
func sevenArguments() *event.Event {
	v4 := [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}
	return &event.Event{Name: "bench", Time: 1126645547.25, Args: []event.Value{
		{Type: event.Time, Bits: 0x41d0c95d6ad00000}, {Type: event.String, Bytes: []byte("login1_022")},
		{Type: event.Count, Bits: 1}, {Type: event.Addr, Addr: v4}, {Type: event.Port, Bits: 22, Proto: 6},
		{Type: event.Addr, Addr: v4}, {Type: event.Port, Bits: 22, Proto: 6},
	}}
}
