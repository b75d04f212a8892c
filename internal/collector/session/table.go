package session

import "container/list"

const (
	// sensorCost is what a sensor takes without its window and its connections.
	sensorCost = 768
	// maxOver is of how many connections of a sensor it is known that they are over.
	maxOver  = 1024
	overCost = 24
	// maxWindow is how many events of a sensor are told apart, minWindow how many at least,
	// however many sensors there are. A sensor keeps 16384 that are not confirmed.
	maxWindow = 16384
	minWindow = 256
)

// table is what is known of all connections. It decides nothing by itself: what it is
// told, in a journal or as it comes, makes it what it is.
type table struct {
	owners  map[string]*owner
	sensors int
	records int
	cost    int
	// window is how much the windows of all sensors may take.
	window int
}

// owner is who sensors belong to, which no other can speak for: the name of a certificate
// or, without one, an address.
type owner struct {
	name    string
	sensors map[string]*sensor
	order   *list.List // of *record, the oldest first
	cost    int
	peers   int // connections of it to us
	conns   int // those over which no sensor was heard yet
}

// sensor is an sshd that reports.
type sensor struct {
	owner *owner
	sid   string
	cost  int
	open  map[uint64]*record
	over  []over
	ended float64 // the latest of those
	seen  seen
	last  float64 // the latest event, by its clock
	beats bool    // it tells that it lives
	left  bool    // it has told the end of sshd
	heard float64 // by our clock
	gone  float64 // when no connection was left over which it was heard, by our clock
	conns int     // of those
}

// over is a connection whose record is closed: nothing until then adds to another one.
type over struct {
	cid   uint64
	until float64
	// told says that the sensor has told its end. If it has not, what comes later is of
	// this one too, until another one begins.
	told bool
}

func newTable(window int) *table {
	return &table{owners: map[string]*owner{}, window: window}
}

// ownerOf returns who a name belongs to.
func (t *table) ownerOf(name string) *owner {
	o := t.owners[name]
	if o == nil {
		o = &owner{name: name, sensors: map[string]*sensor{}, order: list.New()}
		t.owners[name] = o
	}
	return o
}

// leave forgets an owner of whom there is nothing.
func (t *table) leave(o *owner) {
	if len(o.sensors) == 0 && o.peers == 0 {
		delete(t.owners, o.name)
	}
}

func (t *table) sensorOf(o *owner, sid []byte, now float64) *sensor {
	s := o.sensors[string(sid)]
	if s == nil {
		s = &sensor{owner: o, sid: string(sid), open: map[uint64]*record{}, last: -maxTime, ended: -maxTime, gone: now}
		o.sensors[s.sid] = s
		t.sensors++
		t.charge(s, sensorCost+2*len(s.sid))
	}
	return s
}

// forget forgets a sensor that has no connection open.
func (t *table) forget(s *sensor) {
	delete(s.owner.sensors, s.sid)
	t.sensors--
	t.charge(s, -s.cost)
	t.leave(s.owner)
}

// charge takes note of what a sensor takes.
func (t *table) charge(s *sensor, more int) {
	s.cost += more
	s.owner.cost += more
	t.cost += more
}

// limit returns how many events of each sensor are told apart.
func (t *table) limit() int {
	return max(minWindow, min(maxWindow, t.window/(sightingCost*max(1, t.sensors))))
}

// recordOf returns the record of a connection, a new one if there is none.
func (t *table) recordOf(s *sensor, f *fact, by *teller, now float64) *record {
	r := s.open[f.cid]
	if r == nil {
		r = &record{cid: f.cid, began: f.ts, last: f.ts, since: now, told: now, cost: recordCost + len(by.peer) + len(by.host)}
		r.peer, r.host = by.peer, by.host
		t.enter(s, r)
		t.charge(s, r.cost)
	}
	return r
}

// enter puts a record in.
func (t *table) enter(s *sensor, r *record) {
	r.sensor = s
	s.open[r.cid] = r
	r.order = s.owner.order.PushBack(r)
	t.records++
}

// teller is a peer from which facts come, over a connection.
type teller struct {
	owner      *owner
	peer, host string
	conn       uint32 // 0: in an earlier run
}

// apply takes a fact over.
func (t *table) apply(f *fact, by *teller, now float64) {
	s := t.sensorOf(by.owner, f.sid, now)
	switch f.kind {
	case ended:
		t.end(s, f)
	case told:
		if r := s.open[f.cid]; r != nil {
			r.told = now
		}
		return
	case forgotten:
		if len(s.open) == 0 {
			t.forget(s)
		}
		return
	case heartbeat:
		s.beats = true
	case exited:
		s.left = true
	case listening:
		s.left = false
	case eventsLost:
		for _, r := range s.open {
			r.lost += f.nums[0]
		}
	case restarted, sensorRestarted, unknown, from:
	default:
		t.take(s, f, by, now)
	}
	if f.hash != 0 {
		t.sight(s, f, by, now)
	}
}

// take adds to the record of a connection.
func (t *table) take(s *sensor, f *fact, by *teller, now float64) {
	r := t.recordOf(s, f, by, now)
	before := r.cost
	r.take(f)
	r.seen = now
	t.charge(s, r.cost-before)
}

// sight takes note that an event has come.
func (t *table) sight(s *sensor, f *fact, by *teller, now float64) {
	s.heard = now
	s.last = max(s.last, f.ts)
	before := cap(s.seen.ring)
	s.seen.add(f.hash, by.conn, t.limit())
	t.charge(s, sightingCost*(cap(s.seen.ring)-before))
}

// end closes a record: whoever writes the line has done so.
func (t *table) end(s *sensor, f *fact) {
	r := s.open[f.cid]
	if r == nil {
		return
	}
	delete(s.open, f.cid)
	s.owner.order.Remove(r.order)
	t.records--
	t.charge(s, -r.cost)
	before := cap(s.over)
	if len(s.over) >= maxOver {
		s.over = append(s.over[:0], s.over[maxOver/4:]...)
	}
	o := over{f.cid, max(f.ts, r.last), f.nums[1] != 0}
	s.over, s.ended = append(s.over, o), max(s.ended, o.until)
	t.charge(s, overCost*(cap(s.over)-before))
}

// isOver reports whether a fact is of a connection whose record is closed, though another
// one with its number may be open.
func (s *sensor) isOver(f *fact) bool {
	open := s.open[f.cid] != nil
	if open && f.ts > s.ended {
		return false
	}
	for i := len(s.over) - 1; i >= 0; i-- {
		if o := s.over[i]; o.cid == f.cid {
			return f.ts <= o.until || !o.told && !open && f.kind != connNew
		}
	}
	return false
}
