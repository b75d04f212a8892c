package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
)

// ErrDamaged says that a batch is not what was written.
var ErrDamaged = errors.New("spool: batch is damaged")

// checksum makes its tables at the first call: of those who connect, few have
// a spool.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// batchHeader is the checksum, the number of the batch, and its tail.
const batchHeader = 4 + 8 + 8

// Batch is some events that are written and confirmed together. The zero value
// is empty.
type Batch struct {
	// Tail is the place in the ring behind the last record of the batch.
	Tail  uint64
	items []byte
}

// Add appends an event, as the payload of a message. always says that it is
// sent even to a peer that has not asked for it.
func (b *Batch) Add(payload []byte, always bool) {
	n := uint64(len(payload)) << 1
	if always {
		n |= 1
	}
	b.items = append(binary.AppendUvarint(b.items, n), payload...)
}

// Size returns how many bytes the events take.
func (b *Batch) Size() int { return len(b.items) }

// Reset makes the batch empty.
func (b *Batch) Reset() { b.Tail, b.items = 0, b.items[:0] }

// Clone returns a copy.
func (b *Batch) Clone() *Batch { return &Batch{b.Tail, bytes.Clone(b.items)} }

// Items yields the events, with the always of each. They alias the batch.
func (b *Batch) Items() iter.Seq2[[]byte, bool] {
	return func(yield func([]byte, bool) bool) {
		for rest := b.items; len(rest) > 0; {
			n, used := binary.Uvarint(rest)
			if used <= 0 || n>>1 > uint64(len(rest)-used) {
				return
			}
			end := used + int(n>>1)
			if !yield(rest[used:end:end], n&1 == 1) {
				return
			}
			rest = rest[end:]
		}
	}
}

// append appends the batch as number index of a log.
func (b *Batch) append(dst []byte, index uint64) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, index)
	dst = binary.BigEndian.AppendUint64(dst, b.Tail)
	dst = append(dst, b.items...)
	binary.BigEndian.PutUint32(dst[at:], checksum(dst[at+4:]))
	return dst
}

// decode reads what append has made. The batch aliases data.
func (b *Batch) decode(data []byte, index uint64) error {
	if len(data) < batchHeader || binary.BigEndian.Uint32(data) != checksum(data[4:]) ||
		binary.BigEndian.Uint64(data[4:]) != index {
		return ErrDamaged
	}
	b.Tail = binary.BigEndian.Uint64(data[12:])
	b.items = data[batchHeader:]
	return nil
}
