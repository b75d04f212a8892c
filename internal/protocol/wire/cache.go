package wire

import (
	"unsafe"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// object is something that the peer may refer back to: a value, a type, or
// one of those that we only step over.
type object struct {
	id    uint32
	class class
	done  bool // it has been decoded to its end

	value *event.Value // of a value
	typ   *typeInfo    // of a type
	ident *ID          // of an identifier
	text  []byte       // of a function or file its name, of a matcher its expression

	// What taking the object costs (see Limits) and how deep it is.
	elems, bytes, height int
	// What keeping it costs: its own memory, without other objects in it.
	memory int
	// The objects in it, which live as long as it does, whether the cache still
	// has them or not.
	parts []*object
	// shared says that it is a part of others.
	shared bool
	// walk is the last walk that has come by.
	walk int

	older, newer *object
}

// objectSize is what an object takes itself, and roughly what a map does.
const objectSize = int(unsafe.Sizeof(object{})) + 64

// cache keeps objects, as many as the peer does and the same ones: it drops
// those that have not been sent or referred to for longest, at the end of each
// message, and counts an object from where it begins. That is how Bro does it
// on both sides.
type cache struct {
	size     int // objects, from one message to the next
	maxBytes int
	bytes    int
	// dropped is what objects take that are not in the cache any more, and are
	// still parts of some that are: so much at the most, until it is counted.
	dropped int
	walks   int
	byID    map[uint32]*object
	// oldest and newest end the list.
	oldest, newest *object
	// brief are those objects that end with the message.
	brief []*object
}

func newCache(lim Limits) cache {
	return cache{size: lim.MaxCache, maxBytes: lim.MaxCacheBytes}
}

func (c *cache) setSize(n uint32, most int) {
	c.size = most
	if n > 0 && uint64(n) < uint64(most) { // to Bro, 0 means without bounds
		c.size = int(n)
	}
}

// add puts a new object in, in place of one of the same id.
func (c *cache) add(id uint32, cl class) *object {
	if c.byID == nil {
		c.byID = map[uint32]*object{}
	}
	if old := c.byID[id]; old != nil {
		c.remove(old)
	}
	o := &object{id: id, class: cl, memory: objectSize}
	c.byID[id] = o
	c.bytes += o.memory
	c.link(o)
	if cl&flagKept == 0 {
		c.brief = append(c.brief, o)
	}
	return o
}

// get returns the object of that id, or nil.
func (c *cache) get(id uint32) *object {
	o := c.byID[id]
	if o != nil && o != c.newest {
		c.unlink(o)
		c.link(o)
	}
	return o
}

// grow adds to the memory of an object that is, or has been, in the cache.
func (c *cache) grow(o *object, memory int) {
	o.memory += memory
	switch {
	case c.byID[o.id] == o:
		c.bytes += memory
	case o.shared:
		c.dropped += memory
	}
}

// end makes the cache what it is between messages.
func (c *cache) end() {
	for i, o := range c.brief {
		if c.byID[o.id] == o {
			c.remove(o)
		}
		c.brief[i] = nil
	}
	c.brief = c.brief[:0]
	for len(c.byID) > c.size || c.bytes > c.maxBytes {
		c.remove(c.oldest)
	}
	if c.dropped > c.maxBytes/2 {
		c.shrink()
	}
}

// shrink counts what is held of what was dropped, and lets go of the oldest
// objects if that is too much: so many that it need not be counted again soon.
func (c *cache) shrink() {
	for c.dropped = c.held(); c.dropped > c.maxBytes/4 && c.oldest != nil; c.dropped = c.held() {
		for range (len(c.byID) + 1) / 2 {
			c.remove(c.oldest)
		}
	}
}

// held counts the memory of the objects that are parts of those in the cache, and
// not in it themselves.
func (c *cache) held() (bytes int) {
	c.walks++
	var next []*object
	for o := c.oldest; o != nil; o = o.newer {
		o.walk = c.walks
		next = append(next, o)
	}
	for len(next) > 0 {
		o := next[len(next)-1]
		next = next[:len(next)-1]
		for _, part := range o.parts {
			if part.walk != c.walks {
				part.walk = c.walks
				bytes += part.memory
				next = append(next, part)
			}
		}
	}
	return bytes
}

func (c *cache) remove(o *object) {
	c.unlink(o)
	delete(c.byID, o.id)
	c.bytes -= o.memory
	if o.shared {
		c.dropped += o.memory
	}
}

func (c *cache) link(o *object) {
	o.older, o.newer = c.newest, nil
	if c.newest != nil {
		c.newest.newer = o
	} else {
		c.oldest = o
	}
	c.newest = o
}

func (c *cache) unlink(o *object) {
	if o.older != nil {
		o.older.newer = o.newer
	} else {
		c.oldest = o.newer
	}
	if o.newer != nil {
		o.newer.older = o.older
	} else {
		c.newest = o.older
	}
	o.older, o.newer = nil, nil
}
