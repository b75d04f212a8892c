package wire

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
)

// A side that has sent COMPRESS compresses every chunk that follows: all of
// them form one zlib stream, which is flushed behind each. Behind the compressed
// bytes stands the length of what they were, in the order of the processor
// (which we take to be a little-endian one on both sides), or 0 when the chunk
// is as it was.
const (
	// MaxCompression is the highest level.
	MaxCompression = 9
	// DeflaterSize is roughly the memory that a Deflater takes.
	DeflaterSize = 1200 << 10

	minDeflate = 30 // shorter chunks stay as they are
	trailer    = 4
)

// Deflater compresses what one side sends.
type Deflater struct {
	whole bool
	zip   *zlib.Writer
	out   bytes.Buffer
	chunk []byte // one that comes in parts
}

// NewDeflater returns a Deflater of a level from 1 to MaxCompression. whole is
// as in Encoder.
func NewDeflater(level int, whole bool) (*Deflater, error) {
	d := &Deflater{whole: whole}
	var err error
	if d.zip, err = zlib.NewWriterLevel(&d.out, level); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return d, nil
}

// Append appends messages, which are whole ones, in their compressed form.
func (d *Deflater) Append(dst, messages []byte) []byte {
	for len(messages) >= lengthSize {
		n := binary.BigEndian.Uint32(messages)
		size := int(n &^ partial)
		part := messages[lengthSize : lengthSize+size]
		messages = messages[lengthSize+size:]
		if n&partial != 0 {
			d.chunk = append(d.chunk, part...)
			continue
		}
		if len(d.chunk) > 0 {
			part = append(d.chunk, part...)
			d.chunk = nil
		}
		dst = d.appendChunk(dst, part)
	}
	return dst
}

func (d *Deflater) appendChunk(dst, chunk []byte) []byte {
	dst, at := beginPayload(dst)
	if len(chunk) < minDeflate {
		dst = append(append(dst, chunk...), 0, 0, 0, 0)
		return endPayload(dst, at, d.whole)
	}
	d.out.Reset()
	_, _ = d.zip.Write(chunk) // into memory, which does not fail
	_ = d.zip.Flush()
	dst = append(dst, d.out.Bytes()...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(chunk)))
	if d.out.Cap() > keepSize {
		d.out = bytes.Buffer{}
	}
	return endPayload(dst, at, d.whole)
}
