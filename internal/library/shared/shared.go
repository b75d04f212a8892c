// Package shared is capi/shared.h in Go: the memory that front and core have of one
// connection, in one process or in two. It has no addresses, and the same layout for
// 32 and 64 bits; a test compares it with what a C compiler makes of the header.
package shared

import (
	"sync/atomic"

	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
)

// Sizes and places, as in the header.
const (
	RingBytes    = 1 << 20
	NearMax      = RingBytes / 8 // a record that is larger travels outside the ring
	FarMax       = 32 << 20      // bytes of such records that may wait in one direction
	EventMax     = 16 << 20
	ClassMax     = 256
	ErrorMax     = 512
	Selectable   = 1024
	Messages     = 16
	Sockets      = 8
	Adopted      = Sockets
	FarRingBytes = 64 << 20

	AtIn  = 32768
	AtOut = AtIn + RingBytes
)

// States of a connection: enum link_state.
const (
	New uint32 = iota
	Opening
	Up
	Retry
	Down
	Closing
	Closed
)

// Private is struct link_private.
type Private struct {
	Device, Inode uint64
	FD            int32
	_             int32
}

// Cause is struct link_cause.
type Cause struct {
	Ups  uint64
	Text [ErrorMax / 8]uint64
}

// Message is struct link_message.
type Message struct {
	Level uint32
	Text  [ErrorMax]byte
}

// Log is struct link_log.
type Log struct {
	Head, Tail, Dropped uint32
	_                   uint32
	Messages            [Messages]Message
}

// Link is struct link.
type Link struct {
	Out, In       ring.Header
	FarOut, FarIn ring.Header

	Generation   uint32
	State        uint32
	CoreAsleep   uint32
	HostSignaled uint32
	CoreStarved  uint32
	RxBuffered   uint32
	TxBuffered   uint32
	TxSpooled    uint32
	TakesLog     uint32
	NextSocket   uint32
	Privates     [Sockets + 1]Private

	OwnerLink uint64
	Owner     uint32
	_         uint32

	FarOutBytes, FarInBytes                 uint64
	Accepted, Done, Unwanted, Refused, Full uint64
	Taken, Written, Sent                    uint64
	Flushers, Progress                      uint32
	PeerClass                               [ClassMax]byte
	Error                                   [ErrorMax]byte
	Causes                                  [2]Cause
	CauseBegun, CausePublished              uint32
	Log                                     Log
}

func in(states ...uint32) (set uint32) {
	for _, s := range states {
		set |= 1 << s
	}
	return set
}

// from is from which states each can be entered, as link_move() has it.
var from = [...]uint32{
	New:     0,
	Opening: in(New, Up, Retry, Down),
	Up:      in(Opening, Retry),
	Retry:   in(Opening, Up),
	Down:    in(Opening, Up, Retry),
	Closing: in(New, Opening, Up, Retry, Down),
	Closed:  in(Closing),
}

// Move changes the state, and reports false, having changed nothing, when the new one
// cannot follow: somebody else was first.
func (l *Link) Move(to uint32) bool {
	for {
		now := atomic.LoadUint32(&l.State)
		if now > Closed || from[to]&(1<<now) == 0 {
			return false
		}
		if atomic.CompareAndSwapUint32(&l.State, now, to) {
			return true
		}
	}
}
