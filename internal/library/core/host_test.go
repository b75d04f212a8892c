package core

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	ossignal "os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/library/spool"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// enough is for what must come in the end; nothing depends on how long it takes.
const enough = 30 * time.Second

const ringSize = 1 << 20

// front is what the front makes for a connection, and does with it.
type front struct {
	link *link
	set  Settings
	out  *ring.Ring
}

// newFront is that of a connection to addr that reconnects.
func newFront(t *testing.T, addr string) *front {
	t.Helper()
	l := new(shared.Link)
	out, in := make([]byte, ringSize), make([]byte, ringSize)
	f := &front{out: ring.New(&l.Out, out)}
	f.link = view(Memory{Link: l, Out: ring.New(&l.Out, out), In: ring.New(&l.In, in), Far: heap{}})
	f.link.open()
	f.set = Settings{
		peer: addr, socket: -1, toCore: eventfd(t), toHost: eventfd(t), reconnect: true,
		timeout: 10 * time.Second, retry: time.Second, silence: time.Minute,
	}
	return f
}

func eventfd(t *testing.T) int {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// spooled gives it a spool, and returns the folder of that.
func (f *front) spooled(t *testing.T, dir string) string {
	t.Helper()
	h := new(spool.Header)
	copy(h.Magic[:], "BroSpool")
	h.Layout, h.RingSize = 1, ringSize
	copy(h.Peer[:], f.set.peer)
	f.link.Spool = h
	folder, err := os.MkdirTemp(dir, "broccoli-")
	require.NoError(t, err)
	lock, err := os.Create(filepath.Join(folder, "lock"))
	require.NoError(t, err)
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	t.Cleanup(func() { _ = lock.Close() })
	f.set.spool = spoolSettings{folder: folder, sync: time.Second}
	return folder
}

// put sends a record, if there is room for it.
func (f *front) put(rec []byte) bool {
	if !f.out.Put(rec) {
		return false
	}
	f.out.Publish()
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(f.set.toCore, one[:])
	return true
}

// rawRecord is one whose content the core passes on as it is.
func rawRecord(kind uint32, content []byte) []byte {
	rec := make([]byte, 16+(len(content)+7)&^7)
	binary.NativeEndian.PutUint32(rec, uint32(len(rec)))
	binary.NativeEndian.PutUint32(rec[4:], kind)
	binary.NativeEndian.PutUint64(rec[8:], uint64(len(content)))
	copy(rec[16:], content)
	return rec
}

// listening hands each peer that comes to f.
func listening(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go f(nc)
		}
	}()
	return l.Addr().String()
}

// swallow takes all that a peer sends, and returns how many events that was.
func swallow(p *peer.Conn) (n int) {
	for ev := new(event.Event); p.Next(ev) == nil; n++ {
	}
	return n
}

// TestRequestWhileConnecting: the peer is asked for what the host has asked for
// while the connection was being made.
func TestRequestWhileConnecting(t *testing.T) {
	for name, withSpool := range map[string]bool{"without a spool": false, "with a spool": true} {
		t.Run(name, func(t *testing.T) {
			shake := make(chan bool)
			wants := make(chan *peer.Conn, 1)
			f := newFront(t, listening(t, func(nc net.Conn) {
				shake <- true // somebody is there
				shake <- true // and has waited long enough
				if p, err := peer.Open(t.Context(), nc, peer.Config{}); err == nil {
					wants <- p
					swallow(p)
				}
			}))
			if withSpool {
				f.spooled(t, t.TempDir())
			}
			f.set.background = true
			c, err := open(f.link, f.set)
			require.ErrorIs(t, err, errBackground)
			<-shake
			time.Sleep(50 * time.Millisecond) // it has said what it wants, and waits for the answer
			require.True(t, f.put(rawRecord(flat.KindRequest, []byte("late\x00"))))
			time.Sleep(50 * time.Millisecond)
			<-shake
			p := <-wants
			require.Eventually(t, func() bool { return p.Wants("late") }, enough, time.Millisecond)
			require.True(t, c.close(time.Second))
		})
	}
}

// TestOrphanThatCannotBeWritten: what a process has left, and what there is no
// room for on the disk, holds nothing up.
func TestOrphanThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	f := newFront(t, listening(t, func(nc net.Conn) {
		if p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"e"}}); err == nil {
			swallow(p)
		}
	}))
	f.spooled(t, dir)
	leave(t, f, dir)
	ossignal.Ignore(syscall.SIGXFSZ)
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 0, Max: limit.Max}))
	defer unix.Setrlimit(unix.RLIMIT_FSIZE, &limit)
	c, err := open(f.link, f.set)
	require.NoError(t, err)
	closed := make(chan bool, 1)
	go func() { closed <- c.close(time.Second) }()
	select {
	case <-closed:
	case <-time.After(enough):
		t.Fatal("close() does not come back")
	}
}

// leave makes what a process leaves that had an event for f's peer in its ring.
func leave(t *testing.T, f *front, dir string) {
	t.Helper()
	file := make([]byte, 4096+ringSize)
	h := (*spool.Header)(unsafe.Pointer(&file[0]))
	*h = *f.link.Spool
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	require.NoError(t, err)
	copy(h.Boot[:], boot[:len(boot)-1])
	payload, err := new(wire.Encoder).AppendSerialEvent(nil, &event.Event{Name: "e"})
	require.NoError(t, err)
	r := ring.New(&h.Ring, file[4096:])
	require.True(t, r.Put(rawRecord(flat.KindRaw, payload)))
	r.Publish()
	folder, err := os.MkdirTemp(dir, "broccoli-")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "ring"), file, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "lock"), nil, 0o600))
}

// TestTalkativePeerGetsAll: a host that has no time for what its peer sends ends,
// and what it has sent arrives all the same.
func TestTalkativePeerGetsAll(t *testing.T) {
	arrived := make(chan int, 1)
	f := newFront(t, listening(t, func(nc net.Conn) {
		p, err := peer.Open(t.Context(), nc, peer.Config{Requests: []string{"mine"}})
		if !assert.NoError(t, err) {
			return
		}
		go func() {
			for p.Send(&event.Event{Name: "yours", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 1000)}}}) == nil {
			}
		}()
		time.Sleep(300 * time.Millisecond) // it is a little slow
		arrived <- swallow(p)
	}))
	f.set.requests = []byte("yours\x00")
	c, err := open(f.link, f.set)
	require.NoError(t, err)
	in := f.link.in
	require.Eventually(t, func() bool { return in.Head()-in.Tail() > ringSize/8*7 }, enough, time.Millisecond)
	rec, err := flat.AppendEvent(nil, &event.Event{Name: "mine", Args: []event.Value{{Type: event.String, Bytes: make([]byte, 100_000)}}})
	require.NoError(t, err)
	sent := 0
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
		if f.put(rec) {
			sent++
		} else {
			time.Sleep(time.Millisecond)
		}
	}
	require.True(t, c.close(enough))
	require.Equal(t, sent, <-arrived)
	require.EqualValues(t, sent, atomic.LoadUint64(f.link.done()))
}

// TestLateSession: one that comes up when the time for ending is over is ended.
func TestLateSession(t *testing.T) {
	f := newFront(t, listening(t, func(nc net.Conn) {
		_, _ = peer.Open(t.Context(), nc, peer.Config{}) // and confirms nothing
	}))
	f.set.confirm = true
	c := &conn{
		link: f.link, set: f.set, journal: delivery.NewJournal(journalMax),
		ending: make(chan struct{}), late: make(chan struct{}), run: newRun(),
	}
	var err error
	c.toCore, err = newBell(f.set.toCore, "to core")
	require.NoError(t, err)
	c.toHost, err = newBell(f.set.toHost, "to host")
	require.NoError(t, err)
	c.journal.Add([]byte("left over"), 1)
	p, err := c.connect()
	require.NoError(t, err)
	close(c.ending)
	close(c.late)
	over := make(chan error, 1)
	go func() { over <- c.session(c.run, p) }()
	select {
	case err := <-over:
		require.ErrorIs(t, err, errLate)
	case <-time.After(enough):
		t.Fatal("it goes on for ever")
	}
}

// TestPanicWhileReconnecting ends an attempt, not the process.
func TestPanicWhileReconnecting(t *testing.T) {
	f := newFront(t, listening(t, func(nc net.Conn) { _ = nc.Close() }))
	f.link.s = nil // a fault of our own
	c := &conn{core: new(Core), link: f.link, set: f.set, ending: make(chan struct{}), late: make(chan struct{}), run: newRun()}
	require.NoError(t, c.prepare())
	c.explained = true // nothing else needs the link
	go c.supervise(nil)
	time.Sleep(100 * time.Millisecond) // the first attempt is made at once
}

// heap has large records for a test that never frees them.
type heap struct{}

func (heap) Get(at, size uint64) ([]byte, error)   { return nil, errors.New("there is none") }
func (heap) Free(at, size uint64)                  {}
func (heap) Put(rec []byte) (at uint64, fits bool) { return 1, true }
func (heap) Back(at, size uint64)                  {}
