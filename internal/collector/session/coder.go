package session

import (
	"encoding/binary"
	"math"
	"net/netip"
)

// coder writes values behind each other or, if it reads, takes them from where they were
// written: one function says for both what there is.
type coder struct {
	b     []byte
	reads bool
	bad   bool // there was less to read
}

// count returns how many values of at least one byte follow, n of them when writing.
func (c *coder) count(n int) int {
	u := uint64(n)
	c.uint(&u)
	if c.reads && u > uint64(len(c.b)) {
		c.fail()
		return 0
	}
	return int(u)
}

func (c *coder) fail() { c.b, c.bad = nil, true }

func (c *coder) uint(v *uint64) {
	if !c.reads {
		c.b = binary.AppendUvarint(c.b, *v)
		return
	}
	n, size := binary.Uvarint(c.b)
	if size <= 0 {
		c.fail()
		return
	}
	*v, c.b = n, c.b[size:]
}

func (c *coder) int(v *int64) {
	u := uint64(*v)
	c.uint(&u)
	*v = int64(u)
}

func (c *coder) float(v *float64) {
	u := math.Float64bits(*v)
	c.fixed(&u)
	*v = math.Float64frombits(u)
}

// fixed is for numbers that are large.
func (c *coder) fixed(v *uint64) {
	switch {
	case !c.reads:
		c.b = binary.LittleEndian.AppendUint64(c.b, *v)
	case len(c.b) < 8:
		c.fail()
	default:
		*v, c.b = binary.LittleEndian.Uint64(c.b), c.b[8:]
	}
}

func (c *coder) bool(v *bool) {
	u := uint64(0)
	if *v {
		u = 1
	}
	c.uint(&u)
	*v = u != 0
}

func (c *coder) text(v *string) {
	n := c.count(len(*v))
	if !c.reads {
		c.b = append(c.b, *v...)
		return
	}
	*v, c.b = string(c.b[:n]), c.b[n:]
}

func (c *coder) place(v *netip.AddrPort) {
	addr, port := v.Addr().As16(), uint64(v.Port())
	for half := range 2 {
		u := binary.BigEndian.Uint64(addr[8*half:])
		c.fixed(&u)
		binary.BigEndian.PutUint64(addr[8*half:], u)
	}
	c.uint(&port)
	*v = netip.AddrPortFrom(netip.AddrFrom16(addr).Unmap(), uint16(port))
}

// each is for a list: all of its members, by what one is.
func each[T any](c *coder, list *[]T, one func(*T)) {
	n := c.count(len(*list))
	if c.reads {
		*list = make([]T, n)
	}
	for i := range *list {
		one(&(*list)[i])
	}
}

// record is all that is kept of one.
func (c *coder) record(r *record) {
	c.uint(&r.cid)
	for _, v := range []*float64{&r.began, &r.last, &r.since, &r.seen, &r.told} {
		c.float(v)
	}
	if c.bool(&r.known); r.known {
		c.place(&r.src)
		c.place(&r.dst)
	}
	for _, v := range []*bool{&r.letIn, &r.audited, &r.tty, &r.timedOut, &r.cut} {
		c.bool(v)
	}
	for _, v := range []*string{&r.peer, &r.host, &r.user, &r.client, &r.method, &r.keyType, &r.key, &r.certID, &r.certCA} {
		c.text(v)
	}
	for _, v := range []*uint64{
		&r.certSerial, &r.failed, &r.rejected, &r.commandCount, &r.askedCount, &r.forwardCount, &r.linesIn, &r.linesOut,
		&r.bytesIn, &r.bytesOut, &r.bytesLeftOut, &r.audit, &r.lost,
	} {
		c.uint(v)
	}
	c.int(&r.uid)
	for _, v := range []*[]string{&r.failedUsers, &r.types, &r.commands, &r.asked, &r.forwards, &r.sftpOps} {
		each(c, v, c.text)
	}
	each(c, &r.sftpCounts, c.uint)
	each(c, &r.statuses, c.int)
}

// sensor is all that is kept of one. Whether it is there is not.
func (c *coder) sensor(s *sensor, records *[]record) {
	c.float(&s.last)
	c.float(&s.heard)
	c.bool(&s.beats)
	c.bool(&s.left)
	each(c, &s.over, func(o *over) {
		c.uint(&o.cid)
		c.float(&o.until)
		c.bool(&o.told)
		s.ended = max(s.ended, o.until)
	})
	sightings := s.seen.latest(len(s.seen.ring))
	each(c, &sightings, func(g *sighting) { c.fixed(&g.hash) })
	if c.reads {
		s.seen.ring = sightings
	}
	each(c, records, c.record)
}
