package websocket

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// A message is built in place, as one frame: Broker up to 2.5 misreads those
// of several. Room for a header of the usual length is left in front.
const usualHeader = 2 + 2 + 4

// beginFrame leaves room for a header.
func beginFrame(b []byte) []byte {
	return append(b, make([]byte, usualHeader)...)
}

// endFrame puts the header in front of the payload that stands behind it, and
// masks the payload if we are the client.
func endFrame(b []byte, start int, op ws.OpCode, state ws.State) []byte {
	size := len(b) - start - usualHeader
	header, masked := make([]byte, 0, ws.MaxHeaderSize), state.ClientSide()
	header = append(header, 0x80|byte(op), 0)
	switch {
	case size < 126:
		header[1] = byte(size)
	case size < 1<<16:
		header[1] = 126
		header = binary.BigEndian.AppendUint16(header, uint16(size))
	default:
		header[1] = 127
		header = binary.BigEndian.AppendUint64(header, uint64(size))
	}
	var mask [4]byte
	if masked {
		mask = ws.NewMask()
		header[1] |= 0x80
		header = append(header, mask[:]...)
	}
	if move := len(header) - usualHeader; move > 0 {
		b = append(b, make([]byte, move)...)
		copy(b[start+len(header):], b[start+usualHeader:len(b)-move])
	} else if move < 0 {
		copy(b[start+len(header):], b[start+usualHeader:])
		b = b[:len(b)+move]
	}
	copy(b[start:], header)
	if masked {
		ws.Cipher(b[start+len(header):], mask, 0)
	}
	return b
}

// holdsFrame reports whether b begins with a whole frame that is the last of its
// message.
func holdsFrame(b []byte) bool {
	_, _, whole := frameAt(b)
	return whole && b[0]&0x80 != 0
}

// frameAt returns the sizes of the header and the payload of the frame that b
// begins with; false: it is not whole.
func frameAt(b []byte) (header, payload int, ok bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	header, size := 2, uint64(b[1]&0x7f)
	switch {
	case size == 126 && len(b) >= 4:
		header, size = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case size == 127 && len(b) >= 10:
		header, size = 10, binary.BigEndian.Uint64(b[2:])
	case size >= 126:
		return 0, 0, false
	}
	if b[1]&0x80 != 0 {
		header += 4
	}
	if len(b) < header || size > uint64(len(b)-header) {
		return 0, 0, false
	}
	return header, int(size), true
}

// pad makes the JSON that was begun at start fill a frame of at least size bytes.
func pad(b []byte, start, size int) []byte {
	const blanks = "                                                                "
	for missing := size - (len(b) - start); missing > 0; missing -= len(blanks) {
		b = append(b, blanks[:min(missing, len(blanks))]...)
	}
	return b
}
