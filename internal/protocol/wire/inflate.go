package wire

import (
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
)

// maxLeft is how many compressed bytes may be left of a chunk when all of its
// content has been had: the ends of blocks.
const maxLeft = 64

// inflater reads a stream of compressed chunks as one of plain chunks.
type inflater struct {
	src io.Reader
	max int

	raw  []byte // read, from used on not used yet
	used int
	data []byte // a chunk that comes in parts, so far
	feed feed   // what the decompressor reads
	zip  io.Reader
	room []byte // for a plain chunk
	out  []byte // of that, what has not been returned

	memory Account
	err    error
}

// Inflate makes the Reader decompress what follows: the peer has sent COMPRESS.
// A second time is an error.
func (r *Reader) Inflate() error {
	if _, already := r.src.(*inflater); already {
		return fmt.Errorf("%w: second COMPRESS", ErrFraming)
	}
	r.src = &inflater{
		src: r.src, max: r.max, raw: append([]byte(nil), r.buf[r.r:r.w]...),
		memory: Account{budget: r.memory.budget},
	}
	r.r, r.w = 0, 0
	return nil
}

func (f *inflater) release() {
	f.raw, f.data, f.feed.b, f.room, f.out = nil, nil, nil, nil, nil
	f.memory.Hold(0)
}

// hold accounts for what is there, and extra bytes.
func (f *inflater) hold(extra int) error {
	if !f.memory.Hold(cap(f.raw) + cap(f.data) + cap(f.feed.b) + cap(f.room) + extra) {
		return fmt.Errorf("%w: no memory is left for a compressed chunk of this size; other peers have it", ErrLimit)
	}
	return nil
}

func (f *inflater) Read(b []byte) (int, error) {
	for len(f.out) == 0 {
		if f.err != nil {
			return 0, f.err
		}
		chunk, err := f.chunk()
		if err != nil {
			return 0, err
		}
		if chunk != nil {
			f.err = f.plain(chunk)
		}
	}
	n := copy(b, f.out)
	f.out = f.out[n:]
	return n, nil
}

// chunk takes the next chunk, or nothing if that was only a part of it. It holds
// until the next call.
func (f *inflater) chunk() ([]byte, error) {
	if err := f.need(lengthSize); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(f.raw[f.used:])
	size, more := int(n&^partial), n&partial != 0
	if size > f.max+trailer-len(f.data) {
		f.err = fmt.Errorf("%w: compressed chunk of %d bytes, at most %d", ErrLimit, len(f.data)+size, f.max)
		return nil, f.err
	}
	if err := f.need(lengthSize + size); err != nil {
		return nil, err
	}
	chunk := f.raw[f.used+lengthSize:][:size]
	f.used += lengthSize + size
	if !more && len(f.data) == 0 {
		return chunk, nil
	}
	if f.err = f.hold(2 * (len(f.data) + size)); f.err != nil {
		return nil, f.err
	}
	f.data = append(f.data, chunk...)
	if more {
		return nil, nil
	}
	chunk, f.data = f.data, nil
	return chunk, nil
}

// need returns once n bytes lie unused in raw, which grows with what arrives.
func (f *inflater) need(n int) error {
	for len(f.raw)-f.used < n {
		if f.used > 0 {
			f.raw = f.raw[:copy(f.raw, f.raw[f.used:])]
			f.used = 0
		}
		if len(f.raw) == cap(f.raw) {
			size := max(readSize, min(2*cap(f.raw), n))
			if f.err = f.hold(size); f.err != nil {
				return f.err
			}
			grown := make([]byte, len(f.raw), size)
			copy(grown, f.raw)
			f.raw = grown
		}
		got, err := f.src.Read(f.raw[len(f.raw):cap(f.raw)])
		f.raw = f.raw[:len(f.raw)+got]
		if got > 0 {
			continue
		}
		if err == io.EOF && (len(f.raw) > 0 || len(f.data) > 0) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// plain decompresses a chunk to out, with its length before it.
func (f *inflater) plain(chunk []byte) error {
	n := len(chunk) - trailer
	if n < 0 {
		return fmt.Errorf("%w: compressed chunk of %d bytes", ErrFraming, len(chunk))
	}
	if cap(f.room) > keepSize {
		f.room = nil
	}
	size := uint64(binary.LittleEndian.Uint32(chunk[n:]))
	if size == 0 {
		f.room = append(binary.BigEndian.AppendUint32(f.room[:0], uint32(n)), chunk[:n]...)
		f.out = f.room
		return nil
	}
	if size > uint64(f.max) {
		return fmt.Errorf("%w: chunk of %d bytes when decompressed, at most %d", ErrLimit, size, f.max)
	}
	if err := f.hold(2*int(size) + n); err != nil {
		return err
	}
	return f.decompress(chunk[:n], int(size))
}

func (f *inflater) decompress(chunk []byte, size int) error {
	f.feed.b = append(f.feed.b, chunk...)
	if f.zip == nil {
		zip, err := zlib.NewReader(&f.feed)
		if err != nil {
			return fmt.Errorf("%w: decompressing: %w", ErrFraming, err)
		}
		f.zip = zip
	}
	var err error
	f.room, err = readGrowing(f.zip, binary.BigEndian.AppendUint32(f.room[:0], uint32(size)), size)
	if err != nil {
		return fmt.Errorf("%w: decompressing: %w", ErrFraming, err)
	}
	if len(f.feed.b) > maxLeft {
		return fmt.Errorf("%w: compressed chunk is longer than it says", ErrFraming)
	}
	if cap(f.feed.b) > keepSize {
		f.feed.b = append([]byte(nil), f.feed.b...)
	}
	f.out = f.room
	return nil
}

// readGrowing appends n bytes to dst, which grows with what there is.
func readGrowing(r io.Reader, dst []byte, n int) ([]byte, error) {
	for n > 0 {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		got, err := r.Read(dst[len(dst):min(cap(dst), len(dst)+n)])
		dst = dst[:len(dst)+got]
		n -= got
		if err != nil && n > 0 {
			return nil, err
		}
	}
	return dst, nil
}

// feed is what a decompressor reads, a byte at a time where it wants no more.
type feed struct{ b []byte }

var _ flate.Reader = (*feed)(nil) // or else zlib would read ahead

func (f *feed) Read(b []byte) (int, error) {
	if len(f.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, f.b)
	f.b = f.b[n:]
	return n, nil
}

func (f *feed) ReadByte() (byte, error) {
	if len(f.b) == 0 {
		return 0, io.EOF
	}
	c := f.b[0]
	f.b = f.b[1:]
	return c, nil
}
