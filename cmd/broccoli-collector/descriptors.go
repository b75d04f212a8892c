package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"romanesco/internal/collector/hub"
)

// descriptors divides the files that the process may have open, so that peers leave
// enough for the logs, whoever connects.
type descriptors struct {
	limit    int // of the process
	logs     bool
	connect  int // peers that we connect to
	clients  int // of WebSocket
	maxPeers int
}

const (
	// otherFiles are the listeners, the logs about peers, what serves metrics, and
	// what is open for a moment: certificates, a peer that is turned away.
	otherFiles = 64
	// maxLogs is how many logs of events are open at a time if there is no want.
	maxLogs = 256
)

// divide returns how many logs may be open and how many peers may be connected.
func (d descriptors) divide() (logs, peers int, err error) {
	left := d.limit - otherFiles - d.clients - d.connect
	if d.logs {
		// A log that is rotated is open twice until the disk has it.
		logs = max(min(maxLogs, left/4), 1)
		left -= 2 * logs
	}
	if left < 1 {
		return 0, 0, fmt.Errorf("%d files may be open (RLIMIT_NOFILE), which are too few: raise the limit, with LimitNOFILE= of systemd for instance", d.limit)
	}
	return logs, min(d.maxPeers, left), nil
}

// holdDescriptors bounds peers and logs by what the system allows.
func (o *options) holdDescriptors(p *plan) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("asking how many files may be open: %w", err)
	}
	const enough = 1 << 30
	d := descriptors{limit: int(min(limit.Cur, enough)), logs: o.logs.dir != "", maxPeers: o.limits.Peers}
	if o.zeek.listen != "" || o.zeek.secureListen != "" {
		d.clients = hub.MaxClients
	}
	for i := range p.destinations {
		if p.destinations[i].Connect {
			d.connect++
		}
	}
	logs, peers, err := d.divide()
	if err != nil {
		return err
	}
	if peers < o.limits.Peers {
		p.note("%d peers may be connected at a time, not %d: %d files may be open (RLIMIT_NOFILE), and some are kept for logs",
			peers, o.limits.Peers, d.limit)
	}
	// Those that we connect to are among the peers, and have been taken off already.
	o.limits.Peers, o.logs.maxOpen = min(peers+d.connect, o.limits.Peers), logs
	return nil
}
