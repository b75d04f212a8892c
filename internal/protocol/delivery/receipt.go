package delivery

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// receiptPoll is how often the kernel is asked.
const receiptPoll = 20 * time.Millisecond

// KernelReceipts confirms what the peer's kernel has acknowledged, until the
// connection is closed. written returns the last batch that was written to it.
//
// A Bro cannot be asked by PING: Bro 2.5.5 answers, but releases the memory of
// the PING twice, which ends it (RemoteSerializer::ProcessPingMsg). What its
// kernel has is not lost with the network; it is lost when Bro itself dies
// before it has read it.
func (j *Journal) KernelReceipts(nc net.Conn, closed <-chan struct{}, written func() (batch uint32)) {
	raw := rawConn(nc)
	if raw == nil {
		return
	}
	tick := time.NewTicker(receiptPoll)
	defer tick.Stop()
	for {
		select {
		case <-closed:
			return
		case <-tick.C:
		}
		batch := written()
		unacknowledged := -1
		err := raw.Control(func(fd uintptr) {
			if n, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ); err == nil {
				unacknowledged = n
			}
		})
		if err != nil {
			return
		}
		if unacknowledged == 0 {
			j.Confirm(batch)
		}
	}
}

// rawConn returns the socket below a connection, nil if it has none.
func rawConn(nc net.Conn) syscall.RawConn {
	if secured, ok := nc.(*tls.Conn); ok {
		nc = secured.NetConn()
	}
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
