package session

import (
	"context"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
)

// take takes the facts of a batch over. With an error it can be called again, and goes on
// where it was.
func (l *Log) take(b *batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look()
	for len(b.facts) > 0 {
		if err := l.hear(b); err != nil {
			return err
		}
	}
	return l.commit()
}

// hear takes over the next fact of a batch, and what follows from it. With an error that
// is done, or still the next.
func (l *Log) hear(b *batch) error {
	f := &l.fact
	raw, rest := f.next(b.facts)
	if f.kind == unknown {
		b.facts = rest
		return nil
	}
	s := l.table.sensorOf(b.by.owner, f.sid, l.now)
	b.hears(s)
	again := s.seen.again(f.hash, b.by.conn, f.ts <= s.last)
	if again || f.kind.ofConnection() && s.isOver(f) {
		l.stats.Again++
		b.facts = rest
		return nil
	}
	if err := l.closeBefore(s, f, b.by); err != nil {
		return err
	}
	b.facts = rest
	l.note(f, raw, b.by)
	if f.kind == connEnd {
		r := s.open[f.cid]
		if err := l.close(r, r.closing(), f.ts, true, b.by); err != nil {
			return err
		}
	}
	return l.makeRoom(b.by.owner)
}

// unheard is how long a connection has to be silent to be over when its sensor says that
// none is open.
const unheard = 300

// closeBefore closes the records that are over by what a fact says.
func (l *Log) closeBefore(s *sensor, f *fact, by *teller) error {
	switch f.kind {
	case connNew:
		if r := s.open[f.cid]; r != nil && f.ts > r.began {
			reason := reasonSSHDRestarted
			if s.left {
				reason = reasonSSHDEnded
			}
			return l.close(r, reason, r.last, false, by)
		}
	case sensorRestarted:
		if f.nums[0] > 0 {
			return l.closeAll(s, func(r *record) bool { return r.began <= f.ts }, reasonSensorRestarted, by)
		}
	case heartbeat:
		if f.nums[0] == 0 {
			return l.closeAll(s, func(r *record) bool { return r.last < f.ts-unheard }, reasonEndLost, by)
		}
	}
	return nil
}

// closeAll closes the records of a sensor that are meant.
func (l *Log) closeAll(s *sensor, meant func(*record) bool, reason string, by *teller) error {
	for _, r := range s.open {
		if !meant(r) {
			continue
		}
		if err := l.close(r, reason, r.last, false, by); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom closes the oldest records if an owner has more than a quarter of the memory, or
// all have more than all of it: then those of the one who has most.
func (l *Log) makeRoom(o *owner) error {
	all := int(l.set.Memory)
	if o.cost > all/4 {
		if err := l.shrink(o, all/4-all/64); err != nil {
			return err
		}
	}
	if l.table.cost <= all {
		return nil
	}
	for _, other := range l.table.owners {
		if other.cost > o.cost {
			o = other
		}
	}
	return l.shrink(o, o.cost-all/64)
}

// shrink makes an owner take no more than so much: first sensors that are gone and have
// nothing open are forgotten, then the oldest records are closed.
func (l *Log) shrink(o *owner, to int) error {
	by := &teller{owner: o}
	for _, s := range o.sensors {
		if o.cost <= to {
			return nil
		}
		if len(s.open) == 0 && s.conns == 0 {
			l.forget(s, by)
		}
	}
	for oldest := o.order.Front(); oldest != nil && o.cost > to; oldest = o.order.Front() {
		r := oldest.Value.(*record)
		l.stats.NoRoom++
		if err := l.close(r, reasonNoRoom, r.last, false, by); err != nil {
			return err
		}
		if len(r.sensor.open) == 0 && o.cost > to {
			l.forget(r.sensor, by)
		}
	}
	for _, s := range o.sensors {
		if o.cost > to {
			l.forget(s, by)
		}
	}
	return nil
}

func (l *Log) forget(s *sensor, by *teller) {
	l.decide(&fact{kind: forgotten, ts: l.now, sid: []byte(s.sid)}, by)
}

// Run writes the lines that are due as time goes by, until ctx ends.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(l.pause())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := l.tick(); err != nil && !logfile.NoRoom(err) { // then they are due next time, too
			return err
		}
	}
}

// pause returns how often to look.
func (l *Log) pause() time.Duration {
	pause := 10 * time.Second
	for _, d := range []time.Duration{l.set.Interim, l.set.Lost} {
		if d > 0 {
			pause = min(pause, max(d/10, 10*time.Millisecond))
		}
	}
	return pause
}

func (l *Log) tick() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look()
	if err := l.commit(); err != nil { // what was left over
		return err
	}
	for _, o := range l.table.owners {
		by := &teller{owner: o}
		for _, s := range o.sensors {
			if err := l.review(s, by); err != nil {
				return err
			}
		}
	}
	return l.commit()
}

const (
	// leaving is how long after the end of sshd its sensor may be away.
	leaving = time.Minute
	// forgetAfter is how long a sensor is remembered that has nothing open.
	forgetAfter = 24 * time.Hour
	// silentAfter is how long nothing may be heard of a connection whose sensor is there.
	silentAfter = 7 * 24 * time.Hour
)

// review does what is due for a sensor.
func (l *Log) review(s *sensor, by *teller) error {
	if s.conns > 0 || s.owner.conns > 0 {
		s.gone = l.now
	}
	since := func(at float64) time.Duration { return time.Duration((l.now - at) * float64(time.Second)) }
	away := since(s.gone)
	if s.beats {
		away = max(away, since(s.heard))
	}
	all := func(*record) bool { return true }
	switch {
	case len(s.open) == 0:
		if away >= forgetAfter {
			l.forget(s, by)
		}
		return nil
	case s.left && since(s.gone) >= min(leaving, l.set.Lost):
		return l.closeAll(s, all, reasonSSHDEnded, by)
	case away >= l.set.Lost:
		return l.closeAll(s, all, reasonSensorLost, by)
	}
	if err := l.closeAll(s, func(r *record) bool { return since(r.seen) >= silentAfter }, reasonSilent, by); err != nil {
		return err
	}
	return l.report(s, by)
}

// report writes lines of records that have been open for long.
func (l *Log) report(s *sensor, by *teller) error {
	if l.set.Interim == 0 {
		return nil
	}
	for _, r := range s.open {
		if l.now-r.told < l.set.Interim.Seconds() {
			continue
		}
		l.write(r, reasonOpen, l.now)
		l.decide(&fact{kind: told, ts: l.now, sid: []byte(s.sid), cid: r.cid, nums: []uint64{r.cid}}, by)
		if len(l.lines) >= enough {
			if err := l.commit(); err != nil {
				return err
			}
		}
	}
	return nil
}
