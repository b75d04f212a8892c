package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func chunk(b string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func header(t MsgType) []byte { return appendHeader(nil, t) }

// readAll returns the messages of a stream and the error that ended it.
func readAll(r *Reader) (out []message, err error) {
	for {
		typ, payload, err := r.Next()
		if err != nil {
			return out, err
		}
		out = append(out, message{typ, bytes.Clone(payload)})
	}
}

func TestReaderTakesAnySplitOfTheStream(t *testing.T) {
	for _, folder := range recordings {
		stream := recording(t, folder, "server.bin")
		want := messages(t, stream)
		for name, src := range map[string]io.Reader{
			"bytes":  iotest.OneByteReader(bytes.NewReader(stream)),
			"halves": iotest.HalfReader(bytes.NewReader(stream)),
			"eof":    iotest.DataErrReader(bytes.NewReader(stream)),
		} {
			got, err := readAll(NewReader(src, DefaultLimits()))
			assert.Equal(t, io.EOF, err, name)
			assert.Equal(t, want, got, name)
		}
	}
}

func TestReaderKnowsTruncation(t *testing.T) {
	for _, folder := range recordings {
		for _, file := range []string{"client.bin", "server.bin"} {
			stream := recording(t, folder, file)
			whole := map[int]bool{0: true}
			r := NewReader(bytes.NewReader(stream), DefaultLimits())
			for end := 0; ; {
				typ, payload, err := r.Next()
				if err != nil {
					break
				}
				end += lengthSize + headerSize
				if typ.HasPayload() {
					end += lengthSize + len(payload)
				}
				whole[end] = true
			}
			for n := range stream {
				_, err := readAll(NewReader(bytes.NewReader(stream[:n]), DefaultLimits()))
				if whole[n] {
					assert.Equal(t, io.EOF, err)
				} else {
					assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
				}
			}
		}
	}
}

func TestReaderGoesOnAfterADeadline(t *testing.T) {
	stream := recording(t, "compound", "server.bin")
	r := NewReader(&flaky{src: iotest.OneByteReader(bytes.NewReader(stream))}, DefaultLimits())
	var got []message
	for {
		typ, payload, err := r.Next()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			require.Equal(t, io.EOF, err)
			break
		}
		got = append(got, message{typ, bytes.Clone(payload)})
	}
	assert.Equal(t, messages(t, stream), got)
}

// flaky fails every other time.
type flaky struct {
	src io.Reader
	bad bool
}

func (f *flaky) Read(p []byte) (int, error) {
	if f.bad = !f.bad; f.bad {
		return 0, os.ErrDeadlineExceeded
	}
	return f.src.Read(p)
}

func TestReaderRefuses(t *testing.T) {
	version := (&Version{Protocol: ProtocolVersion}).AppendTo(nil)
	long := make([]byte, strangeMax+1)
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"HTTP server":          {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), ErrNotBroccoli},
		"SSH server":           {[]byte("SSH-2.0-OpenSSH_9.6\r\n"), ErrNotBroccoli},
		"TLS alert":            {[]byte{0x15, 3, 3, 0, 2, 2, 40}, ErrNotBroccoli},
		"TLS hello":            {[]byte{0x16, 3, 1, 2, 0, 1, 0}, ErrNotBroccoli},
		"zeek websocket":       {[]byte("GET /v1/messages/json HTTP/1.1\r\n"), ErrNotBroccoli},
		"long first chunk":     {chunk(string(long)), ErrNotBroccoli},
		"unknown first type":   {header(99), ErrNotBroccoli},
		"zeros":                {make([]byte, 1<<20), ErrFraming},
		"two strange chunks":   {join(chunk("abc"), chunk("def"), version), ErrFraming},
		"partial header":       {[]byte{0x80, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0}, ErrNotBroccoli},
		"partial header later": {join(version, []byte{0x80, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0}), ErrFraming},
		"4 GiB":                {join(version, header(MsgSerial), []byte{0xff, 0xff, 0xff, 0xff}), ErrLimit},
		"2 GiB":                {join(version, header(MsgSerial), []byte{0x7f, 0xff, 0xff, 0xff}), ErrLimit},
		"above the limit":      {join(version, header(MsgSerial), []byte{1, 0, 0, 1}), ErrLimit},
		"4 GiB for a header":   {join(version, []byte{0xff, 0xff, 0xff, 0xff}), ErrFraming},
		"empty parts":          {join(version, header(MsgSerial), []byte{0x80, 0, 0, 0}), ErrFraming},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(bytes.NewReader(c.stream), DefaultLimits())
			_, err := readAll(r)
			assert.ErrorIs(t, err, c.want)
			_, _, again := r.Next()
			assert.Equal(t, err, again, "the error is for good")
		})
	}
}

func TestReaderSkips(t *testing.T) {
	done := message{typ: MsgPhaseDone}
	caps := (&Caps{Flags: 1}).AppendTo(nil)
	version := (&Version{Protocol: ProtocolVersion}).AppendTo(nil)
	first := messages(t, version)[0]
	for name, c := range map[string]struct {
		stream []byte
		want   []message
	}{
		"one strange chunk at first": {join(chunk("odd"), header(MsgPhaseDone)), []message{done}},
		"one empty chunk":            {join(chunk(""), header(MsgPhaseDone)), []message{done}},
		"one strange chunk later":    {join(version, chunk(strings.Repeat("x", 100000)), header(MsgPhaseDone)), []message{first, done}},
		"unknown type without payload": {join(version, header(77), header(MsgPhaseDone)),
			[]message{first, {typ: 77}, done}},
		"unknown types with payload": {join(version, header(26), chunk("payload"), header(255), chunk(""), caps),
			[]message{first, {typ: 26}, {typ: 255}, messages(t, caps)[0]}},
		"unknown type, payload of 8 bytes": {join(version, header(200), chunk("\xc8payload"), header(MsgPhaseDone)),
			[]message{first, {typ: 200}, done}},
		"type that jumps": {join(version, header(MsgRequestLogs), header(MsgPhaseDone)),
			[]message{first, {typ: MsgRequestLogs}, done}},
		"empty payload": {join(version, header(MsgRequest), chunk(""), header(MsgPhaseDone)),
			[]message{first, {typ: MsgRequest, payload: []byte{}}, done}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(NewReader(bytes.NewReader(c.stream), DefaultLimits()))
			assert.Equal(t, io.EOF, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestLongPayloadsGoInParts(t *testing.T) {
	for _, size := range []int{1, maxPart - 1, maxPart, maxPart + 1, 2 * maxPart, 2*maxPart + 1, 5 << 20} {
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = byte(i >> 10)
		}
		payload[0] = SerialEvent
		msg := AppendMessage(nil, MsgSerial, payload)
		assert.Equal(t, msg, AppendRawEvent(nil, payload[1:]), "a raw event goes in the same parts")
		parts := 0
		for rest := msg[lengthSize+headerSize:]; len(rest) > 0; parts++ {
			n := binary.BigEndian.Uint32(rest)
			assert.LessOrEqual(t, n&^partial, uint32(maxPart))
			rest = rest[lengthSize+n&^partial:]
			assert.Equal(t, len(rest) > 0, n&partial != 0)
		}
		assert.Equal(t, (size+maxPart-1)/maxPart, parts)
		got, err := readAll(NewReader(bytes.NewReader(join(msg, msg)), DefaultLimits()))
		assert.Equal(t, io.EOF, err)
		require.Len(t, got, 2)
		for _, m := range got {
			assert.True(t, bytes.Equal(payload, m.payload))
		}
		whole := Encoder{Whole: true}
		assert.Len(t, whole.AppendMessage(nil, MsgSerial, payload), lengthSize+headerSize+lengthSize+size)
		assert.Len(t, whole.AppendRawEvent(nil, payload[1:]), lengthSize+headerSize+lengthSize+size)
	}
	parts := AppendMessage(nil, MsgSerial, make([]byte, 5<<20))
	_, err := readAll(NewReader(bytes.NewReader(parts), Limits{MaxChunk: 4 << 20}))
	assert.ErrorIs(t, err, ErrLimit)
}

func TestBuffered(t *testing.T) {
	msg := (&Caps{Flags: 1}).AppendTo(nil)
	r := NewReader(bytes.NewReader(join(msg, msg, msg[:5])), DefaultLimits())
	assert.Zero(t, r.Buffered())
	for _, want := range []int{len(msg) + 5, 5} {
		_, _, err := r.Next()
		require.NoError(t, err)
		assert.Equal(t, want, r.Buffered())
	}
}

// counting has as much as is asked for, and counts how often that is.
type counting struct {
	io.Reader
	reads int
}

func (c *counting) Read(p []byte) (int, error) {
	c.reads++
	return c.Reader.Read(p)
}

// TestReaderReadsMuchAtOnce: from a peer that has always more, and whose
// messages never end where the buffer does.
func TestReaderReadsMuchAtOnce(t *testing.T) {
	const total = 8 << 20
	one := join(header(MsgSerial), chunk(strings.Repeat("x", 301)))
	src := &counting{Reader: bytes.NewReader(bytes.Repeat(one, total/len(one)))}
	_, err := readAll(NewReader(src, DefaultLimits()))
	require.ErrorIs(t, err, io.EOF)
	require.Less(t, src.reads, total/busySize+20)
}

func TestReaderGivesUpOnASilentSource(t *testing.T) {
	_, _, err := NewReader(silent{}, DefaultLimits()).Next()
	assert.Equal(t, io.ErrNoProgress, err)
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestNothingIsSentWithoutAPayload(t *testing.T) {
	assert.Empty(t, AppendMessage(nil, MsgRequest, nil))
	assert.Empty(t, (&Request{}).AppendTo(nil))
	assert.Equal(t, header(MsgClose), AppendMessage(nil, MsgClose, []byte("x")))
}

// TestReaderLetsGo of the room for a large message, in one part or several.
func TestReaderLetsGo(t *testing.T) {
	const size = 3 << 20
	for _, whole := range []bool{true, false} {
		stream := appendMessage(nil, MsgVersion, make([]byte, size), whole)
		for range 2 {
			stream = AppendMessage(stream, MsgSerial, []byte("small"))
		}
		r := NewReader(bytes.NewReader(stream), DefaultLimits())
		_, payload, err := r.Next()
		require.NoError(t, err)
		require.Len(t, payload, size)
		require.Greater(t, cap(r.buf)+cap(r.parts), size)
		for range 2 {
			_, payload, err = r.Next()
			require.NoError(t, err)
			require.Equal(t, "small", string(payload))
		}
		_, _, err = r.Next()
		require.ErrorIs(t, err, io.EOF)
		assert.LessOrEqual(t, cap(r.buf), keepSize)
		assert.LessOrEqual(t, cap(r.parts), keepSize)
	}
}

// liar says that it has read another number of bytes than it can have.
type liar int

func (l liar) Read([]byte) (int, error) { return int(l), nil }

func TestReaderDoesNotBelieveALiar(t *testing.T) {
	for _, says := range []liar{-1, 1 << 30} {
		_, _, err := NewReader(says, DefaultLimits()).Next()
		require.ErrorIs(t, err, ErrFraming)
	}
}

// patient is a source that tells how much a Reader holds while it waits.
type patient struct {
	io.Reader
	r    *Reader
	held []int
}

func (p *patient) Wait() error {
	p.held = append(p.held, len(p.r.buf))
	return nil
}

// TestNothingIsHeldWhileWaiting: between messages there is no buffer, and a peer that
// fills a large one gets it again.
func TestNothingIsHeldWhileWaiting(t *testing.T) {
	b := AppendMessage(nil, MsgSerial, make([]byte, 2*readSize))
	parts := [][]byte{b[:readSize], b[readSize:], b}
	p := &patient{Reader: readers(parts)}
	p.r = NewReader(p, Limits{Budget: NewBudget(1 << 20)})
	for range 2 {
		_, payload, err := p.r.Next()
		require.NoError(t, err)
		require.Len(t, payload, 2*readSize)
	}
	_, _, err := p.r.Next()
	require.ErrorIs(t, err, io.EOF)
	require.GreaterOrEqual(t, len(p.held), 2)
	for _, n := range p.held {
		require.Zero(t, n)
	}
	require.Zero(t, p.r.memory.budget.Used())
}

// readers returns what is read one part after another.
func readers(parts [][]byte) io.Reader {
	var all []io.Reader
	for _, part := range parts {
		all = append(all, bytes.NewReader(part))
	}
	return io.MultiReader(all...)
}
