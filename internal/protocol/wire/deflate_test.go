package wire

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ofSizes returns a stream of SERIALs of many sizes, and their payloads.
func ofSizes(sizes ...int) (stream []byte, payloads [][]byte) {
	src := rand.New(rand.NewPCG(1, 2))
	for i, size := range sizes {
		p := make([]byte, size)
		for j := range p {
			if i%2 == 0 { // that can be compressed, and that cannot
				p[j] = byte(j / 7)
			} else {
				p[j] = byte(src.Uint32())
			}
		}
		payloads = append(payloads, p)
		stream = AppendMessage(stream, MsgSerial, p)
	}
	return stream, payloads
}

func TestCompressedStream(t *testing.T) {
	stream, payloads := ofSizes(1, 29, 30, 31, 1000, 1000, 32768-8, 32768, 70_000, 1<<20, 1<<20, 3<<20, 3<<20, 5)
	for _, whole := range []bool{false, true} {
		d, err := NewDeflater(6, whole)
		require.NoError(t, err)
		// In the clear up to COMPRESS, which is the last of it.
		wire := AppendMessage(nil, MsgPhaseDone, nil)
		wire = AppendMessage(wire, MsgCompress, nil)
		wire = d.Append(wire, stream)
		require.Less(t, len(wire), len(stream))
		for name, src := range map[string]io.Reader{
			"at once": bytes.NewReader(wire), "in halves": iotest.HalfReader(bytes.NewReader(wire)),
			"with the end": iotest.DataErrReader(bytes.NewReader(wire)),
		} {
			budget := NewBudget(100 << 20)
			r := NewReader(src, Limits{Budget: budget})
			for _, want := range []MsgType{MsgPhaseDone, MsgCompress} {
				typ, _, err := r.Next()
				require.NoError(t, err)
				require.Equal(t, want, typ)
			}
			require.NoError(t, r.Inflate())
			require.ErrorIs(t, r.Inflate(), ErrFraming)
			for i, want := range payloads {
				typ, payload, err := r.Next()
				require.NoError(t, err, "%s, message %d", name, i)
				require.Equal(t, MsgSerial, typ)
				require.True(t, bytes.Equal(want, payload), "%s, message %d", name, i)
			}
			_, _, err := r.Next()
			require.ErrorIs(t, err, io.EOF)
			r.Release()
			require.Zero(t, budget.Used())
		}
	}
}

func TestShortChunksStayAsTheyAre(t *testing.T) {
	d, err := NewDeflater(9, false)
	require.NoError(t, err)
	got := d.Append(nil, AppendMessage(nil, MsgPhaseDone, nil))
	require.Equal(t, []byte{0, 0, 0, 12, byte(MsgPhaseDone), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, got)
	for _, level := range []int{-3, 10} {
		_, err := NewDeflater(level, false)
		require.Error(t, err)
	}
}

// compressed makes a chunk by hand.
func compressed(says uint32, content []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(content)
	_ = z.Flush()
	chunk := binary.LittleEndian.AppendUint32(b.Bytes(), says)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(chunk))), chunk...)
}

func TestBadCompression(t *testing.T) {
	long := make([]byte, 100_000)
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"no trailer":     {[]byte{0, 0, 0, 3, 1, 2, 3}, ErrFraming},
		"no zlib":        {[]byte{0, 0, 0, 8, 1, 2, 3, 4, 4, 0, 0, 0}, ErrFraming},
		"says more":      {compressed(101, make([]byte, 100)), ErrFraming},
		"says less":      {compressed(99, long), ErrFraming},
		"huge":           {compressed(1<<31, long), ErrLimit},
		"huge chunk":     {[]byte{0x7f, 0, 0, 0}, ErrLimit},
		"huge in parts":  {join(partOf(150_000), partOf(60_000)), ErrLimit},
		"cut":            {compressed(100_000, long)[:60], io.ErrUnexpectedEOF},
		"cut in length":  {[]byte{0, 0}, io.ErrUnexpectedEOF},
		"cut in parts":   {[]byte{0x80, 0, 0, 2, 1, 1}, io.ErrUnexpectedEOF},
		"empty":          {nil, io.EOF},
		"inner nonsense": {compressed(5000, make([]byte, 5000)), ErrNotBroccoli},
	} {
		r := NewReader(bytes.NewReader(c.stream), Limits{MaxChunk: 200_000})
		require.NoError(t, r.Inflate())
		_, _, err := r.Next()
		assert.ErrorIs(t, err, c.want, name)
	}
}

// partOf makes a part of a compressed chunk.
func partOf(n int) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(partial|n)), make([]byte, n)...)
}

// TestInflatingIsAccountedFor: what is compressed, in one part or several, and
// what it says that it becomes; and that it says so takes no memory.
func TestInflatingIsAccountedFor(t *testing.T) {
	for name, stream := range map[string][]byte{
		"large":    append([]byte{0, 0x20, 0, 0}, make([]byte, 1<<20)...),
		"in parts": bytes.Repeat(partOf(60_000), 20),
		"bomb":     compressed(8<<20, make([]byte, 8<<20)),
	} {
		budget := NewBudget(1 << 20)
		r := NewReader(bytes.NewReader(stream), Limits{Budget: budget})
		require.NoError(t, r.Inflate())
		_, _, err := r.Next()
		require.ErrorIs(t, err, ErrLimit, name)
		require.ErrorContains(t, err, "a compressed chunk of this size", name)
		require.Zero(t, budget.Used(), name)
	}
	r := NewReader(bytes.NewReader(compressed(8<<20, make([]byte, 100))), DefaultLimits())
	require.NoError(t, r.Inflate())
	require.Less(t, allocated(func() { _, _, _ = r.Next() }), uint64(1<<20))
}

func FuzzInflate(f *testing.F) {
	stream, _ := ofSizes(1, 40, 1000, 40)
	d, _ := NewDeflater(6, false)
	f.Add(d.Append(nil, stream))
	f.Add(compressed(100, make([]byte, 100)))
	f.Add([]byte{0x80, 0, 0, 1, 1, 0, 0, 0, 4, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		budget := NewBudget(1 << 20)
		r := NewReader(bytes.NewReader(stream), Limits{MaxChunk: 1 << 16, Budget: budget})
		if err := r.Inflate(); err != nil {
			t.Fatal(err)
		}
		var err error
		for err == nil {
			var payload []byte
			if _, payload, err = r.Next(); len(payload) > 1<<16 {
				t.Fatalf("payload of %d bytes", len(payload))
			}
		}
		if errors.Is(err, io.ErrNoProgress) {
			t.Fatal(err)
		}
		r.Release()
		if budget.Used() != 0 {
			t.Fatalf("%d bytes are not given back", budget.Used())
		}
	})
}
