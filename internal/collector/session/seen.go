package session

// seen is a window of the latest events of a sensor. Over a connection each comes once;
// over the next one those may come again of which the sensor does not know that they have
// arrived, in their order. So an event is told apart from an equal one by the connection
// that it came over.
type seen struct {
	ring []sighting
	at   int // the oldest, once the ring is full
	// Of those in the ring that have not come over conn, which is the latest connection,
	// there are so many, and the next that is expected again stands at next.
	conn    uint32
	foreign int
	next    int
	// Who sends again does so in order, at the beginning of a connection: so many events that
	// were old and not there have come over newest and those before it.
	newest uint32
	misses int
}

// maxMisses is how many it takes until nobody looks any more: nothing comes again then, or
// somebody wants to keep us busy.
const maxMisses = 256

type sighting struct {
	hash uint64
	conn uint32 // 0: in an earlier run
}

const sightingCost = 16

// again reports whether an event has come over another connection before, and not again
// over this one. Only one that is old can have.
func (s *seen) again(hash uint64, conn uint32, old bool) bool {
	if conn > s.newest {
		s.newest, s.misses = conn, 0
	}
	if s.misses > maxMisses {
		return false
	}
	if conn != s.conn {
		s.conn, s.foreign = conn, 0
		for i := range s.ring {
			if s.ring[i].conn != conn {
				s.foreign++
			}
		}
	}
	if s.foreign <= 0 || !old {
		return false
	}
	for n := range s.ring {
		i := (s.next + n) % len(s.ring)
		if g := &s.ring[i]; g.hash == hash && g.conn != conn {
			g.conn = conn
			s.foreign--
			s.next = (i + 1) % len(s.ring)
			return true
		}
	}
	s.misses++
	return false
}

// add puts an event in, which takes the place of the oldest if there are limit.
func (s *seen) add(hash uint64, conn uint32, limit int) {
	if len(s.ring) > limit { // it has become less
		s.ring = append([]sighting(nil), s.latest(limit)...)
		s.at, s.next = 0, 0
		s.conn, s.foreign = 0, len(s.ring)
	}
	g := sighting{hash, conn}
	if len(s.ring) < limit {
		s.ring = append(s.latest(len(s.ring)), g)
		s.at = 0
		return
	}
	if s.ring[s.at].conn != s.conn {
		s.foreign--
	}
	s.ring[s.at] = g
	s.at = (s.at + 1) % len(s.ring)
}

// latest returns the latest n, the oldest first.
func (s *seen) latest(n int) []sighting {
	if s.at == 0 {
		return s.ring[len(s.ring)-n:]
	}
	all := append(append(make([]sighting, 0, len(s.ring)), s.ring[s.at:]...), s.ring[:s.at]...)
	return all[len(all)-n:]
}
