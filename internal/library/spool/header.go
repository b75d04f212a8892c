package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
)

// Header is struct link_spool, with which the file of a ring begins.
type Header struct {
	Magic     [8]byte
	Layout    uint32
	PID       uint32
	RingSize  uint64
	confirmed uint64
	Boot      [40]byte
	Peer      [320]byte
	Class     [256]byte
	Ring      ring.Header
	_         [8]uint64
}

const (
	magic      = "BroSpool" // LINK_SPOOL_MAGIC
	layout     = 1          // LINK_SPOOL_LAYOUT
	headerRoom = 4096       // LINK_SPOOL_DATA
	maxRing    = 1 << 30
)

// Confirmed returns the number of the last batch that the peer has confirmed.
// It is in the file, and so it survives the process with the log.
func (h *Header) Confirmed() uint64 { return atomic.LoadUint64(&h.confirmed) }

// ConfirmedAt is where it is in the file.
const ConfirmedAt = int64(unsafe.Offsetof(Header{}.confirmed))

func (h *Header) confirm(n uint64) { atomic.StoreUint64(&h.confirmed, n) }

// errForeign says that a folder is not one of ours.
var errForeign = errors.New("not of this version of the spool")

// matches reports whether the header is whole, and of that peer and class.
func (h *Header) matches(peer, class string) (bool, error) {
	if string(h.Magic[:]) != magic || h.Layout != layout ||
		h.RingSize == 0 || h.RingSize > maxRing || h.RingSize&(h.RingSize-1) != 0 {
		return false, errForeign
	}
	return text(h.Peer[:]) == peer && text(h.Class[:]) == class, nil
}

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// peek reads a header from the file of a ring.
func peek(path string) (*Header, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Bytes, since what is an address in another process is none here.
	b := make([]byte, headerRoom)
	_, err = f.ReadAt(b, 0)
	return (*Header)(unsafe.Pointer(&b[0])), err
}

// mapping is a file of a ring in memory, shared with nobody: it is locked.
type mapping struct {
	bytes  []byte
	header *Header
}

func mapFile(path string) (*mapping, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < headerRoom || info.Size() > headerRoom+maxRing {
		return nil, errForeign
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping: %w", err)
	}
	m := &mapping{b, (*Header)(unsafe.Pointer(&b[0]))}
	if m.header.RingSize != uint64(len(b)-headerRoom) {
		m.close()
		return nil, errForeign
	}
	return m, nil
}

// ring returns what was left in the ring, or nil when that is not to be trusted.
func (m *mapping) ring() *ring.Ring {
	r := ring.New(&m.header.Ring, m.bytes[headerRoom:])
	if !r.Sound() {
		return nil
	}
	return r
}

func (m *mapping) close() { _ = unix.Munmap(m.bytes) }

// boot names the run of the machine, as capi/spool.c has it.
func boot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}
