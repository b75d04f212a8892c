package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// readSize is the buffer of a peer that says little.
	readSize = 4 << 10
	// busySize is the buffer for a peer that fills that one.
	busySize = 64 << 10
	// keepSize is the buffer that a Reader holds on to between messages.
	keepSize = 256 << 10
	// strangeMax is the longest first chunk that might still be a peculiar
	// Bro. Anything that begins with text or with a TLS record announces far
	// more when read as a length.
	strangeMax = 64
	// maxEmptyReads is how often a source may say "nothing, and no error".
	maxEmptyReads = 100
)

// Reader takes messages off a stream. It buffers: nothing else may read from
// the source.
//
// Where a header is due but a chunk is not 8 bytes long, that chunk is
// skipped, as libbroccoli does, but only once in a connection: a second time
// the stream is out of step. A message of a type unknown to Bro is returned
// without payload. If the chunk after it is not a header of a known type, it
// is taken for its payload and skipped; this too is what libbroccoli does,
// save that an 8-byte payload does not become a message.
type Reader struct {
	src  io.Reader
	max  int
	buf  []byte // buf[r:w] has been read and not consumed
	r, w int
	full bool // the source has filled it
	busy bool // it was of busySize before it was given back

	header  bool    // a header has been consumed, its payload has not
	typ     MsgType // of that header
	parts   []byte  // the payload so far when it comes in parts
	inParts bool
	started bool // something other than a strange chunk has been seen
	skipped bool // the one strange chunk has been used up
	unknown bool // the last message was of an unknown type
	skip    int  // bytes of a skipped chunk still to come
	chunks  uint64
	memory  Account
	err     error
}

// Waiter is a source that can wait until there is something to read, so that who has
// nothing to say for long takes no buffer meanwhile. Its errors are those of Read.
type Waiter interface{ Wait() error }

// NewReader returns a Reader of the messages in r.
func NewReader(r io.Reader, lim Limits) *Reader {
	return &Reader{src: r, max: lim.withDefaults().MaxChunk, memory: Account{budget: lim.Budget}}
}

// Release gives the memory of a Reader back, which is then of no use any more.
func (r *Reader) Release() {
	r.buf, r.parts, r.r, r.w = nil, nil, 0, 0
	r.memory.Hold(0)
	if f, ok := r.src.(*inflater); ok {
		f.release()
	}
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
}

// hold accounts for buffers of that many bytes.
func (r *Reader) hold(buf, parts int) error {
	if !r.memory.Hold(buf + parts) {
		return fmt.Errorf("%w: no memory is left for a %v of this size; other peers have it", ErrLimit, r.typ)
	}
	return nil
}

// Buffered returns the number of bytes that have been read from the source but
// not been returned: part of a message, or messages.
func (r *Reader) Buffered() int { return r.w - r.r + len(r.parts) }

// Begun reports whether a part of a message has been read, and the rest has not.
func (r *Reader) Begun() bool {
	if f, ok := r.src.(*inflater); ok && (len(f.raw) > f.used || len(f.data) > 0) {
		return true
	}
	return r.header || r.inParts && len(r.parts) > 0 || r.w > r.r || r.skip > 0
}

// Chunks returns how many chunks have been taken off the stream.
func (r *Reader) Chunks() uint64 { return r.chunks }

// Next returns the next message. The payload holds until the next call. The
// error is io.EOF only where the stream ends between messages.
//
// After an error of the source, a deadline for instance, Next may be called
// again and goes on where it was; errors in the stream itself are for good.
func (r *Reader) Next() (MsgType, []byte, error) {
	if r.err != nil {
		return 0, nil, r.err
	}
	t, payload, err := r.next()
	if err == nil {
		return t, payload, nil
	}
	if errors.Is(err, ErrFraming) || errors.Is(err, ErrLimit) || errors.Is(err, ErrNotBroccoli) {
		r.err = err
		r.Release()
	}
	return 0, nil, err
}

func (r *Reader) next() (MsgType, []byte, error) {
	if !r.header {
		if err := r.readHeader(); err != nil {
			return 0, nil, err
		}
		if !r.typ.HasPayload() {
			r.header = false
			return r.typ, nil, nil
		}
	}
	payload, err := r.readPayload()
	if err != nil {
		return 0, nil, err
	}
	r.header = false
	return r.typ, payload, nil
}

// readHeader consumes a header chunk, and what has to be skipped before it.
func (r *Reader) readHeader() error {
	if r.inParts { // the last payload came in parts, and is done with
		r.inParts, r.parts = false, r.parts[:0]
		if cap(r.parts) > keepSize {
			r.parts = nil
			_ = r.hold(len(r.buf), 0)
		}
	}
	for {
		if err := r.discard(); err != nil {
			return err
		}
		if err := r.need(lengthSize); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(r.buf[r.r:])
		if n != headerSize {
			if err := r.strange(n); err != nil {
				return err
			}
			continue
		}
		if err := r.need(lengthSize + headerSize); err != nil {
			return err
		}
		t := MsgType(r.buf[r.r+lengthSize])
		r.r += lengthSize + headerSize
		r.chunks++
		if !r.started && !t.Known() {
			return fmt.Errorf("%w: it begins with a message of %v", ErrNotBroccoli, t)
		}
		if r.unknown && !t.Known() {
			r.unknown = false
			continue
		}
		r.started, r.unknown = true, !t.Known()
		r.header, r.typ = true, t
		return nil
	}
}

// strange decides about a chunk of n bytes where a header was due, and
// arranges for it to be skipped if it may be.
func (r *Reader) strange(n uint32) error {
	switch {
	case !r.started && n > strangeMax:
		return fmt.Errorf("%w: it begins with % x (%q)", ErrNotBroccoli,
			r.buf[r.r:r.r+lengthSize], r.buf[r.r:r.r+lengthSize])
	case uint64(n) > uint64(r.max):
		return fmt.Errorf("%w: chunk of %d bytes where a header was due, at most %d",
			ErrFraming, n, r.max)
	case r.unknown:
		r.unknown = false
	case !r.skipped:
		r.skipped = true
	default:
		return fmt.Errorf("%w: second chunk of %d bytes where a header was due", ErrFraming, n)
	}
	r.skip = lengthSize + int(n)
	r.chunks++
	return nil
}

// discard drops the rest of a skipped chunk, without holding it.
func (r *Reader) discard() error {
	for r.skip > 0 {
		if r.r == r.w {
			if err := r.need(1); err != nil {
				return err
			}
		}
		n := min(r.skip, r.w-r.r)
		r.r += n
		r.skip -= n
	}
	return nil
}

// readPayload consumes a payload chunk, or the parts of one.
func (r *Reader) readPayload() ([]byte, error) {
	for {
		if err := r.need(lengthSize); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(r.buf[r.r:])
		size, more := int(n&^partial), n&partial != 0
		if size > r.max-len(r.parts) {
			return nil, fmt.Errorf("%w: %v of %d bytes, at most %d",
				ErrLimit, r.typ, len(r.parts)+size, r.max)
		}
		if more && size == 0 {
			return nil, fmt.Errorf("%w: empty part of a %v", ErrFraming, r.typ)
		}
		if err := r.need(lengthSize + size); err != nil {
			return nil, err
		}
		chunk := r.buf[r.r+lengthSize : r.r+lengthSize+size : r.r+lengthSize+size]
		r.r += lengthSize + size
		r.chunks++
		if !more && !r.inParts {
			return chunk, nil
		}
		if err := r.growParts(size); err != nil {
			return nil, err
		}
		r.inParts = true
		r.parts = append(r.parts, chunk...)
		if !more {
			return r.parts, nil
		}
	}
}

// growParts makes room for n more bytes of a payload that comes in parts.
func (r *Reader) growParts(n int) error {
	if len(r.parts)+n <= cap(r.parts) {
		return nil
	}
	grown := min(max(2*cap(r.parts), len(r.parts)+n), r.max)
	if err := r.hold(len(r.buf), cap(r.parts)+grown); err != nil { // both, for a moment
		return err
	}
	r.parts = append(make([]byte, 0, grown), r.parts...)
	return r.hold(len(r.buf), cap(r.parts))
}

// need returns once n bytes lie in buf[r:w]. The buffer grows with what has
// arrived, not with n.
func (r *Reader) need(n int) error {
	for empty := 0; r.w-r.r < n; {
		if err := r.wait(); err != nil {
			return err
		}
		if err := r.makeRoom(n); err != nil {
			return err
		}
		got, err := r.src.Read(r.buf[r.w:])
		r.full = got == len(r.buf)-r.w
		if got < 0 || got > len(r.buf)-r.w {
			return fmt.Errorf("%w: the source says it has read %d bytes", ErrFraming, got)
		}
		r.w += got
		if got > 0 {
			empty = 0
			continue // an error that came along comes again
		}
		if err == io.EOF {
			return r.eof(n)
		}
		if err != nil {
			return err
		}
		if empty++; empty == maxEmptyReads {
			return io.ErrNoProgress
		}
	}
	return nil
}

// wait waits for the source without a buffer, unless it seems to have more at once.
func (r *Reader) wait() error {
	source, ok := r.src.(Waiter)
	if !ok || r.r < r.w || r.full {
		return nil
	}
	r.busy = len(r.buf) == busySize
	r.memory.budget.reuse(r.buf)
	r.buf, r.r, r.w = nil, 0, 0
	if err := r.hold(0, cap(r.parts)); err != nil {
		return err
	}
	return source.Wait()
}

// eof tells the end of the stream from its being cut off.
func (r *Reader) eof(n int) error {
	if !r.header && r.w == r.r && r.skip == 0 {
		return io.EOF
	}
	where := "a header chunk"
	if r.header {
		where = "a " + r.typ.String()
	}
	return fmt.Errorf("stream ends in %s, %d of %d bytes: %w", where, r.w-r.r, n, io.ErrUnexpectedEOF)
}

// makeRoom makes sure that there is room after w, on the way to n bytes.
func (r *Reader) makeRoom(n int) error {
	if r.r == r.w {
		r.r, r.w = 0, 0
		if len(r.buf) > keepSize && n <= keepSize {
			r.buf = nil
		}
	}
	if len(r.buf)-r.w >= len(r.buf)/2 && len(r.buf)-r.r >= n {
		return nil
	}
	if r.r > 0 && n <= len(r.buf) { // little is left of what was read: its end
		if r.full && len(r.buf) < busySize && r.grow(busySize) == nil {
			return nil
		}
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
		return nil
	}
	if r.w < len(r.buf) {
		return nil // n is more than fits, but first things first
	}
	least := readSize
	if r.busy {
		least = busySize
	}
	// Twice what is there, but not more than is asked for.
	return r.grow(max(least, min(2*len(r.buf), n)))
}

// grow moves what is there to a buffer of that size.
func (r *Reader) grow(size int) error {
	if err := r.hold(len(r.buf)+size, cap(r.parts)); err != nil { // both, for a moment
		return err
	}
	grown := r.memory.budget.buffer(size)
	r.w = copy(grown, r.buf[r.r:r.w])
	r.memory.budget.reuse(r.buf)
	r.r, r.buf = 0, grown
	return r.hold(len(r.buf), cap(r.parts))
}
