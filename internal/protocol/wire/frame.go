package wire

import "encoding/binary"

const (
	lengthSize = 4
	headerSize = 8
	// partial marks the length of a chunk that the next one continues.
	partial = 1 << 31
	// maxPart is the most that Bro puts into, and takes from, one chunk of a
	// cleartext connection: its buffer of 1 MiB holds the length too. A longer
	// chunk that is not split would stall it for ever.
	maxPart = 1<<20 - lengthSize
)

// Chunks returns how many chunks there are in encoded messages.
func Chunks(messages []byte) (n int) {
	for len(messages) >= lengthSize {
		size := int(binary.BigEndian.Uint32(messages) &^ partial)
		messages = messages[min(lengthSize+size, len(messages)):]
		n++
	}
	return n
}

// AppendMessage appends a message: a header chunk and, for the types that
// have one, a payload chunk, split where Bro would split it. Bro cannot take
// an empty chunk, so nothing is appended when the type asks for a payload and
// there is none.
//
// Only cleartext connections split. Over TLS use an Encoder with Whole set.
func AppendMessage(dst []byte, t MsgType, payload []byte) []byte {
	return appendMessage(dst, t, payload, false)
}

func appendMessage(dst []byte, t MsgType, payload []byte, whole bool) []byte {
	if !t.HasPayload() {
		return appendHeader(dst, t)
	}
	if len(payload) == 0 {
		return dst
	}
	dst = appendHeader(dst, t)
	for !whole && len(payload) > maxPart {
		dst = binary.BigEndian.AppendUint32(dst, partial|maxPart)
		dst = append(dst, payload[:maxPart]...)
		payload = payload[maxPart:]
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return append(dst, payload...)
}

// appendHeader appends the header chunk. Padding and peer id are zero, as
// libbroccoli has them.
func appendHeader(dst []byte, t MsgType) []byte {
	return append(dst, 0, 0, 0, headerSize, byte(t), 0, 0, 0, 0, 0, 0, 0)
}

// beginPayload leaves room for the length of a payload that is appended next;
// endPayload fills it in, and splits the payload when it turned out too long.
func beginPayload(dst []byte) (out []byte, at int) {
	return append(dst, 0, 0, 0, 0), len(dst)
}

func endPayload(dst []byte, at int, whole bool) []byte {
	n := len(dst) - at - lengthSize
	if whole || n <= maxPart {
		binary.BigEndian.PutUint32(dst[at:], uint32(n))
		return dst
	}
	// Move the parts apart from the last one on, to make room for a length
	// in front of each.
	extra := (n - 1) / maxPart
	dst = append(dst, make([]byte, extra*lengthSize)...)
	for i := extra; i >= 0; i-- {
		from, size, flag := at+lengthSize+i*maxPart, maxPart, uint32(partial)
		if i == extra {
			size, flag = n-i*maxPart, 0
		}
		to := from + i*lengthSize
		copy(dst[to:to+size], dst[from:from+size])
		binary.BigEndian.PutUint32(dst[to-lengthSize:], flag|uint32(size))
	}
	return dst
}
