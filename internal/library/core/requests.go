package core

import (
	"bytes"
)

// unasked returns the events that the host has asked for while the connection was
// being made.
func (c *conn) unasked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[c.asked:]
}

// ask remembers names that the host has asked for, for later sessions.
func (c *conn) ask(more []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[string]bool, len(c.requests))
	for _, name := range c.requests {
		known[name] = true
	}
	for _, name := range more {
		if !known[name] {
			known[name] = true
			c.requests = append(c.requests, name)
		}
	}
}

// Names are those of a record of KindRequest.
func Names(b []byte) []string { return names(b) }

func names(b []byte) []string {
	var list []string
	for name := range bytes.SplitSeq(b, []byte{0}) {
		if len(name) > 0 {
			list = append(list, string(name))
		}
	}
	return list
}
