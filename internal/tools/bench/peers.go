package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"romanesco/internal/event"
	"romanesco/internal/peer"
	"romanesco/internal/wire"
)

func open(nc net.Conn) (*peer.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, secured := nc.(*tls.Conn)
	return peer.Open(ctx, nc, peer.Config{Requests: []string{"bench"}, Whole: secured})
}

// sink reads as fast as a peer can, decoding nothing.
func sink(nc net.Conn) error {
	if _, err := open(nc); err != nil {
		return err
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{nc}, make([]byte, 1<<20))
	return err
}

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
	v4 := [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}
	ev := &event.Event{Name: "bench", Time: 1126645547.25, Args: []event.Value{
		{Type: event.Time, Bits: 0x41d0c95d6ad00000}, {Type: event.String, Bytes: []byte("login1_022")},
		{Type: event.Count, Bits: 1}, {Type: event.Addr, Addr: v4}, {Type: event.Port, Bits: 22, Proto: 6},
		{Type: event.Addr, Addr: v4}, {Type: event.Port, Bits: 22, Proto: 6},
	}}
	return func(nc net.Conn) error {
		if _, err := open(nc); err != nil {
			return err
		}
		one, err := new(wire.Encoder).AppendEvent(nil, ev)
		if err != nil {
			return err
		}
		many := bytes.Repeat(one, 256)
		for left := n; left > 0 && err == nil; left -= 256 {
			_, err = nc.Write(many[:len(one)*min(left, 256)])
		}
		_, _ = io.Copy(io.Discard, nc)
		return err
	}
}
