package eventlog

import (
	"context"
	"slices"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Batch implements Log.
func (l *Files) Batch(ctx context.Context, peer Peer, alive func()) Batch {
	if alive == nil {
		alive = func() {}
	}
	return &fileBatch{log: l, ctx: ctx, alive: alive, peer: peer, parts: map[string]*part{}}
}

// fileBatch is lines for several files. They lie in one piece of memory, in the
// order of their coming, so that a peer takes the same however many files there
// are.
type fileBatch struct {
	log    *Files
	ctx    context.Context // while that lives, we wait for room
	alive  func()          // is called meanwhile
	peer   Peer
	lines  []byte
	spans  []span // of lines
	used   []*part
	parts  map[string]*part // by event
	shared *part
	events int
	cut    int    // of them
	upTo   uint64 // the write of the log that has the last of ours
	err    error  // for good
}

// part is what goes to one file.
type part struct {
	file        *file
	schema      *schema // of the last line
	first, last int     // the spans that are not written; only in use if the part is in used
	inUse       bool
}

// span is lines that follow each other, and go to one file under one schema.
type span struct {
	from, to int
	events   int
	schema   *schema
	next     int // of the same part, or 0: the first span follows none
}

// part returns where an event goes.
func (b *fileBatch) part(event string) *part {
	if p := b.parts[event]; p != nil {
		return p
	}
	f := b.log.file(event)
	if f.own {
		p := &part{file: f}
		b.parts[strings.Clone(event)] = p
		return p
	}
	if b.shared == nil {
		b.shared = &part{file: f}
	}
	return b.shared
}

// Add implements Batch.
func (b *fileBatch) Add(ev *event.Event, names []string) {
	p := b.part(ev.Name)
	from := len(b.lines)
	cut := false
	if b.log.set.Format == FormatJSON {
		b.lines, cut = JSON(b.lines, ev, b.peer, names, b.log.set.MaxLine)
	} else {
		cut = b.addColumns(p, ev, names)
	}
	b.lines = append(b.lines, '\n')
	b.events++
	if cut {
		b.cut++
	}
	b.addSpan(p, from)
}

// addColumns appends the line of an event under the part's schema, or under the
// next one if it does not fit.
func (b *fileBatch) addColumns(p *part, ev *event.Event, names []string) (cut bool) {
	w := writer{b: b.lines}
	end := len(b.lines) + limit(b.log.set.MaxLine)
	if cut = w.columnsOf(p, ev, b.peer, names, end) == noRoom; cut {
		w.fair = true
		p.schema = p.schema.mark()
		w.b = w.b[:len(b.lines)]
		w.row(p.schema, ev, b.peer, names, end)
	}
	b.lines = w.b
	return cut
}

// columnsOf appends the line of ev to the part, whose schema it finds.
func (w *writer) columnsOf(p *part, ev *event.Event, peer Peer, names []string, end int) result {
	from := len(w.b)
	row := func() result {
		w.b, w.cut = w.b[:from], false
		return w.row(p.schema, ev, peer, names, end)
	}
	latest := p.file.latest.Load()
	if p.schema == nil && !p.file.own {
		p.schema = flat
	}
	if p.schema != nil && latest != nil && latest.marked {
		p.schema = p.schema.mark() // and so it stays
	}
	if p.schema != nil {
		if r := row(); r != misfit {
			return r
		}
	}
	if latest != nil {
		p.schema = latest
		if r := row(); r != misfit {
			return r
		}
	}
	p.schema = p.schema.with(ev, names)
	return row()
}

// addSpan takes note of the line from from on.
func (b *fileBatch) addSpan(p *part, from int) {
	if p.inUse {
		if s := &b.spans[p.last]; s.to == from && s.schema == p.schema {
			s.to = len(b.lines)
			s.events++
			return
		}
	}
	b.spans = append(b.spans, span{from: from, to: len(b.lines), events: 1, schema: p.schema})
	n := len(b.spans) - 1
	if p.inUse {
		b.spans[p.last].next = n
	} else {
		p.first, p.inUse = n, true
		b.used = append(b.used, p)
	}
	p.last = n
}

// Len implements Batch.
func (b *fileBatch) Len() int { return len(b.lines) }

// Flush implements Batch.
func (b *fileBatch) Flush() error {
	if b.events > 0 && b.err == nil {
		b.err = b.flush()
	}
	return b.err
}

func (b *fileBatch) flush() error {
	retired, err := b.writeOrWait()
	if err != nil {
		return err
	}
	b.spans, b.lines, b.events, b.cut = b.spans[:0], emptied(b.lines), 0, 0
	if retired {
		if err := b.log.release(); err != nil {
			return err
		}
	}
	if b.log.set.Sync.when == onWrite {
		return b.log.sync(b.upTo)
	}
	return nil
}

// Settle implements Batch.
func (b *fileBatch) Settle() error {
	if err := b.Flush(); err != nil {
		return err
	}
	if b.log.set.Sync.when == onConfirm {
		b.err = b.log.sync(b.upTo)
	}
	return b.err
}

// Close implements Batch.
func (b *fileBatch) Close() {}

// writeOrWait writes each part, as soon as there is room for it, and reports whether
// there are files to be closed.
func (b *fileBatch) writeOrWait() (retired bool, err error) {
	try := func() (err error) {
		retired, err = b.write()
		return err
	}
	switch err = try(); {
	case err == nil:
		b.log.room.found()
	case logfile.NoRoom(err):
		b.log.trouble()
		err = b.log.room.await(b.ctx, err, try, b.alive)
	}
	if err != nil {
		b.giveUp()
	}
	return retired, err
}

// giveUp counts what will not be written.
func (b *fileBatch) giveUp() {
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	b.log.stats.Errors++
	for _, p := range b.used {
		for i := p.first; ; i = b.spans[i].next {
			b.log.stats.Unwritten += uint64(b.spans[i].events)
			if b.spans[i].next == 0 {
				break
			}
		}
	}
}

// write writes each part, or what an earlier attempt has left of them.
func (b *fileBatch) write() (retired bool, err error) {
	l := b.log
	if err := l.failure(); err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(b.used) > 0 {
		if err := b.writePart(b.used[0]); err != nil {
			return false, err
		}
		b.used[0].inUse = false
		b.used = slices.Delete(b.used, 0, 1)
	}
	l.stats.Events += uint64(b.events)
	l.stats.Truncated += uint64(b.cut)
	b.upTo = l.written
	return len(l.retired) > 0, nil
}

// writePart writes the spans of a part, those under the same schema at once.
func (b *fileBatch) writePart(p *part) error {
	for {
		s := b.spans[p.first]
		lines := b.lines[s.from:s.to]
		if n := s.next; n != 0 && b.spans[n].schema == s.schema {
			b.log.gather = append(b.log.gather[:0], lines...)
			for ; s.next != 0 && b.spans[s.next].schema == s.schema; s = b.spans[s.next] {
				t := b.spans[s.next]
				b.log.gather = append(b.log.gather, b.lines[t.from:t.to]...)
			}
			lines = b.log.gather
		}
		if err := b.log.write(p.file, s.schema, lines); err != nil {
			return err
		}
		b.log.gather = emptied(b.log.gather)
		if s.next == 0 {
			return nil
		}
		p.first = s.next
	}
}
