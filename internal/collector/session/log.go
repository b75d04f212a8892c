// Package session writes sshd_session.log: one line for each connection to an sshd with a
// sensor, when it ends, and others while it goes on. It stands before the log of events,
// and sees those that are written there. It imports the event model and the logs, and
// knows nothing of connections.
//
// What is known of connections that are open is in memory, within bounds, and in a
// journal, so that the end of the process takes nothing of it away, and writes nothing
// twice. An event goes: batch.go, fact.go, here, table.go, record.go; its line line.go,
// output.go.
package session

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Settings of a Log.
type Settings struct {
	// Events are those of the log of events: format, longest line, size of a file, sync.
	Events eventlog.Settings
	// Memory is how many bytes all connections that are open may take; a quarter of that
	// those that one peer tells of.
	Memory int64
	// Interim is how often a line is written of a connection that goes on, 0 for never.
	Interim time.Duration
	// Lost is how long a sensor may be away until its connections are given up.
	Lost time.Duration
	// Await has somebody wait for room on the disk: see eventlog.Files.
	Await func(ctx context.Context, why error, try func() error, alive func()) error
}

// Log is the log.
type Log struct {
	inner   eventlog.Log
	set     Settings
	dir     *logfile.Dir
	root    *os.Root
	encoder encoder
	columns []column
	clock   func() time.Time

	mu      sync.Mutex // guards what follows
	table   *table
	journal journal
	renewAt int64 // the size of the journal at which it is written anew
	out     output
	now     float64 // when what is done now began
	conns   uint32
	fact    fact          // the one at hand
	values  []event.Value // of a line
	// What is to go to the journal next: facts, by whom the latest is, and the lines that
	// they have caused; then, in the journal already, lines that are to go to the log.
	facts, lines, pending []byte
	frame                 []byte // for the next one
	by                    *teller
	written               uint64 // counts what was
	stats                 Stats

	syncing sync.Mutex // held while the disk is waited for; taken before mu
	safe    atomic.Uint64
}

// Stats is what was done so far.
type Stats struct {
	Open           int    // connections
	Closed, NoRoom uint64 // records, and those of them that had to make room
	Again          uint64 // events that had come before
}

// Open returns a Log in a folder, which path is of, with all that an earlier run has known.
// Events go on to inner.
func Open(dir *logfile.Dir, path string, inner eventlog.Log, set Settings) (*Log, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening the log folder: %w", err)
	}
	l := &Log{
		inner: inner, set: set, dir: dir, root: root, encoder: encoder{shapes()}, columns: columns(), clock: time.Now,
		table:   newTable(int(set.Memory / 4)),
		journal: journal{root: root, dir: dir, path: path + "/" + journalName},
	}
	plain := make([]eventlog.Column, len(l.columns))
	for i, c := range l.columns {
		plain[i] = c.Column
	}
	l.out = output{file: dir.File(name), dir: dir, table: eventlog.NewTable(name, set.Events, plain...), most: set.Events.MaxSize, safe: set.Events.Sync.Ever()}
	if err := l.recover(); err != nil {
		_ = root.Close()
		return nil, err
	}
	return l, nil
}

// look has now be the time.
func (l *Log) look() { l.now = float64(l.clock().UnixMicro()) / 1e6 }

// note has a fact come true, in the journal and here.
func (l *Log) note(f *fact, raw []byte, by *teller) {
	if l.by != by {
		l.by = by
		who := fact{kind: from, ts: l.now, texts: []text{{bytes: []byte(by.owner.name)}, {bytes: []byte(by.peer)}, {bytes: []byte(by.host)}}}
		l.facts = who.encode(l.facts)
	}
	l.facts = append(l.facts, raw...)
	l.table.apply(f, by, l.now)
}

// decide notes a fact of our own.
func (l *Log) decide(f *fact, by *teller) { l.note(f, f.encode(nil), by) }

// enough is how much is gathered until it is written.
const enough = 1 << 20

// write has a line of a record written.
func (l *Log) write(r *record, reason string, at float64) {
	at = max(at, r.last)
	what := line{r, reason, at}
	l.values = l.values[:0]
	for i := range l.columns {
		l.values = append(l.values, l.columns[i].of(&what))
	}
	l.lines = l.out.table.Append(l.lines, l.values, r.cut)
}

// close closes the record of a connection; told says that the sensor has told the end.
func (l *Log) close(r *record, reason string, at float64, told bool, by *teller) error {
	l.write(r, reason, at)
	f := fact{kind: ended, ts: at, sid: []byte(r.sensor.sid), cid: r.cid, nums: []uint64{r.cid, 0}, texts: []text{{bytes: []byte(reason)}}}
	if told {
		f.nums[1] = 1
	}
	l.decide(&f, by)
	l.stats.Closed++
	if len(l.lines) < enough {
		return nil
	}
	return l.commit()
}

// maxBacklog is how much may wait for room on the disk until sensors do. It is before
// that, as a rule, that there is none for events either, for which sensors wait at once.
const maxBacklog = 4 << 20

// commit writes what was gathered, or has it wait for room on the disk. With an error it
// waits as well.
func (l *Log) commit() error {
	err := l.writeAll()
	if logfile.NoRoom(err) && len(l.facts)+len(l.lines)+len(l.pending) < maxBacklog {
		return nil
	}
	return err
}

func (l *Log) writeAll() error {
	if err := l.writePending(); err != nil {
		return err
	}
	if len(l.facts)+len(l.lines) == 0 {
		return nil
	}
	if err := l.record(); err != nil {
		return err
	}
	if err := l.writePending(); err != nil || l.journal.size < l.renewAt {
		return err
	}
	return l.renewIfRoom()
}

// record writes what was gathered to the journal.
func (l *Log) record() error {
	lines, at, err := l.place()
	if err != nil {
		return err
	}
	if l.journal.file == nil {
		err = l.renew(frameOf(nil, lines, at)) // with what is known there are the facts
	} else {
		l.frame = appendFrame(l.frame[:0], l.facts, lines, at)
		err = l.journal.append(l.frame)
		l.frame = emptied(l.frame)
	}
	if err != nil {
		return err
	}
	l.facts, l.lines, l.by, l.pending = emptied(l.facts), emptied(l.lines), nil, lines
	l.written++
	return nil
}

// place returns the lines with what has to come before them, and where they go.
func (l *Log) place() (lines []byte, at place, err error) {
	if len(l.lines) == 0 {
		return nil, place{}, nil
	}
	at, opening, err := l.out.ready(len(l.lines))
	return append(opening, l.lines...), at, err
}

func (l *Log) writePending() error {
	if len(l.pending) == 0 {
		return nil
	}
	if err := l.out.file.Open(); err != nil {
		return err
	}
	if err := l.out.file.Append(l.pending); err != nil {
		return err
	}
	l.pending = nil
	return nil
}

// keepSize is the most that a buffer holds on to once it is written.
const keepSize = 128 << 10

func emptied(b []byte) []byte {
	if cap(b) > keepSize {
		return nil
	}
	return b[:0]
}

// frameOf returns the frame of facts and of the lines that they have caused.
func frameOf(facts, lines []byte, at place) []byte { return appendFrame(nil, facts, lines, at) }

// appendFrame is that, in the room that b has.
func appendFrame(b, facts, lines []byte, at place) []byte {
	b = append(b, make([]byte, frameHead)...)
	b = append(b, frameFacts)
	b = binary.AppendUvarint(b, at.inode)
	b = binary.AppendUvarint(b, at.at)
	b = appendBytes(b, lines)
	return seal(append(b, facts...))
}

// minRenew is the size up to which a journal is not written anew.
const minRenew = 4 << 20

// renew writes the journal anew: what is known, and a further frame.
func (l *Log) renew(last []byte) error {
	err := l.journal.renew(func(frame func([]byte) error) error {
		for _, o := range l.table.owners {
			for _, s := range o.sensors {
				if err := frame(frameOfSensor(s)); err != nil {
					return err
				}
			}
		}
		return frame(last)
	}, l.set.Events.Sync.Ever())
	if err == nil {
		l.renewAt = max(minRenew, 2*l.journal.size)
	}
	return err
}

// renewIfRoom goes on with the journal as it is if there is no room for another one.
func (l *Log) renewIfRoom() error {
	err := l.renew(frameOf(nil, nil, place{}))
	if logfile.NoRoom(err) {
		l.renewAt = l.journal.size + minRenew
		return nil
	}
	return err
}

func frameOfSensor(s *sensor) []byte {
	c := coder{b: make([]byte, frameHead, 1024)}
	c.b = append(c.b, frameSensor)
	c.text(&s.owner.name)
	c.text(&s.sid)
	var records []record
	for _, r := range s.open {
		records = append(records, *r)
	}
	c.sensor(s, &records)
	return seal(c.b)
}

// recover takes over what an earlier run has left, and completes what it has begun.
func (l *Log) recover() error {
	l.look()
	var at place
	var lines []byte
	lost, err := l.journal.read(func(kind byte, body []byte) (err error) {
		switch kind {
		case frameSensor:
			return l.restore(body)
		case frameFacts:
			at, lines, err = l.replay(body)
			return err
		}
		return fmt.Errorf("a frame of the unknown kind %q", kind)
	})
	if err != nil {
		return err
	}
	if lost > 0 {
		l.set.Events.Errorf("%s: the last %d bytes make no sense, and are left out", l.journal.path, lost)
	}
	l.look()
	l.table.resume(l.now)
	if len(lines) > 0 {
		if lines, err = complete(l.root, at, lines); err != nil {
			return err
		}
	}
	l.lines = withoutHeadings(lines)
	if err := l.record(); err != nil && (!logfile.NoRoom(err) || len(lines) > 0) {
		return err
	}
	return l.writePending()
}

// withoutHeadings returns lines without those that are about the file where they were to
// go.
func withoutHeadings(lines []byte) (b []byte) {
	for line := range bytes.Lines(lines) {
		if line[0] != '#' {
			b = append(b, line...)
		}
	}
	return b
}

// restore takes over a sensor.
func (l *Log) restore(body []byte) error {
	c := coder{b: body, reads: true}
	var owner, sid string
	c.text(&owner)
	c.text(&sid)
	if c.bad {
		return fmt.Errorf("a sensor without a name")
	}
	s := l.table.sensorOf(l.table.ownerOf(owner), []byte(sid), l.now)
	var records []record
	c.sensor(s, &records)
	if c.bad {
		return fmt.Errorf("a part of sensor %q is missing", sid)
	}
	for i := range records {
		r := records[i]
		r.count()
		l.table.enter(s, &r)
		l.table.charge(s, r.cost)
	}
	l.table.charge(s, sightingCost*cap(s.seen.ring)+overCost*cap(s.over))
	return nil
}

// replay takes over facts, and returns the lines that they have caused.
func (l *Log) replay(body []byte) (at place, lines []byte, err error) {
	c := coder{b: body, reads: true}
	c.uint(&at.inode)
	c.uint(&at.at)
	var text string
	if c.text(&text); c.bad {
		return at, nil, fmt.Errorf("a part of the lines is missing")
	}
	var by *teller
	for b := c.b; len(b) > 0; {
		_, b = l.fact.next(b)
		switch {
		case !l.encoder.fits(&l.fact): // of another version
		case l.fact.kind == from:
			by = l.replayed()
		case l.fact.kind != unknown && by != nil:
			l.table.apply(&l.fact, by, l.now)
		}
	}
	return at, []byte(text), nil
}

// replayed returns who has told what follows.
func (l *Log) replayed() *teller {
	l.now = l.fact.ts
	t := l.fact.texts
	return &teller{owner: l.table.ownerOf(string(t[0].bytes)), peer: string(t[1].bytes), host: string(t[2].bytes)}
}

// Rotate rotates the log.
func (l *Log) Rotate() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.writeAll(); logfile.NoRoom(err) && len(l.pending) > 0 { // the file is to be completed first
		return nil
	} else if err != nil && !logfile.NoRoom(err) {
		return err
	}
	return l.out.rotate()
}

// Close ends the log. What is open stays known, in the journal.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	errs := []error{l.writeAll(), l.out.close()}
	if l.journal.file != nil {
		if l.set.Events.Sync.Ever() {
			errs = append(errs, l.journal.file.Sync())
		}
		errs = append(errs, l.journal.file.Close())
	}
	return errors.Join(append(errs, l.root.Close())...)
}

// Stats returns what was done so far.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Open = l.table.records
	return s
}

// resume has the records of each owner be in the order of their beginning, and the sensors
// have all the time to come again that they have when they go.
func (t *table) resume(now float64) {
	for _, o := range t.owners {
		t.leave(o)
		var all []*record
		for _, s := range o.sensors {
			s.gone, s.heard = now, now
			for _, r := range s.open {
				all = append(all, r)
			}
		}
		slices.SortFunc(all, func(a, b *record) int { return cmp.Compare(a.since, b.since) })
		o.order.Init()
		for _, r := range all {
			r.order = o.order.PushBack(r)
		}
	}
}
