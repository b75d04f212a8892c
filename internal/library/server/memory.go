package server

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/library/core"
	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/library/spool"
)

// mapped is what a host shares with us of one connection.
type mapped struct {
	core.Memory
	bytes []byte
}

const (
	outMax       = 1 << 30
	spoolFile    = 2 * 4096 // of a spool whose ring is not in it
	seals        = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
	farRingsSize = 2 * shared.FarRingBytes
)

var errMemory = errors.New("the memory of the host does not hold together")

// mapLink maps what a host shares: sealed memory, and the file that tells of its spool, if that
// is not nil.
func mapLink(memory, spoolRing *os.File) (*mapped, error) {
	b, err := mapSealed(memory)
	if err != nil {
		return nil, err
	}
	m := &mapped{bytes: b}
	l := (*shared.Link)(unsafe.Pointer(&b[0]))
	near := b[:len(b)-farRingsSize]
	m.Link, m.Alien, m.Keep = l, true, true
	m.In = ring.NewAlien(&l.In, near[shared.AtIn:shared.AtOut])
	far := b[len(near):]
	m.Far = newFarRings(l, far[:shared.FarRingBytes], far[shared.FarRingBytes:])
	err = m.mapOut(near[shared.AtOut:])
	if err == nil && spoolRing != nil {
		err = m.readSpool(spoolRing)
	}
	if err == nil && (!m.Out.Sound() || !m.In.Sound()) {
		err = fmt.Errorf("%w: the ends of its rings", errMemory)
	}
	if err != nil {
		m.unmap()
		return nil, err
	}
	return m, nil
}

func powerOfTwo(n int) bool { return n > 0 && n&(n-1) == 0 }

// mapSealed maps memory whose size nobody can change: what is mapped stays there.
func mapSealed(f *os.File) ([]byte, error) {
	fd := number(f)
	has, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || has&seals != seals {
		return nil, fmt.Errorf("%w: it is not sealed", errMemory)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("looking at the memory of the host: %w", err)
	}
	if n := info.Size(); n < shared.AtOut+farRingsSize || n > shared.AtOut+farRingsSize+outMax {
		return nil, fmt.Errorf("%w: %d bytes", errMemory, n)
	}
	b, err := unix.Mmap(fd, 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the memory of the host: %w", err)
	}
	return b, nil
}

func (m *mapped) mapOut(b []byte) error {
	if !powerOfTwo(len(b)) || len(b) < shared.RingBytes {
		return fmt.Errorf("%w: a ring of %d bytes", errMemory, len(b))
	}
	m.Out = ring.NewAlien(&m.Link.Out, b)
	return nil
}

// readSpool reads the file that tells of a spool, and has it say what is confirmed. It is not
// mapped: the host can shorten it.
func (m *mapped) readSpool(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("looking at the spool: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() != spoolFile {
		return fmt.Errorf("%w: a spool of %d bytes", errMemory, info.Size())
	}
	m.Spool = new(spool.Header)
	b := unsafe.Slice((*byte)(unsafe.Pointer(m.Spool)), unsafe.Sizeof(*m.Spool))
	if _, err := f.ReadAt(b, 0); err != nil {
		return fmt.Errorf("reading the spool: %w", err)
	}
	m.Confirmed = func(n uint64) { _, _ = f.WriteAt(native.AppendUint64(nil, n), spool.ConfirmedAt) }
	return nil
}

// unmap is for when the core touches it no more.
func (m *mapped) unmap() {
	_ = unix.Munmap(m.bytes)
}

// --- Large records ----------------------------------------------------------------------------

// farRings is how large records travel between two processes.
type farRings struct {
	out, in  []byte
	outTail  *ring.Header
	inHeader *ring.Header
	put      uint64 // where the next one goes
	buf      []byte
}

func newFarRings(l *shared.Link, out, in []byte) *farRings {
	f := &farRings{out: out, in: in, outTail: &l.FarOut, inHeader: &l.FarIn}
	f.put = f.inHeader.Head()
	return f
}

var errFar = errors.New("a large record of the host does not hold together")

// Get returns a copy: the host may go on writing there.
func (f *farRings) Get(at, size uint64) ([]byte, error) {
	off := at & (shared.FarRingBytes - 1)
	if at%8 != 0 || size < ring.RecordHeader || size > shared.EventMax+shared.NearMax || off+size > shared.FarRingBytes {
		return nil, fmt.Errorf("%w: %d bytes at %d", errFar, size, at)
	}
	f.buf = append(f.buf[:0], f.out[off:off+size]...)
	rec := f.buf
	if cap(f.buf) > 4*shared.NearMax {
		f.buf = nil // not kept for the next one
	}
	return rec, nil
}

// Free gives the room back to the host, and its pages to the system.
func (f *farRings) Free(at, size uint64) {
	off := at & (shared.FarRingBytes - 1)
	if size > shared.FarRingBytes || off+size > shared.FarRingBytes {
		return
	}
	giveBack(f.out, off, size)
	f.outTail.SetTail(at + size)
}

const page = 4096

// giveBack lets go of the pages that nothing else is in.
func giveBack(b []byte, off, size uint64) {
	begin, end := (off+page-1)&^(page-1), (off+size)&^(page-1)
	if begin < end {
		_ = unix.Madvise(b[begin:end], unix.MADV_REMOVE)
	}
}

// Put copies a record to where the host reads it.
func (f *farRings) Put(rec []byte) (uint64, bool) {
	size := uint64(len(rec))
	used := f.put - f.inHeader.Tail()
	skip := uint64(0)
	if toEnd := shared.FarRingBytes - f.put&(shared.FarRingBytes-1); toEnd < size {
		skip = toEnd
	}
	if used > shared.FarRingBytes || shared.FarRingBytes-used < skip+size {
		return 0, false
	}
	at := f.put + skip
	copy(f.in[at&(shared.FarRingBytes-1):], rec)
	f.put = at + size
	f.inHeader.SetHead(f.put)
	return at, true
}

// Back takes the last one back.
func (f *farRings) Back(at, _ uint64) {
	f.put = at
	f.inHeader.SetHead(at)
}
