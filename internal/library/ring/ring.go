// Package ring is the Go end of the rings that carry records between host and
// core (capi/shared.h has the layout and the rules, capi/ring.c the C end). A
// ring has one producer and one consumer, in different threads of one process, or
// in different processes: then nothing that the other side writes is trusted, or read
// twice. It imports nothing of this project.
package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
)

// Header is struct link_ring.
type Header struct {
	head uint64
	_    [7]uint64
	tail uint64
	_    [7]uint64
}

// Head and Tail are those of a ring; SetHead and SetTail are its producer's and consumer's,
// where that is no Ring.
func (h *Header) Head() uint64       { return atomic.LoadUint64(&h.head) }
func (h *Header) Tail() uint64       { return atomic.LoadUint64(&h.tail) }
func (h *Header) SetHead(pos uint64) { atomic.StoreUint64(&h.head, pos) }
func (h *Header) SetTail(pos uint64) { atomic.StoreUint64(&h.tail, pos) }

// RecordHeader is the size of struct link_record: what every record starts with.
const RecordHeader = 8

const kindSkip = 0

// ErrCorrupt says that a record does not hold together: the other side, or somebody who
// wrote over the ring, is at fault.
var ErrCorrupt = errors.New("ring: record does not hold together")

// Ring is one end of a ring, either the producer's or the consumer's.
type Ring struct {
	h     *Header
	data  []byte
	mask  uint64
	alien bool // the other side is another process
	copy  []byte

	// The consumer's: how far it has taken the ring. What it has taken and not released
	// is there still.
	taken atomic.Uint64

	// The producer's: where the next record goes, which the consumer sees when
	// it is published, and the tail as it was when it was last looked at. Both
	// lines of the header are the consumer's as long as they are left alone.
	put, tail uint64
}

// New returns a view of the ring that h describes, with its bytes: a power of two.
func New(h *Header, data []byte) *Ring {
	r := &Ring{h: h, data: data, mask: uint64(len(data)) - 1}
	r.put, r.tail = r.Head(), r.Tail()
	r.taken.Store(r.tail)
	return r
}

// NewAlien is the same for one whose other end is in another process, which may write
// at any moment: the records that Next returns are copies.
func NewAlien(h *Header, data []byte) *Ring {
	r := New(h, data)
	r.alien = true
	return r
}

// Taken returns how many bytes the consumer has taken since the beginning.
func (r *Ring) Taken() uint64 { return r.taken.Load() }

// Take notes that the consumer has everything before pos, which stays where it is.
func (r *Ring) Take(pos uint64) { r.taken.Store(pos) }

// Head returns how many bytes have been produced since the beginning.
func (r *Ring) Head() uint64 { return atomic.LoadUint64(&r.h.head) }

// Tail returns how many bytes have been consumed since the beginning.
func (r *Ring) Tail() uint64 { return atomic.LoadUint64(&r.h.tail) }

// Empty reports whether there is nothing to take.
func (r *Ring) Empty() bool { return r.Head() == r.Taken() }

// Sound reports whether head and tail can be those of a ring, from what a process has left.
func (r *Ring) Sound() bool {
	head, tail := r.Head(), r.Tail()
	return head-tail <= uint64(len(r.data)) && head%8 == 0 && tail%8 == 0
}

// Next returns the record at pos, with its header, and the position behind
// it. It returns nil when there is none before head. The record holds until
// Release moves past it, or Next is called again.
func (r *Ring) Next(pos, head uint64) (rec []byte, next uint64, err error) {
	if head-pos > uint64(len(r.data)) {
		return nil, pos, fmt.Errorf("%w: head %d at %d", ErrCorrupt, head, pos)
	}
	for pos < head {
		off := pos & r.mask
		size := uint64(binary.NativeEndian.Uint32(r.data[off:]))
		if size < RecordHeader || size%8 != 0 || off+size > uint64(len(r.data)) || pos+size > head {
			return nil, pos, fmt.Errorf("%w: size %d at %d, head %d", ErrCorrupt, size, pos, head)
		}
		if rec = r.data[off : off+size : off+size]; Kind(rec) != kindSkip {
			return r.own(rec), pos + size, nil
		}
		pos += size
	}
	return nil, pos, nil
}

// own returns the record, or a copy that the other side cannot change.
func (r *Ring) own(rec []byte) []byte {
	if !r.alien {
		return rec
	}
	r.copy = append(r.copy[:0], rec...)
	binary.NativeEndian.PutUint32(r.copy, uint32(len(rec)))
	return r.copy
}

// Kind returns the kind of a record.
func Kind(rec []byte) uint32 { return binary.NativeEndian.Uint32(rec[4:]) }

// Release gives everything before pos, which has been taken, back to the producer.
func (r *Ring) Release(pos uint64) {
	if pos > r.taken.Load() {
		r.taken.Store(pos)
	}
	atomic.StoreUint64(&r.h.tail, pos)
}

// Put copies a record into the ring, for the consumer to see once it is
// published. It reports false, and changes nothing, when there is no room for it
// now. The record is a multiple of 8 bytes and at most half the ring.
func (r *Ring) Put(rec []byte) bool {
	size := uint64(len(rec))
	off := r.put & r.mask
	skip := r.skip(size)
	if !r.hasRoom(skip + size) {
		return false
	}
	if skip > 0 {
		binary.NativeEndian.PutUint32(r.data[off:], uint32(skip))
		binary.NativeEndian.PutUint32(r.data[off+4:], kindSkip)
		off = 0
	}
	copy(r.data[off:], rec)
	r.put += skip + size
	return true
}

// Fits reports whether there is room for a record of that size.
func (r *Ring) Fits(size int) bool { return r.hasRoom(r.skip(uint64(size)) + uint64(size)) }

// skip is how many bytes are left to the end of the ring, if a record of that size
// does not fit there.
func (r *Ring) skip(size uint64) uint64 {
	if skip := uint64(len(r.data)) - r.put&r.mask; skip < size {
		return skip
	}
	return 0
}

func (r *Ring) hasRoom(size uint64) bool {
	if r.put+size-r.tail <= uint64(len(r.data)) {
		return true
	}
	r.tail = r.Tail()
	return r.put+size-r.tail <= uint64(len(r.data))
}

// Publish makes what was put visible to the consumer, and reports whether there
// was anything.
func (r *Ring) Publish() bool {
	if r.put == r.h.head {
		return false
	}
	atomic.StoreUint64(&r.h.head, r.put)
	return true
}
