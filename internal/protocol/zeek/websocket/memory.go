package websocket

import (
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

const (
	// largeMessage is from what size on a message is decoded in its turn.
	largeMessage = 128 << 10
	// keptOfShared is how much is kept from one message to the next of memory that
	// others may need.
	keptOfShared = 32 << 10
	// mostArgs is how many arguments room is kept for.
	mostArgs = 256
)

// grow returns b with more room, for a message of at most so many bytes.
func (c *Conn) grow(b []byte, most int) ([]byte, error) {
	const least = 4 << 10
	size := max(min(max(2*cap(b), least), most), cap(b)+1)
	if !c.memory.Hold(cap(b) + size) { // both, for a moment
		return b, c.shortOf(cap(b) + size)
	}
	b = append(make([]byte, 0, size), b...)
	_ = c.memory.Hold(size) // that is less
	return b, nil
}

// shortOf returns why there is no memory: there never is so much, or others have it.
func (c *Conn) shortOf(bytes int) error {
	if int64(bytes) > c.cfg.Budget.Max() {
		return fmt.Errorf("%w: a message that takes %d bytes of memory, of which there are %d", zeek.ErrLimit, bytes, c.cfg.Budget.Max())
	}
	return fmt.Errorf("%w: no memory is left for the message; others have it", ErrOverloaded)
}

// holdDecoded is zeek.Decoder's Hold.
func (c *Conn) holdDecoded(bytes int) bool {
	if c.decoded.Hold(bytes) {
		return true
	}
	c.short = c.shortOf(bytes + c.memory.Held())
	return false
}

// overloaded reports whether the last message has failed for want of memory that there
// may be at another time.
func (c *Conn) overloaded() bool { return c.short != nil && codeOf(c.short) == tryAgainLater }

// decode decodes the message that was read.
func (c *Conn) decode(ev *event.Event) (zeek.Message, error) {
	if c.cfg.Turn != nil && len(c.buf) >= largeMessage {
		c.turn = c.cfg.Turn()
	}
	c.short = nil
	return c.dec.Decode(c.buf, ev)
}

// letGo lets go of the last message, if that was large, and of what became of it.
func (c *Conn) letGo(ev *event.Event) {
	kept := maxKept
	if c.cfg.Budget != nil {
		kept = keptOfShared
	}
	if cap(c.buf) > kept {
		c.buf = nil
		c.memory.Hold(0)
	}
	if cap(ev.Args) > mostArgs {
		ev.Args = nil
	}
	c.dec.LetGo()
	if c.turn != nil {
		c.turn()
		c.turn = nil
	}
}

// Held returns how much memory of the Budget the connection has for the message that
// Next has returned the event of, and for that.
func (c *Conn) Held() int { return c.memory.Held() + c.decoded.Held() }

// Release gives back the memory that the connection has had of others. It is of no use
// any more.
func (c *Conn) Release() {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.letGo(new(event.Event))
	c.buf = nil
	c.dec.Hold = nil
	c.memory.Hold(0)
	c.decoded.Hold(0)
	c.kept.Hold(0)
}
