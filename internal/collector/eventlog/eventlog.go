// Package eventlog writes events: as lines to a stream, or into the files of a
// log folder in Zeek's habits. It imports the event model and the log files, and
// knows nothing of connections.
package eventlog

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Log is where events go.
type Log interface {
	// Batch returns what takes the events of one peer. As long as ctx lives, it waits
	// where the disk is full, and calls alive, if that is set, now and then: that is not
	// to wait.
	Batch(ctx context.Context, peer Peer, alive func()) Batch
}

// Peer is whom events come from.
type Peer struct {
	Addr string
	// Host is the name in the certificate that the peer has shown, if that was
	// verified and has one.
	Host string
}

// Batch collects lines, for a few of them to be written at once. It belongs to
// one goroutine. An error is for good.
type Batch interface {
	// Add takes an event over; names are those of its arguments, if known.
	Add(ev *event.Event, names []string)
	// Len returns how many bytes wait to be written.
	Len() int
	// Flush writes them, all or, with an error, perhaps some.
	Flush() error
	// Settle writes them too, and makes all that was ever added as safe as the
	// log promises: then the peer may be told that it has arrived.
	Settle() error
	// Close says that the peer is gone; what was not flushed is dropped.
	Close()
}

// Line appends a line, without its end, of an event, and reports whether it had to
// be cut: it has max bytes at the most, or DefaultMaxLine if that is 0.
type Line func(b []byte, ev *event.Event, peer Peer, names []string, max int) (_ []byte, cut bool)

// keepSize is the most that a batch holds on to once it is written.
const keepSize = 128 << 10

// Stream is a Log that writes lines to a stream.
type Stream struct {
	// MaxLine is how long a line may become; 0 is DefaultMaxLine.
	MaxLine int

	line      Line
	truncated atomic.Uint64
	mu        sync.Mutex // guards out
	out       io.Writer
}

// Truncated returns how many lines had to be cut.
func (s *Stream) Truncated() uint64 { return s.truncated.Load() }

// NewStream returns a Stream that writes to out.
func NewStream(out io.Writer, line Line) *Stream { return &Stream{line: line, out: out} }

// Batch implements Log.
func (s *Stream) Batch(_ context.Context, peer Peer, _ func()) Batch {
	return &streamBatch{stream: s, peer: peer}
}

type streamBatch struct {
	stream *Stream
	peer   Peer
	lines  []byte
	err    error // for good
}

func (b *streamBatch) Add(ev *event.Event, names []string) {
	var cut bool
	if b.lines, cut = b.stream.line(b.lines, ev, b.peer, names, b.stream.MaxLine); cut {
		b.stream.truncated.Add(1)
	}
	b.lines = append(b.lines, '\n')
}

func (b *streamBatch) Len() int { return len(b.lines) }

func (b *streamBatch) Flush() error {
	if len(b.lines) == 0 || b.err != nil {
		return b.err
	}
	b.stream.mu.Lock()
	defer b.stream.mu.Unlock()
	if _, err := b.stream.out.Write(b.lines); err != nil {
		b.err = fmt.Errorf("writing events: %w", err)
		return b.err
	}
	b.lines = emptied(b.lines)
	return nil
}

func (b *streamBatch) Settle() error { return b.Flush() }

func (b *streamBatch) Close() {}

func emptied(b []byte) []byte {
	if cap(b) > keepSize {
		return nil
	}
	return b[:0]
}
