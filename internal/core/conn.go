package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"romanesco/internal/event"
	"romanesco/internal/flat"
	"romanesco/internal/peer"
	"romanesco/internal/ring"
	"romanesco/internal/wire"
)

// nearMax is from how many bytes on a record travels outside the ring
// (LINK_NEAR_MAX).
const nearMax = 1 << 17

// farMax is how many bytes of such records may wait for the host
// (LINK_FAR_MAX).
const farMax = 32 << 20

// roomPoll is how often a full inbound ring is looked at when nobody says that
// there is room again.
const roomPoll = 20 * time.Millisecond

// conn moves records between a link and a peer: one goroutine each way.
type conn struct {
	link   *link
	peer   *peer.Conn
	toCore *os.File // read here: the host has produced, or made room
	toHost *os.File // written here
	room   chan struct{}
	ending chan struct{} // closed when the host wants to end
	ended  sync.Once
	wg     sync.WaitGroup
	wrote  atomic.Bool // the last flush, after everything was taken, worked
}

// open connects and does the handshake.
func open(l *link, s settings) (*conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	nc, err := dial(ctx, s)
	if err != nil {
		return nil, err
	}
	p, err := peer.Open(ctx, nc, peer.Config{
		Class: s.class, Requests: names(s.requests), Cache: s.cache, Logf: logger(s),
	})
	if err != nil {
		return nil, fmt.Errorf("peer %s: %w", nc.RemoteAddr(), err)
	}
	c := &conn{link: l, peer: p, room: make(chan struct{}, 1), ending: make(chan struct{})}
	if c.toCore, err = dupFile(s.toCore, "to core"); err == nil {
		c.toHost, err = dupFile(s.toHost, "to host")
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	l.up(p.PeerClass(), descriptor(nc))
	c.wg.Add(2)
	go c.run("sending", c.send)
	go c.run("receiving", c.receive)
	return c, nil
}

// descriptor returns the number of the descriptor of a connection.
func descriptor(nc net.Conn) int {
	n := -1
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { n = int(fd) })
		}
	}
	return n
}

func logger(s settings) func(string, ...any) {
	if !s.debug {
		return nil
	}
	return func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "libbroccoli: [%s] %s\n", s.peer, fmt.Sprintf(format, args...))
	}
}

// dial connects to the peer, or takes a copy of the socket given.
func dial(ctx context.Context, s settings) (net.Conn, error) {
	if s.socket < 0 {
		if _, _, err := net.SplitHostPort(s.peer); err != nil {
			return nil, fmt.Errorf("peer %q is not of the form host:port: %w", s.peer, err)
		}
		d := net.Dialer{KeepAlive: 15 * time.Second}
		nc, err := d.DialContext(ctx, "tcp", s.peer)
		if err != nil {
			return nil, fmt.Errorf("connecting: %w", err)
		}
		return nc, nil
	}
	f, err := dupFile(s.socket, "socket")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("using socket %d: %w", s.socket, err)
	}
	return nc, nil
}

// dupFile takes a copy of a descriptor that no exec'd program inherits.
func dupFile(fd int, name string) (*os.File, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 3)
	if errno != 0 {
		return nil, fmt.Errorf("copying descriptor %d (%s): %w", fd, name, errno)
	}
	if err := syscall.SetNonblock(int(n), true); err != nil {
		return nil, fmt.Errorf("descriptor %d (%s): %w", fd, name, err)
	}
	return os.NewFile(n, name), nil
}

func names(b []byte) []string {
	var list []string
	for _, name := range bytes.Split(b, []byte{0}) {
		if len(name) > 0 {
			list = append(list, string(name))
		}
	}
	return list
}

// run ends the whole connection when one direction ends. A panic is the end
// of a connection, not of the host.
func (c *conn) run(what string, f func() error) {
	defer c.wg.Done()
	err := func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("internal error: %v", r)
			}
		}()
		return f()
	}()
	if err == nil { // the host ended it
		return
	}
	if err == io.EOF {
		err = errors.New("the peer closed the connection")
	}
	c.link.down(fmt.Errorf("%s: %w", what, err))
	_ = c.hangUp()
	c.end()
	c.signal()
}

func (c *conn) end() {
	c.ended.Do(func() { close(c.ending) })
	_ = c.toCore.SetReadDeadline(time.Unix(1, 0))
}

// hangUp closes the socket. Its number must not be in the link any more when
// another descriptor can have it.
func (c *conn) hangUp() error {
	atomic.StoreInt32((*int32)(unsafe.Pointer(&c.link.c.socket)), -1)
	return c.peer.Close()
}

// isEnding reports whether the host, or the other direction, has ended it.
func (c *conn) isEnding() bool {
	select {
	case <-c.ending:
		return true
	default:
		return false
	}
}

// close flushes, for at most timeout, and ends. It reports whether everything
// that was accepted has been written.
func (c *conn) close(timeout time.Duration) bool {
	c.end()
	stop := time.AfterFunc(timeout, func() { _ = c.hangUp() })
	defer stop.Stop()
	c.wg.Wait()
	_ = c.toCore.Close()
	_ = c.toHost.Close()
	return c.wrote.Load()
}

// send takes records off the outbound ring until the host ends.
func (c *conn) send() error {
	var dec flat.Decoder
	var ev event.Event
	for {
		ending := c.isEnding() // before the look at the ring
		some, err := c.drain(&dec, &ev)
		if err != nil {
			return err
		}
		if some {
			continue
		}
		if err := c.peer.Flush(); err != nil {
			return err
		}
		if ending {
			c.wrote.Store(true)
			return c.hangUp()
		}
		c.sleep()
	}
}

// drain sends what is in the outbound ring, and reports whether there was any.
func (c *conn) drain(dec *flat.Decoder, ev *event.Event) (bool, error) {
	out := c.link.out
	pos, head := out.Tail(), out.Head()
	if pos == head {
		return false, nil
	}
	for {
		rec, next, err := out.Next(pos, head)
		if err != nil {
			return true, err
		}
		if rec == nil {
			out.Release(next)
			return true, nil
		}
		if err := c.record(rec, dec, ev); err != nil {
			return true, err
		}
		pos = next
		out.Release(pos)
	}
}

// record sends one record.
func (c *conn) record(rec []byte, dec *flat.Decoder, ev *event.Event) error {
	switch kind := ring.Kind(rec); kind {
	case flat.KindFar:
		far, p, err := flat.Far(rec)
		if err != nil {
			return err
		}
		defer func() {
			atomic.AddUint64(c.link.farOut(), -uint64(len(far)))
			freeFar(p)
		}()
		return c.record(far, dec, ev)
	case flat.KindRequest:
		b, err := flat.Raw(rec)
		if err != nil {
			return err
		}
		return c.peer.Request(names(b))
	case flat.KindRaw:
		b, err := flat.Raw(rec)
		if err != nil {
			return err
		}
		defer atomic.AddUint64(c.link.done(), 1)
		return c.peer.SendSerial(b)
	case flat.KindEvent:
		defer atomic.AddUint64(c.link.done(), 1)
		return c.event(rec, dec, ev)
	default:
		return fmt.Errorf("%w: kind %d", ring.ErrCorrupt, kind)
	}
}

func (c *conn) event(rec []byte, dec *flat.Decoder, ev *event.Event) error {
	if err := dec.Event(rec, ev); err != nil {
		return err
	}
	if !c.peer.Wants(ev.Name) {
		atomic.AddUint64(c.link.unwanted(), 1)
		return nil
	}
	err := c.peer.Send(ev)
	if errors.Is(err, wire.ErrUnencodable) {
		atomic.AddUint64(c.link.refused(), 1)
		return nil
	}
	return err
}

// sleep waits until the host has produced something or made room.
func (c *conn) sleep() {
	atomic.StoreUint32(c.link.asleep(), 1)
	if c.link.out.Empty() && !c.isEnding() {
		var b [8]byte
		_, _ = c.toCore.Read(b[:]) // its errors are seen in what follows
	}
	atomic.StoreUint32(c.link.asleep(), 0)
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// receive puts what the peer sends into the inbound ring.
func (c *conn) receive() error {
	var ev event.Event
	var rec []byte
	for {
		err := c.peer.Next(&ev)
		if err != nil {
			if c.isEnding() {
				return nil
			}
			return err
		}
		atomic.StoreUint32(c.link.buffered(), uint32(c.peer.Buffered()))
		if cap(rec) > 2*nearMax {
			rec = nil
		}
		if rec, err = flat.AppendEvent(rec[:0], &ev); err != nil {
			continue // a value that C has no form for; the event is lost to it
		}
		if !c.hand(rec) {
			return nil
		}
	}
}

// hand puts a record into the inbound ring, waiting for room. It reports false
// when the connection ends meanwhile.
func (c *conn) hand(rec []byte) bool {
	if len(rec) > nearMax {
		return c.handFar(rec)
	}
	ok := c.wait(func() bool { return c.link.in.Put(rec) })
	if ok {
		c.signal()
	}
	return ok
}

// handFar hands over a pointer to a copy of the record.
func (c *conn) handFar(rec []byte) bool {
	size := uint64(len(rec))
	waiting := c.link.farIn()
	if !c.wait(func() bool {
		n := atomic.LoadUint64(waiting)
		return n == 0 || n+size <= farMax
	}) {
		return false
	}
	p := farRecord(rec)
	var far [16]byte
	binary.NativeEndian.PutUint32(far[:], uint32(len(far)))
	binary.NativeEndian.PutUint32(far[4:], flat.KindFar)
	*(*uintptr)(unsafe.Pointer(&far[8])) = uintptr(p)
	atomic.AddUint64(waiting, size)
	if !c.hand(far[:]) {
		atomic.AddUint64(waiting, -size)
		freeFar(p)
		return false
	}
	return true
}

// wait tries again whenever the host has made room, and reports false when the
// connection ends meanwhile.
func (c *conn) wait(try func() bool) bool {
	for !try() {
		atomic.StoreUint32(c.link.starved(), 1)
		if try() {
			break
		}
		select {
		case <-c.room:
		case <-time.After(roomPoll): // the sender may be held by the peer
		case <-c.ending:
			return false
		}
	}
	return true
}

// signal makes the host's descriptor readable, if it is not.
func (c *conn) signal() {
	if atomic.SwapUint32(c.link.signaled(), 1) == 0 {
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = c.toHost.Write(one[:])
	}
}
