package main

/*
#include "shared.h"
*/
import "C"

import (
	"encoding/binary"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"romanesco/internal/library/ring"
	"romanesco/internal/library/spool"
)

// link is the core's view of struct link. What both sides change is only
// touched with atomic operations.
type link struct {
	c       *C.struct_link
	out, in *ring.Ring
}

func view(c *C.struct_link) *link {
	return &link{
		c:   c,
		out: ring.New((*ring.Header)(unsafe.Pointer(c.out))),
		in:  ring.New((*ring.Header)(unsafe.Pointer(&c.in))),
	}
}

func word(p *C.uint32_t) *uint32  { return (*uint32)(unsafe.Pointer(p)) }
func long(p *C.uint64_t) *uint64  { return (*uint64)(unsafe.Pointer(p)) }
func (l *link) asleep() *uint32   { return word(&l.c.core_asleep) }
func (l *link) starved() *uint32  { return word(&l.c.core_starved) }
func (l *link) signaled() *uint32 { return word(&l.c.host_signaled) }
func (l *link) accepted() *uint64 { return long(&l.c.accepted) }
func (l *link) full() *uint64     { return long(&l.c.full) }
func (l *link) done() *uint64     { return long(&l.c.done) }
func (l *link) unwanted() *uint64 { return long(&l.c.unwanted) }
func (l *link) refused() *uint64  { return long(&l.c.refused) }
func (l *link) received() *uint32 { return word(&l.c.rx_buffered) }
func (l *link) unsent() *uint32   { return word(&l.c.tx_buffered) }
func (l *link) spooled() *uint32  { return word(&l.c.tx_spooled) }

// spoolHeader is the header of the spool, nil without one.
func (l *link) spoolHeader() *spool.Header { return (*spool.Header)(unsafe.Pointer(l.c.spool)) }

// The two are the same in memory, or this does not compile.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(spool.Header{})-C.sizeof_struct_link_spool]
	_ = [1]struct{}{}[unsafe.Offsetof(spool.Header{}.Class)-unsafe.Offsetof(C.struct_link_spool{}.class_name)]
	_ = [1]struct{}{}[unsafe.Offsetof(spool.Header{}.Ring)-unsafe.Offsetof(C.struct_link_spool{}.ring)]
)

func (l *link) farOut() *uint64 { return long(&l.c.far_out) }
func (l *link) farIn() *uint64  { return long(&l.c.far_in) }

// own publishes a socket of ours, for a child to close. One that was connected is
// to be published again: a dialer makes many.
func (l *link) own(fd uintptr) {
	next := atomic.AddUint32(word(&l.c.next_socket), 1)
	publish(&l.c.privates[next%C.LINK_SOCKETS], fd)
}

// ownAdopted does the same with the lock of an adopted spool.
func (l *link) ownAdopted(fd uintptr) { publish(&l.c.privates[C.LINK_ADOPTED], fd) }

func publish(p *C.struct_link_private, fd uintptr) {
	var st syscall.Stat_t
	if syscall.Fstat(int(fd), &st) != nil {
		return
	}
	number := (*int32)(unsafe.Pointer(&p.fd))
	atomic.StoreInt32(number, -1)
	atomic.StoreUint64(long(&p.device), st.Dev)
	atomic.StoreUint64(long(&p.inode), st.Ino)
	atomic.StoreInt32(number, int32(fd))
}

// move changes the state, if that can follow the one that it is in: the host may
// have been first.
func (l *link) move(to C.uint32_t) { C.link_move(&l.c.state, to) }

// stateUp is the state that the core looks at.
const stateUp = C.LINK_UP

// selectable is from where on the host is not in the way of our descriptors.
const selectable = C.LINK_SELECTABLE

// open says that an attempt begins for which the host waits.
func (l *link) open() { l.move(C.LINK_OPENING) }

func (l *link) is(state uint32) bool { return atomic.LoadUint32(word(&l.c.state)) == state }

// up publishes the peer's class, then the state. The host may
// be reading the class of the last session: it is left alone if it is the same.
func (l *link) up(class string) {
	if C.GoString(&l.c.peer_class[0]) != class {
		put(l.c.peer_class[:], class)
	}
	l.cause(1, "")
	l.move(C.LINK_UP)
}

// refuse says why a connect failed. Only while the host waits for it: it reads
// the text when the call has returned.
func (l *link) refuse(err error) {
	put(l.c.error[:], shown(err.Error()))
	l.down(false)
}

// lost says why there is no connection, which the host may be asking at any time.
func (l *link) lost(err error) { l.cause(0, shown(err.Error())) }

// cause publishes the other one of the two causes, with how often the connection
// has come up: more is how much more often. One goroutine at a time calls it.
func (l *link) cause(more uint64, s string) {
	begun, published := word(&l.c.cause_begun), word(&l.c.cause_published)
	n := atomic.LoadUint32(published)
	ups := atomic.LoadUint64(long(&l.c.causes[n%2].ups)) + more
	to := &l.c.causes[(n+1)%2]
	var b [C.LINK_ERROR_MAX]byte
	copy(b[:len(b)-1], s)
	atomic.StoreUint32(begun, n+1)
	atomic.StoreUint64(long(&to.ups), ups)
	for i := range to.text {
		atomic.StoreUint64(long(&to.text[i]), binary.NativeEndian.Uint64(b[8*i:]))
	}
	atomic.StoreUint32(published, n+1)
}

// say puts a message into the log for the host, and reports whether there was room.
// One goroutine at a time calls it.
func (l *link) say(level uint32, s string) bool {
	log := &l.c.log
	head := atomic.LoadUint32(word(&log.head))
	if head-atomic.LoadUint32(word(&log.tail)) >= C.LINK_MESSAGES {
		atomic.AddUint32(word(&log.dropped), 1)
		return false
	}
	m := &log.messages[head%C.LINK_MESSAGES]
	m.level = C.uint32_t(level)
	put(m.text[:], s)
	atomic.StoreUint32(word(&log.head), head+1)
	return true
}

// down says that there is no connection, and whether somebody goes on trying.
func (l *link) down(trying bool) {
	if trying {
		l.move(C.LINK_RETRY)
	} else {
		l.move(C.LINK_DOWN)
	}
	l.progress()
}

// wrote publishes how far the ring is with the kernel.
func (l *link) wrote(pos uint64) {
	atomic.StoreUint64(long(&l.c.written), pos)
	l.progress()
}

// flushing reports whether somebody waits for that.
func (l *link) flushing() bool { return atomic.LoadUint32(word(&l.c.flushers)) > 0 }

// progress wakes the threads of the host that wait.
func (l *link) progress() {
	if !l.flushing() {
		return
	}
	futex := word(&l.c.progress)
	atomic.AddUint32(futex, 1)
	const wake, private, everybody = 1, 128, 1<<31 - 1
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(futex)), wake|private, everybody, 0, 0, 0)
}

// put copies s as a C string, cut where it does not fit.
func put(dst []C.char, s string) {
	n := copy(unsafe.Slice((*byte)(unsafe.Pointer(&dst[0])), len(dst)-1), s)
	dst[n] = 0
}
