package delivery

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrSilent says that the peer is gone without a word.
var ErrSilent = errors.New("peer is silent")

// Watch notices that a peer is gone although nobody has said so: its machine
// is off, the network drops everything, something between swallows it.
//
// TCP tells whether the other kernel acknowledges. TCP_USER_TIMEOUT would end
// the connection to a peer that only reads nothing as well, so the kernel is
// asked instead. Whoever has answered a PING once is asked in that way too.
type Watch struct {
	heard   atomic.Bool  // something has come since the last look
	reading atomic.Bool  // somebody waits for what the peer says
	answers atomic.Bool  // the peer has answered a PING
	pinged  atomic.Int64 // when the PING without answer was written, UnixNano; 0: there is none
	pinging atomic.Bool  // one is being written
}

// looks is how often the peer is looked at while it may be silent.
const looks = 4

// Stream returns a stream of which it is noted that something comes.
func (w *Watch) Stream(nc net.Conn) net.Conn { return listened{nc, w} }

// Answered notes that the peer has answered a PING; HasAnswered reports whether it has.
func (w *Watch) Answered() { w.answers.Store(true) }

// HasAnswered is explained at Answered.
func (w *Watch) HasAnswered() bool { return w.answers.Load() }

// Waits notes that somebody waits for what the peer says, or does so no more.
func (w *Watch) Waits(so bool) { w.reading.Store(so) }

type listened struct {
	net.Conn
	watch *Watch
}

func (l listened) Read(b []byte) (int, error) {
	l.watch.Waits(true)
	n, err := l.Conn.Read(b)
	l.watch.Waits(false)
	if n > 0 {
		l.watch.heard.Store(true)
	}
	return n, err
}

// Run looks until closed is, or tells fail that the peer is found gone. ping
// sends a PING; nil: the peer may not be sent any.
func (w *Watch) Run(nc net.Conn, silence time.Duration, closed <-chan struct{}, ping func() error, fail func(error)) {
	kernel := answers{raw: rawConn(nc)}
	tick := time.NewTicker(silence / looks)
	defer tick.Stop()
	for {
		select {
		case <-closed:
			return
		case <-tick.C:
		}
		switch {
		case !kernel.lately(silence):
			fail(fmt.Errorf("%w: its host has acknowledged nothing for %v", ErrSilent, silence))
		case !w.heardLately(silence, ping):
			fail(fmt.Errorf("%w: it has not answered for %v", ErrSilent, silence))
		}
	}
}

// heardLately reports false when a PING has been without an answer for too
// long; it sends one to a peer that is quiet.
func (w *Watch) heardLately(silence time.Duration, ping func() error) bool {
	if w.heard.Swap(false) || !w.reading.Load() {
		w.pinged.Store(0) // it lives, or it is us who do not listen
		return true
	}
	if at := w.pinged.Load(); at != 0 {
		return !w.answers.Load() || time.Since(time.Unix(0, at)) < silence
	}
	if ping != nil && w.pinging.CompareAndSwap(false, true) {
		go w.ask(ping) // may wait for a peer that reads nothing
	}
	return true
}

// ask asks for a sign of life.
func (w *Watch) ask(ping func() error) {
	defer w.pinging.Store(false)
	if ping() == nil {
		w.pinged.Store(time.Now().UnixNano())
	}
}

// answers is what the other side's TCP has answered to ours.
type answers struct {
	raw     syscall.RawConn // nil: nothing is known
	in, out uint32          // segments, when the last one was seen to have come in
	asked   time.Time       // when it was seen that we have asked since; zero: not
}

// unanswered is how many segments make a question: one goes out by chance
// after the last answer, as the acknowledgement of it.
const unanswered = 2

// lately reports false when ours has been asking for too long, and nothing has come.
func (a *answers) lately(silence time.Duration) bool {
	var info *unix.TCPInfo
	var failed error
	if a.raw == nil || a.raw.Control(func(fd uintptr) {
		info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}) != nil || failed != nil {
		return true
	}
	switch {
	case info.Segs_in != a.in:
		a.in, a.out, a.asked = info.Segs_in, info.Segs_out, time.Time{}
	case info.Segs_out-a.out < unanswered:
	case a.asked.IsZero():
		a.asked = time.Now()
	default:
		return time.Since(a.asked) < silence
	}
	return true
}

// KeepAlive makes the kernel ask a peer with which there is nothing to talk
// about, so that its silence is noticed within that time, by the kernel.
func KeepAlive(nc net.Conn, silence time.Duration) {
	if tcp, ok := nc.(*net.TCPConn); ok && silence > 0 {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: silence / 2, Interval: silence / 10, Count: 5,
		})
	}
}
