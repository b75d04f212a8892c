package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// descriptors divides the files that the process may have open, so that peers leave
// enough for the logs, whoever connects.
type descriptors struct {
	limit    int // of the process
	logs     bool
	connect  int // peers that we connect to
	clients  int // of WebSocket, that may be
	maxPeers int
}

// division is how many of each there may be at a time.
type division struct{ logs, peers, clients int }

const (
	// otherFiles are the listeners, the logs about peers, what serves metrics, and
	// what is open for a moment: certificates, a peer that is turned away.
	otherFiles = 64
	// maxLogs is how many logs of events are open at a time if there is no want.
	maxLogs = 256
)

func (d descriptors) divide() (by division, err error) {
	left := d.limit - otherFiles - d.connect
	if d.clients > 0 {
		by.clients = max(min(d.clients, left/2), 1)
		left -= by.clients
	}
	if d.logs {
		// A log that is rotated is open twice until the disk has it.
		by.logs = max(min(maxLogs, left/4), 1)
		left -= 2 * by.logs
	}
	if left < 1 {
		return division{}, fmt.Errorf("%d files may be open (RLIMIT_NOFILE), which are too few: raise the limit, with LimitNOFILE= of systemd for instance", d.limit)
	}
	by.peers = min(d.maxPeers, left)
	return by, nil
}

// holdDescriptors bounds peers and logs by what the system allows.
func (o *options) holdDescriptors(p *plan) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("asking how many files may be open: %w", err)
	}
	const enough = 1 << 30
	d := descriptors{limit: int(min(limit.Cur, enough)), logs: o.logs.dir != "", maxPeers: o.limits.Peers}
	if o.zeek.listens() {
		d.clients = o.zeek.maxClients
	}
	for i := range p.destinations {
		if p.destinations[i].Connect {
			d.connect++
		}
	}
	by, err := d.divide()
	if err != nil {
		return err
	}
	if by.peers < o.limits.Peers {
		p.note("%d peers may be connected at a time, not %d: %d files may be open (RLIMIT_NOFILE), and some are kept for logs",
			by.peers, o.limits.Peers, d.limit)
	}
	if by.clients < d.clients {
		p.note("%d WebSocket clients may be connected at a time, not %d: %d files may be open (RLIMIT_NOFILE), and the others are for peers and logs",
			by.clients, d.clients, d.limit)
	}
	// Those that we connect to are among the peers, and have been taken off already.
	o.limits.Peers, o.logs.maxOpen, o.zeek.maxClients = min(by.peers+d.connect, o.limits.Peers), by.logs, by.clients
	return nil
}
