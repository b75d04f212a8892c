package main

import (
	"net"
	"strconv"
)

// measurement is one call of the program, on two sides.
type measurement struct {
	name  string
	args  []string // PEER is replaced
	sides [2]side
}

// side is what differs: the first one of a measurement is what the second is
// compared with.
type side struct {
	name   string
	lib    string // folder of libbroccoli.so.5
	conf   string // of the program
	serve  func(net.Conn) error
	secure bool // over TLS
}

var shapes = []string{"seven", "one", "string", "record"}

// besideReference are the measurements of both libraries.
func besideReference(o options, s *setup) []measurement {
	n, stall := strconv.Itoa(o.events), strconv.Itoa(int(o.stall.Milliseconds()))
	var all []measurement
	add := func(name string, serve func(net.Conn) error, secure bool, args ...string) {
		reference := side{name: s.name, lib: s.reference, conf: s.conf(false, secure), serve: serve, secure: secure}
		ours := reference
		ours.name, ours.lib = "ours", s.ours
		all = append(all, measurement{name: name, args: args, sides: [2]side{reference, ours}})
	}
	for _, shape := range shapes {
		add("send "+shape, sink, false, "send", "PEER", shape, n)
	}
	add("send seven, TLS", sink, true, "send", "PEER", "seven", n)
	add("receive seven", source(o.events), false, "receive", "PEER", n)
	add("connect", sink, false, "connect", "PEER", "10")
	add("connect, TLS", sink, true, "connect", "PEER", "10")
	add("stalled peer", stalled(o.stall), false, "stall", "PEER", stall)
	add("linked", nil, false, "linked", s.bare)
	return all
}

// besideBro are those of the Zeek transport, which no other library has: they
// stand beside our Bro protocol in the clear.
func besideBro(o options, s *setup) []measurement {
	n, stall := strconv.Itoa(o.events), strconv.Itoa(int(o.stall.Milliseconds()))
	var all []measurement
	add := func(name string, serve, zeek func(net.Conn) error, secure bool, args ...string) {
		all = append(all, measurement{name: name, args: args, sides: [2]side{
			{name: "ours, Bro", lib: s.ours, conf: s.conf(false, false), serve: serve},
			{name: "ours, Zeek", lib: s.ours, conf: s.conf(true, secure), serve: zeek, secure: secure},
		}})
	}
	for _, shape := range shapes {
		add("Zeek: send "+shape, sink, zeekSink(zeek8, o.events), false, "send", "PEER", shape, n)
	}
	add("Zeek up to 6.1: send seven", sink, zeekSink(broker2, o.events), false, "send", "PEER", "seven", n)
	add("Zeek: send seven, TLS", sink, zeekSink(zeek8, o.events), true, "send", "PEER", "seven", n)
	add("Zeek: receive seven", source(o.events), zeekSource(o.events), false, "receive", "PEER", n)
	add("Zeek: connect", sink, zeekSink(zeek8, 0), false, "connect", "PEER", "10")
	add("Zeek: connect, TLS", sink, zeekSink(zeek8, 0), true, "connect", "PEER", "10")
	add("Zeek: stalled peer", stalled(o.stall), zeekStalled(o.stall), false, "stall", "PEER", stall)
	return all
}
