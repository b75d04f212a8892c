package core

// Where the core may die by itself, what the peer has not confirmed stays in the host's ring:
// another core takes it from there. Marks of the journal are places in the ring then.

// kept is a large record, and the place behind what stands for it in the ring.
type kept struct{ at, size, until uint64 }

// keeps reports whether that is so. A spool keeps what it has.
func (c *conn) keeps() bool { return c.link.Keep && c.journal != nil && c.spool == nil }

// mark notes that all before pos has been sent and flushed, and lets go of what is confirmed.
func (c *conn) mark(pos uint64) {
	if !c.keeps() {
		return
	}
	c.journal.Mark(pos)
	c.forget()
}

// through is called when a large record has been sent.
func (c *conn) through(k kept) {
	if !c.keeps() {
		c.link.Far.Free(k.at, k.size)
		return
	}
	c.releasing.Lock()
	defer c.releasing.Unlock()
	c.fars = append(c.fars, k)
}

// forget lets go of what the peer has confirmed, and of the large records before it.
func (c *conn) forget() {
	marked := c.journal.Marked()
	c.releasing.Lock()
	defer c.releasing.Unlock()
	n := 0
	for n < len(c.fars) && c.fars[n].until <= marked {
		c.link.Far.Free(c.fars[n].at, c.fars[n].size)
		n++
	}
	c.fars = append(c.fars[:0], c.fars[n:]...)
	if marked > c.link.out.Tail() {
		c.link.out.Release(marked)
		c.link.gotOn()
	}
}
