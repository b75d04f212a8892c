package websocket

import (
	"io"
	"time"

	"github.com/gobwas/ws"
)

// Finish writes what has been sent, and waits until the peer has read it: until
// then a Close may lose it. Somebody is to call Next meanwhile. It returns early,
// with an error, when the connection is closed.
func (c *Conn) Finish() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.resend(); err != nil {
		return err
	}
	if err := c.flushAbove(1); err != nil || c.window == nil {
		return err
	}
	if err := c.lastPing(); err != nil {
		return err
	}
	for {
		unread, err := c.window.unread()
		if err != nil {
			return c.reason(err)
		}
		if unread == nil {
			return nil
		}
		if err := c.await(unread); err != nil {
			return err
		}
	}
}

// lastPing asks whether the peer has read everything, if that was not asked yet.
func (c *Conn) lastPing() error {
	c.seal(true)
	if len(c.out) == 0 {
		return nil
	}
	return c.writeOut()
}

// Hasten has all be written as fast as the kernel takes it, whether or not the
// peer reads it in time: there is none left to wait for that.
func (c *Conn) Hasten() {
	if c.window != nil {
		c.window.lift()
	}
	if c.cfg.Journal != nil {
		c.cfg.Journal.Lift()
	}
}

// goodbye writes the frame that ends a connection, unless that would do harm, and
// whatever of pongs is due. It reports whether the peer will answer by one.
func (c *Conn) goodbye(why error) (asked bool, err error) {
	c.putPongs()
	if !c.dialect.DropsOnClose {
		asked = true
		code := codeOf(why)
		err = c.put(c.frameOf(nil, ws.OpClose, ws.NewCloseFrameBody(code, reasonFor(code, why))))
	}
	c.said = true
	return asked && err == nil, err
}

// Close says good-bye and closes the stream; a Next that waits returns. What was
// sent and not written is left to the journal, if there is one. What was wrong with
// the last message, if anything, is said with it.
//
// It waits a little for the other side to do the same. A stream that is closed
// while something of the peer's is unread, or under way, is reset, and then the peer
// may drop what it has not read yet itself. One of which only our half is closed is
// an error to Zeek, which cannot answer good-bye any more.
func (c *Conn) Close() error {
	if p := c.wrong.Load(); p != nil {
		return c.CloseFor(*p)
	}
	return c.CloseFor(nil)
}

// CloseFor is Close, which tells the other side the reason: nil, one of the errors of
// this package or package zeek, or an error of our own, which is not told.
func (c *Conn) CloseFor(why error) error {
	var err error
	c.closing.Do(func() {
		close(c.closed)
		// The deadline ends a write that waits, and which holds the lock.
		_ = c.net.SetWriteDeadline(time.Now().Add(closeTime))
		c.mu.Lock()
		c.seal(false)
		c.out = nil
		asked, werr := c.goodbye(why)
		c.mu.Unlock()
		if werr == nil {
			c.linger(asked)
		}
		err = c.net.Close()
	})
	return err
}

// linger reads until the other side ends. asked: it has been told to.
func (c *Conn) linger(asked bool) {
	_ = c.net.SetReadDeadline(time.Now().Add(lingerTime))
	if !asked {
		c.endHalf()
	}
	c.reading.Lock() // a Next has seen the end, or the deadline, or an event
	defer c.reading.Unlock()
	c.leaving = true
	var b []byte // Next may have handed out the other one
	var err error
	for !c.gone && err == nil {
		b, _, err = c.frames(b)
	}
	if asked {
		c.endHalf()
	}
	if c.wrong.Load() != nil { // frames cannot be told apart any more
		_, _ = io.Copy(io.Discard, c.net)
	}
}

// endHalf ends what is written.
func (c *Conn) endHalf() {
	if half, ok := c.net.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
