package core

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// zeekSettings are those of a peer that speaks Zeek's WebSocket API.
type zeekSettings struct {
	topic     string // of what is sent
	subscribe string // prefixes of topics, separated by spaces
	types     string // file of declarations, "" for none
	exactTime bool
	zone      string            // that an old Zeek is in, "" if that is not known
	inbound   uint64            // bytes of memory for events that the host has not taken
	confirm   websocket.Confirm // what confirms
}

func (c *conn) speakZeek(ctx context.Context, nc net.Conn, requests []string) (connection, error) {
	set := c.set.zeek
	var types *zeek.Types
	if set.types != "" { // read each time: it may have been mended
		var err error
		if types, err = c.types(set.types); err != nil {
			_ = nc.Close()
			return nil, err
		}
	}
	zone, err := zeek.LoadZone(set.zone)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	p, err := websocket.Open(ctx, nc, websocket.Config{
		Host: c.zeekHost(nc), Application: c.application(), Zone: zone, Topic: set.topic, Subscribe: strings.Fields(set.subscribe),
		Requests: requests, ExactTime: set.exactTime, Types: types,
		Journal: c.journal, SetAside: c.setAside, Logf: c.logger(),
		Confirm: c.confirm(), OnConfirm: c.tellConfirm,
		Silence: c.set.silence, Unwritten: c.unwritten,
		OnFailure: func(*zeek.Failure) { atomic.AddUint64(c.link.refused(), 1) },
	})
	if err != nil {
		return nil, err // no typed nil
	}
	return p, nil
}

func (c *conn) types(path string) (*zeek.Types, error) {
	b, err := c.core.Files.Read(path)
	if err != nil {
		return nil, fmt.Errorf("types of Zeek: %w", err)
	}
	return zeek.ParseTypes(bytes.NewReader(b), path)
}

// application is what a Zeek is told of the program, and of us.
func (c *conn) application() string { return c.set.program + ":Romanesco/" + c.core.Version }

// zeekHost is what the peer is called in the request.
func (c *conn) zeekHost(nc net.Conn) string {
	if c.set.peer != "" {
		return c.set.peer
	}
	return nc.RemoteAddr().String()
}

// confirm is what confirms on the next connection.
func (c *conn) confirm() websocket.Confirm {
	if c.set.zeek.confirm == websocket.ByScriptIfAny && c.scripted.Load() {
		return websocket.ByScriptAgain
	}
	return c.set.zeek.confirm
}

// tellConfirm tells what confirms the events.
func (c *conn) tellConfirm(script bool, why string) {
	c.scripted.Store(script)
	if script {
		c.infof("Zeek's script confirms what it has handled")
		return
	}
	c.infof("Zeek's script does not confirm: %s; pongs do, which say that events are read, not that they are handled "+
		"(load confirm.zeek where they are handled, or set zeek_confirm ping)", why)
}
