package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

const testVersion = "test"

// serving has a core, unconfined, as it is after the first word of its host, and returns what
// the host has of it. It must end with that.
func serving(t *testing.T) *os.File {
	t.Helper()
	ours, theirs := pair(t, unix.SOCK_SEQPACKET)
	done := make(chan error, 1)
	go func() { done <- New(testVersion).Serve(theirs) }()
	send(t, ours, append(attachHeader(kindBegin, 0), settings("core_sandbox", "no")...))
	t.Cleanup(func() {
		_ = ours.Close()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(30 * time.Second):
			t.Error("the core does not end with its last host")
		}
	})
	return ours
}

func pair(t *testing.T, kind int) (*os.File, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	return os.NewFile(uintptr(fds[0]), "host's end"), os.NewFile(uintptr(fds[1]), "core's end")
}

// settings are as config_text() writes them, without requests.
func settings(text ...string) (b []byte) {
	for _, s := range text {
		b = append(append(b, s...), 0)
	}
	return append(b, 0)
}

func attachHeader(kind, with uint32) []byte {
	b := native.AppendUint32(native.AppendUint32(nil, kind), with)
	b = append(b, testVersion...)
	return append(b, make([]byte, attachSize-len(b))...)
}

func messageHeader(kind, with, size uint32) []byte {
	return native.AppendUint32(native.AppendUint32(native.AppendUint32(nil, kind), with), size)
}

func send(t *testing.T, to *os.File, b []byte, with ...*os.File) {
	t.Helper()
	require.NoError(t, sendTo(to, b, with...))
}

func sendTo(to *os.File, b []byte, with ...*os.File) error {
	var rights []byte
	if len(with) > 0 {
		fds := make([]int, len(with))
		for i, f := range with {
			fds[i] = number(f)
		}
		rights = unix.UnixRights(fds...)
	}
	return unix.Sendmsg(number(to), b, rights, nil, unix.MSG_NOSIGNAL)
}

const wholeSize = shared.AtOut + shared.RingBytes + farRingsSize

// memory is as link_new_outside() makes it.
func memory(t *testing.T, size int64, withSeals bool) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "memory")
	require.NoError(t, f.Truncate(size))
	if withSeals {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals|unix.F_SEAL_SEAL)
		require.NoError(t, err)
	}
	return f
}

// front is a host's side of one link.
type front struct {
	stream         *os.File
	link           *shared.Link
	bytes          []byte
	out            *ring.Ring
	toCore, toHost *os.File
	files          files
}

func attached(t *testing.T, control *os.File) *front {
	t.Helper()
	m := memory(t, wholeSize, true)
	b, err := unix.Mmap(number(m), 0, wholeSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	ours, theirs := pair(t, unix.SOCK_STREAM)
	send(t, control, attachHeader(kindAttach, 0), theirs, m)
	_ = theirs.Close()
	f := &front{stream: ours, bytes: b, link: (*shared.Link)(unsafe.Pointer(&b[0])), toCore: eventfd(t), toHost: eventfd(t)}
	f.out = ring.New(&f.link.Out, b[shared.AtOut:shared.AtOut+shared.RingBytes])
	f.files = files{m, ours, f.toCore, f.toHost}
	return f
}

func eventfd(t *testing.T) *os.File {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	require.NoError(t, err)
	return os.NewFile(uintptr(fd), "eventfd")
}

func (f *front) close() {
	f.files.close()
	_ = unix.Munmap(f.bytes)
}

// ask sends a message, and waits for the answer.
func (f *front) ask(kind, with uint32, body []byte, fds ...*os.File) (result uint32, err error) {
	if err := sendTo(f.stream, messageHeader(kind, with, uint32(len(body))), fds...); err != nil {
		return 0, err
	}
	if len(body) > 0 {
		if err := sendTo(f.stream, body); err != nil {
			return 0, err
		}
	}
	b := make([]byte, 4)
	_, err = io.ReadFull(f.stream, b)
	return native.Uint32(b), err
}

func (f *front) connect(addr string) (uint32, error) {
	atomic.StoreUint32(&f.link.State, shared.Opening)
	return f.ask(kindConnect, 0, settings("core_sandbox", "no", "peer", addr, "timeout_ms", "10000", "retry_ms", "1000"), f.toCore, f.toHost)
}

func (f *front) put(t *testing.T, n uint64) {
	t.Helper()
	rec, err := flat.AppendEvent(nil, &event.Event{Name: "tick", Time: 1, Args: []event.Value{{Type: event.Count, Bits: n}}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return f.out.Put(rec) }, 20*time.Second, time.Millisecond)
	atomic.AddUint64(&f.link.Accepted, 1)
	f.out.Publish()
	f.wake()
}

func (f *front) wake() { _, _ = f.toCore.Write(native.AppendUint64(nil, 1)) }

// ticks is a peer that counts the events of all connections.
type ticks struct {
	addr string
	mu   sync.Mutex
	got  []uint64
}

func newTicks(t *testing.T) *ticks {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &ticks{addr: l.Addr().String()}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go s.take(nc)
		}
	}()
	return s
}

func (s *ticks) take(nc net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	p, err := peer.Open(ctx, nc, peer.Config{Requests: []string{"tick"}})
	if err != nil {
		return
	}
	for ev := new(event.Event); p.Next(ev) == nil; {
		if len(ev.Args) == 1 && ev.Args[0].Type == event.Count {
			s.mu.Lock()
			s.got = append(s.got, ev.Args[0].Bits)
			s.mu.Unlock()
		}
	}
}

// good is a host that sends as it should while others do not, and gets all of it delivered.
func good(t *testing.T, control *os.File) (stop func()) {
	t.Helper()
	peer := newTicks(t)
	f := attached(t, control)
	result, err := f.connect(peer.addr)
	require.NoError(t, err)
	require.EqualValues(t, 1, result, "connected")
	halt, sent := make(chan struct{}), make(chan uint64)
	go func() {
		n := uint64(0)
		for ; ; n++ {
			select {
			case <-halt:
				sent <- n
				return
			case <-time.After(time.Millisecond):
				f.put(t, n)
			}
		}
	}()
	return func() {
		close(halt)
		n := <-sent
		result, err := f.ask(kindClose, 0, native.AppendUint32(nil, 20000))
		require.NoError(t, err)
		require.EqualValues(t, 1, result, "all was written")
		require.Eventually(t, func() bool {
			peer.mu.Lock()
			defer peer.mu.Unlock()
			return len(peer.got) == int(n)
		}, 20*time.Second, time.Millisecond, fmt.Sprint(n))
		for i, got := range peer.got {
			require.EqualValues(t, i, got)
		}
		f.close()
	}
}
