package core

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/library/spool"
)

// Memory is what the core shares with the host for one connection.
type Memory struct {
	Link    *shared.Link
	Out, In *ring.Ring    // the first may be the spool's
	Spool   *spool.Header // nil: no spool
	Far     Far
	// Confirmed notes the number of the last batch that the peer has confirmed where the header of
	// the spool is a copy; nil: it is in its file.
	Confirmed func(n uint64)
	Alien     bool // the host is another process
	Keep      bool // what the peer has not confirmed stays in the outbound ring
	// OnState is called when the core has changed the state, OnProgress when it has got on with
	// the outbound ring. They wait for nothing, and may be nil.
	OnState    func(state uint32)
	OnProgress func()
}

// Far carries records that are too large for the rings.
type Far interface {
	// Get returns the record that one of KindFar stands for. It holds until Free.
	Get(at, size uint64) ([]byte, error)
	Free(at, size uint64)
	// Put hands a copy of a record to the host, and returns its place; false: there is no
	// room for it now.
	Put(rec []byte) (at uint64, ok bool)
	// Back takes the last one back, which the host has not been told of.
	Back(at, size uint64)
}

// link is the core's view of that memory. What both sides change is only touched with
// atomic operations.
type link struct {
	Memory
	s       *shared.Link
	out, in *ring.Ring
}

func view(m Memory) *link { return &link{Memory: m, s: m.Link, out: m.Out, in: m.In} }

func (l *link) asleep() *uint32   { return &l.s.CoreAsleep }
func (l *link) starved() *uint32  { return &l.s.CoreStarved }
func (l *link) signaled() *uint32 { return &l.s.HostSignaled }
func (l *link) accepted() *uint64 { return &l.s.Accepted }
func (l *link) full() *uint64     { return &l.s.Full }
func (l *link) done() *uint64     { return &l.s.Done }
func (l *link) unwanted() *uint64 { return &l.s.Unwanted }
func (l *link) refused() *uint64  { return &l.s.Refused }
func (l *link) received() *uint32 { return &l.s.RxBuffered }
func (l *link) unsent() *uint32   { return &l.s.TxBuffered }
func (l *link) spooled() *uint32  { return &l.s.TxSpooled }
func (l *link) farOut() *uint64   { return &l.s.FarOutBytes }
func (l *link) farIn() *uint64    { return &l.s.FarInBytes }

// own publishes a socket of ours, for a child to close. One that was connected is
// to be published again: a dialer makes many.
func (l *link) own(fd uintptr) {
	next := atomic.AddUint32(&l.s.NextSocket, 1)
	l.publish(&l.s.Privates[next%shared.Sockets], fd)
}

// ownAdopted does the same with the lock of an adopted spool.
func (l *link) ownAdopted(fd uintptr) { l.publish(&l.s.Privates[shared.Adopted], fd) }

func (l *link) publish(p *shared.Private, fd uintptr) {
	var st syscall.Stat_t
	if l.Alien || syscall.Fstat(int(fd), &st) != nil {
		return
	}
	atomic.StoreInt32(&p.FD, -1)
	atomic.StoreUint64(&p.Device, st.Dev)
	atomic.StoreUint64(&p.Inode, st.Ino)
	atomic.StoreInt32(&p.FD, int32(fd))
}

// move changes the state, if that can follow the one that it is in: the host may
// have been first.
func (l *link) move(to uint32) {
	if l.s.Move(to) && l.OnState != nil {
		l.OnState(to)
	}
}

// stateUp is the state that the core looks at.
const stateUp = shared.Up

// open says that an attempt begins for which the host waits.
func (l *link) open() { l.move(shared.Opening) }

func (l *link) is(state uint32) bool { return atomic.LoadUint32(&l.s.State) == state }

// up publishes the peer's class, then the state. The host may
// be reading the class of the last session: it is left alone if it is the same.
func (l *link) up(class string) {
	if text(l.s.PeerClass[:]) != class {
		put(l.s.PeerClass[:], class)
	}
	l.cause(1, "")
	l.move(shared.Up)
}

// refuse says why a connect failed. Only while the host waits for it: it reads
// the text when the call has returned.
func (l *link) refuse(err error) {
	put(l.s.Error[:], shown(err.Error()))
	l.down(false)
}

// lost says why there is no connection, which the host may be asking at any time.
func (l *link) lost(err error) { l.cause(0, shown(err.Error())) }

// cause publishes the other one of the two causes, with how often the connection
// has come up: more is how much more often. One goroutine at a time calls it.
func (l *link) cause(more uint64, s string) {
	begun, published := &l.s.CauseBegun, &l.s.CausePublished
	n := atomic.LoadUint32(published)
	ups := atomic.LoadUint64(&l.s.Causes[n%2].Ups) + more
	to := &l.s.Causes[(n+1)%2]
	var b [shared.ErrorMax]byte
	copy(b[:len(b)-1], s)
	atomic.StoreUint32(begun, n+1)
	atomic.StoreUint64(&to.Ups, ups)
	for i := range to.Text {
		atomic.StoreUint64(&to.Text[i], binary.NativeEndian.Uint64(b[8*i:]))
	}
	atomic.StoreUint32(published, n+1)
}

// say puts a message into the log for the host, and reports whether there was room.
// One goroutine at a time calls it.
func (l *link) say(level uint32, s string) bool {
	log := &l.s.Log
	head := atomic.LoadUint32(&log.Head)
	if head-atomic.LoadUint32(&log.Tail) >= shared.Messages {
		atomic.AddUint32(&log.Dropped, 1)
		return false
	}
	m := &log.Messages[head%shared.Messages]
	m.Level = level
	put(m.Text[:], s)
	atomic.StoreUint32(&log.Head, head+1)
	return true
}

// down says that there is no connection, and whether somebody goes on trying.
func (l *link) down(trying bool) {
	if trying {
		l.move(shared.Retry)
	} else {
		l.move(shared.Down)
	}
	l.progress()
}

// took notes how far the ring has been taken. With keep it stays in the ring all the
// same, for another core that may take the place of this one.
func (l *link) took(pos uint64, keep bool) {
	if keep {
		l.out.Take(pos)
	} else {
		l.out.Release(pos)
	}
	if l.Alien || l.Keep {
		atomic.StoreUint64(&l.s.Taken, pos)
	}
	l.gotOn()
}

func (l *link) gotOn() {
	if l.OnProgress != nil {
		l.OnProgress()
	}
}

// wrote publishes how far the ring is with the kernel.
func (l *link) wrote(pos uint64) {
	atomic.StoreUint64(&l.s.Written, pos)
	l.progress()
	l.gotOn()
}

// hasSent publishes how far the ring is with the kernel, whatever the peer confirms.
func (l *link) hasSent(pos uint64) {
	atomic.StoreUint64(&l.s.Sent, pos)
	l.progress()
}

// flushing reports whether somebody waits for that.
func (l *link) flushing() bool { return atomic.LoadUint32(&l.s.Flushers) > 0 }

// progress wakes the threads of the host that wait.
func (l *link) progress() {
	if !l.flushing() {
		return
	}
	futex := &l.s.Progress
	atomic.AddUint32(futex, 1)
	const wake, everybody = 1, 1<<31 - 1
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(futex)), wake, everybody, 0, 0, 0)
}

// put copies s as a C string, cut where it does not fit.
func put(dst []byte, s string) {
	n := copy(dst[:len(dst)-1], s)
	dst[n] = 0
}

// text reads a C string.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
