// Package commlog writes comm.log and remote.log as Bro's guide "Inter-Bro
// Communication" shows them. It imports the log files and the counts, and knows
// nothing of connections.
//
// Bro speaks to its peers in a process of its own, the child. There is none here,
// but the lines say what they always said. All methods may be called on nil,
// where no logs are wanted, and from several goroutines.
package commlog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/traffic"
)

const (
	// firstAccepted is the id of the first peer that has connected to us; those
	// that we have connected to count from 1.
	firstAccepted = 10000
	// maxChildren is how many connections are told of one by one in statistics.
	maxChildren = 100
)

// Log is the pair of logs.
type Log struct {
	dir     *logfile.Dir
	maxSize int64
	errorf  func(format string, args ...any)
	leftOut atomic.Uint64

	mu                  sync.Mutex // guards what follows
	comm, remote        *output
	line                []byte
	accepted, connected int
	broken              bool // the last line could not be written, as has been told
}

// New returns logs in dir that are rotated at maxSize bytes, unless that is 0.
// errorf is told what is wrong with them.
func New(dir *logfile.Dir, maxSize int64, errorf func(format string, args ...any)) *Log {
	return &Log{dir: dir, maxSize: maxSize, errorf: errorf, comm: &output{File: dir.File("comm")}, remote: &output{File: dir.File("remote")}}
}

// Started says that we are there.
func (l *Log) Started() { l.started(os.Getpid(), os.Getpid()) }

func (l *Log) started(parent, child int) {
	l.parent("", fmt.Sprintf("communication started, parent pid is %d, child pid is %d", parent, child))
}

// Listening says where peers may connect to.
func (l *Log) Listening(addr net.Addr, secured bool) {
	how := "clear"
	if secured {
		how = "ssl"
	}
	l.child("", fmt.Sprintf("listening on %v (%s)", addr, how))
}

// Note says something that concerns no peer alone.
func (l *Log) Note(text string) { l.parent("", text) }

// Accepted begins with a peer that has connected to us.
func (l *Log) Accepted(addr net.Addr, secured bool) *Peer {
	p := l.peer(addr, func() int { l.accepted++; return firstAccepted + l.accepted - 1 })
	if secured {
		p.child("accepted SSL connection")
	} else {
		p.child("accepted clear connection")
	}
	p.parent("added peer")
	p.parent("peer connected")
	return p
}

// Connected begins with a peer that we have connected to.
func (l *Log) Connected(addr net.Addr) *Peer {
	p := l.peer(addr, func() int { l.connected++; return l.connected })
	p.child("connected")
	p.parent("peer connected")
	return p
}

func (l *Log) peer(addr net.Addr, id func() int) *Peer {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return newPeer(l, id(), addr)
}

// Report writes statistics again and again until ctx ends.
func (l *Log) Report(ctx context.Context, every time.Duration, counts func() (sum traffic.Totals, each []traffic.Totals)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.Statistics(counts())
		}
	}
}

// Statistics writes a line for all connections together, and one for each that
// is open.
func (l *Log) Statistics(sum traffic.Totals, each []traffic.Totals) {
	l.parent("", fmt.Sprintf("parent statistics: %s events=%d/%d", io(&sum), sum.EventsIn, sum.EventsOut))
	for i := range each {
		if i == maxChildren {
			l.parent("", fmt.Sprintf("child statistics: and %d further connections", len(each)-i))
			return
		}
		l.parent("", fmt.Sprintf("child statistics: [%d] %s", i, io(&each[i])))
	}
}

// io is what is in both lines. The quotient of two zeros is NaN, as in Bro's.
func io(t *traffic.Totals) string {
	perRead := float64(t.BytesIn) / (1024 * float64(t.Reads))
	perWrite := float64(t.BytesOut) / (1024 * float64(t.Writes))
	return fmt.Sprintf("pending=%d bytes=%dK/%dK chunks=%d/%d io=%d/%d bytes/io=%.2fK/%.2fK", t.Pending,
		t.BytesIn/1024, t.BytesOut/1024, t.ChunksIn, t.ChunksOut, t.Reads, t.Writes, perRead, perWrite)
}

func (l *Log) parent(peer, text string) (size int) { return l.write("(parent)", peer, text) }
func (l *Log) child(peer, text string) (size int)  { return l.write("(child) ", peer, text) }

// LeftOut returns how many lines peers would have caused, had they been allowed.
func (l *Log) LeftOut() uint64 { return l.leftOut.Load() }

// write writes a line of comm.log, and returns its size.
func (l *Log) write(who, peer, text string) (size int) {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = fmt.Appendf(l.line[:0], "%d %s %s", l.dir.Now().Unix(), who, peer)
	l.line = append(appendClean(l.line, text), '\n')
	l.append(l.comm)
	return len(l.line)
}

// maxHeld is how many bytes of lines wait for room on the disk, in each log.
const maxHeld = 64 << 10

// output is one of the logs.
type output struct {
	*logfile.File
	held []byte // lines for which there was no room yet
}

// append writes the line. What cannot be written is told once, and is no reason
// to end: the events are elsewhere. On a full disk lines wait a while, unsaid: it is
// said of the events.
func (l *Log) append(o *output) {
	err := l.tryAppend(o)
	if logfile.NoRoom(err) && len(o.held)+len(l.line) <= maxHeld {
		o.held = append(o.held, l.line...)
		return
	}
	if err != nil {
		l.leftOut.Add(1)
	}
	if err != nil && !l.broken {
		l.errorf("%v", err)
	}
	l.broken = err != nil
}

func (l *Log) tryAppend(o *output) error {
	if err := o.Open(); err != nil {
		return err
	}
	if size := int64(len(o.held) + len(l.line)); l.maxSize > 0 && o.Size() > 0 && o.Size()+size > l.maxSize {
		if err := rotate(o.File); err != nil {
			return err
		}
		if err := o.Open(); err != nil {
			return err
		}
	}
	if len(o.held) == 0 {
		return o.Append(l.line)
	}
	err := o.Append(append(o.held, l.line...))
	if err == nil {
		o.held = nil
	}
	return err
}

func rotate(f *logfile.File) error {
	h, _, err := f.Rotate()
	if err == nil && h != nil {
		err = h.Close()
	}
	return err
}

// end closes the log, with what was held if there is room now.
func (o *output) end() (err error) {
	if len(o.held) > 0 {
		if err = o.Open(); err == nil {
			err = o.Append(o.held)
		}
	}
	if h := o.Retire(); h != nil {
		err = errors.Join(err, h.Close())
	}
	return err
}

// Rotate rotates both logs.
func (l *Log) Rotate() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(rotate(l.comm.File), rotate(l.remote.File))
}

// Close closes both.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.comm.end(), l.remote.end())
}
