// Package ring is the Go end of the rings that carry records between host and
// core (capi/link.h has the layout and the rules, capi/ring.c the C end). A
// ring has one producer and one consumer, in different threads of one process.
// It imports nothing of this project.
package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Header is struct link_ring.
type Header struct {
	head uint64
	_    [7]uint64
	tail uint64
	_    [7]uint64
	Size uint64
	Data unsafe.Pointer
	_    [6]uint64
}

// RecordHeader is the size of struct link_record: what every record starts with.
const RecordHeader = 8

const kindSkip = 0

// ErrCorrupt says that a record does not hold together. Both ends are in one
// process: somebody wrote over the ring.
var ErrCorrupt = errors.New("ring: record does not hold together")

// Ring is one end of a ring, either the producer's or the consumer's.
type Ring struct {
	h    *Header
	data []byte
	mask uint64
}

// New returns a view of the ring that h describes. h.Size is a power of two.
func New(h *Header) *Ring {
	return &Ring{
		h:    h,
		data: unsafe.Slice((*byte)(h.Data), h.Size),
		mask: h.Size - 1,
	}
}

// Head returns how many bytes have been produced since the beginning.
func (r *Ring) Head() uint64 { return atomic.LoadUint64(&r.h.head) }

// Tail returns how many bytes have been consumed since the beginning.
func (r *Ring) Tail() uint64 { return atomic.LoadUint64(&r.h.tail) }

// Empty reports whether there is nothing to consume.
func (r *Ring) Empty() bool { return r.Head() == r.Tail() }

// Next returns the record at pos, with its header, and the position behind
// it. It returns nil when there is none before head. The record holds until
// Release moves past it.
func (r *Ring) Next(pos, head uint64) (rec []byte, next uint64, err error) {
	for pos < head {
		off := pos & r.mask
		size := uint64(binary.NativeEndian.Uint32(r.data[off:]))
		if size < RecordHeader || size%8 != 0 || off+size > uint64(len(r.data)) || pos+size > head {
			return nil, pos, fmt.Errorf("%w: size %d at %d, head %d", ErrCorrupt, size, pos, head)
		}
		if Kind(r.data[off:]) != kindSkip {
			return r.data[off : off+size : off+size], pos + size, nil
		}
		pos += size
	}
	return nil, pos, nil
}

// Kind returns the kind of a record.
func Kind(rec []byte) uint32 { return binary.NativeEndian.Uint32(rec[4:]) }

// Release gives everything before pos back to the producer.
func (r *Ring) Release(pos uint64) { atomic.StoreUint64(&r.h.tail, pos) }

// Put copies a record into the ring. It reports false, and changes nothing,
// when there is no room for it now. The record is a multiple of 8 bytes and at
// most half the ring.
func (r *Ring) Put(rec []byte) bool {
	size := uint64(len(rec))
	head := r.h.head
	off := head & r.mask
	free := uint64(len(r.data)) - (head - r.Tail())
	if toEnd := uint64(len(r.data)) - off; toEnd < size {
		if free < toEnd+size {
			return false
		}
		binary.NativeEndian.PutUint32(r.data[off:], uint32(toEnd))
		binary.NativeEndian.PutUint32(r.data[off+4:], kindSkip)
		head += toEnd
		off = 0
	} else if free < size {
		return false
	}
	copy(r.data[off:], rec)
	atomic.StoreUint64(&r.h.head, head+size)
	return true
}
