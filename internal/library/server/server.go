package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/library/confine"
	"github.com/romanesco-broccoli/romanesco/internal/library/core"
)

// Server has the connections of all hosts that use one core.
type Server struct {
	core     core.Core
	version  string
	owners   *owners
	failed   error // why it can serve nobody
	plan     *confine.Plan
	listener *net.UnixListener // nil: nobody can find the core
	uid      int               // of who has started it
	locked   *os.File          // while it is, no other core listens there

	hosts sync.WaitGroup // sockets of hosts, and links

	mu     sync.Mutex
	served map[descriptorOf]chan struct{} // memory that is served: closed when it is not any more
	trunks map[string]*trunk              // by what their connections have in common
}

// New makes one of that version of Romanesco: it serves no other.
func New(version string) *Server {
	return &Server{
		core: core.Core{Version: version}, version: version, owners: newOwners(),
		served: make(map[descriptorOf]chan struct{}), trunks: make(map[string]*trunk),
	}
}

// Serve takes links from the socket that the program was started with, until the last host
// that has it, or is served, is gone. The first word of the host says what the process may
// keep; all else is given up then, for good. Where that fails the next host is told why.
func (s *Server) Serve(socket *os.File) error {
	c, err := packets(socket)
	if err != nil {
		return err
	}
	defer c.Close()
	first, err := readAttach(c)
	if err != nil {
		return fmt.Errorf("waiting for the first word of the host: %w", err)
	}
	first.files.close()
	if first.kind != kindBegin {
		return fmt.Errorf("%w: it begins with kind %d", errMessage, first.kind)
	}
	if s.failed = s.confine(first.rest); s.failed != nil {
		return s.refuse(c)
	}
	s.hosts.Go(func() { s.takeLinks(c) })
	if s.listener != nil {
		go s.acceptHosts()
	}
	s.hosts.Wait()
	return nil
}

// confine has the process give up what it does not need for these settings.
func (s *Server) confine(settings []byte) error {
	set, err := core.ParseSettings(settings)
	if err != nil {
		return err
	}
	plan, err := set.Plan()
	if err != nil {
		return err
	}
	if path := set.Listen(); path != "" {
		s.listen(path)
	}
	if plan == nil {
		return nil
	}
	s.plan = plan
	defer patience(confineTime)()
	s.core.Files, err = confine.Enter(*plan)
	return err
}

// elsewhere is an answer for the library alone: another core is to be started.
const elsewhere core.Result = 3

var errOther = errors.New("the core that is there was started for other files, or another user")

// covers reports whether what a connection needs was granted when the core began.
func (s *Server) covers(set *core.Settings) bool {
	plan, err := set.Plan()
	switch {
	case err != nil || s.plan == nil && plan == nil:
		return true // an error is told by the core
	case s.plan == nil || plan == nil || plan.User != s.plan.User || plan.Must && !s.plan.Must:
		return false
	}
	return !slices.ContainsFunc(plan.Grants, func(g confine.Grant) bool { return !slices.Contains(s.plan.Grants, g) })
}

// refuse tells one host why nobody is served.
func (s *Server) refuse(c *net.UnixConn) error {
	a, err := readAttach(c)
	if err != nil {
		return err
	}
	s.serve(a)
	return s.failed
}

// packets is a socket that was inherited.
func packets(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("using the socket of the host: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, errors.New("the socket of the host is none of the machine's")
	}
	return u, nil
}

// takeLinks serves each link that comes, until nobody has the other end any more.
func (s *Server) takeLinks(c *net.UnixConn) {
	for {
		a, err := readAttach(c)
		switch {
		case errors.Is(err, io.EOF):
			return
		case errors.Is(err, errMessage):
			continue
		case err != nil:
			return
		case a.kind != kindAttach:
			a.files.close()
			continue
		}
		s.hosts.Go(func() { s.serve(a) })
	}
}

// serve serves one link to its end. What is wrong with it the host sees as the end of its
// stream: it has no right to more.
func (s *Server) serve(a *attach) {
	defer a.files.close()
	defer func() { _ = recover() }() // of one host, and not of all
	if len(a.files) < 2 {
		return
	}
	defer s.claim(a.files[1])()
	l, err := s.open(a)
	if err != nil {
		return
	}
	defer l.close()
	l.run()
}

// claim waits until nobody serves that memory, and returns what ends our turn: a host that
// has closed its descriptors, and connects anew, comes while what it had accepted is written.
func (s *Server) claim(memory *os.File) func() {
	id, done := identify(memory), make(chan struct{})
	for {
		s.mu.Lock()
		before, ok := s.served[id]
		if !ok {
			s.served[id] = done
			s.mu.Unlock()
			break
		}
		s.mu.Unlock()
		<-before
	}
	return func() {
		s.mu.Lock()
		delete(s.served, id)
		s.mu.Unlock()
		close(done)
	}
}

// open looks at what came with an attach.
func (s *Server) open(a *attach) (*link, error) {
	need := 2
	if a.with&withProcess != 0 {
		need++
	}
	if a.with&withSpool != 0 {
		need += 2
	}
	if len(a.files) != need {
		return nil, fmt.Errorf("%w: %d descriptors where %d are to be", errMessage, len(a.files), need)
	}
	stream, err := packets(a.files[0])
	if err != nil {
		return nil, err
	}
	l := &link{server: s, stream: stream, fits: a.version == s.version}
	rest := a.files[2:]
	if a.with&withProcess != 0 {
		l.process, rest = pollable(rest[0]), rest[1:]
		a.files[2] = l.process
	}
	var spoolRing *os.File
	if a.with&withSpool != 0 {
		spoolRing = rest[0] // and the lock, which is open as long as the link is served
	}
	if l.mapped, err = mapLink(a.files[1], spoolRing); err != nil {
		_ = stream.Close()
		return nil, err
	}
	s.owners.add(l.Link)
	return l, nil
}

// closeTime is how long what a host has accepted may take to be written, once that is gone.
const closeTime = 5 * time.Second

// link is one connection of a host.
type link struct {
	*mapped
	server    *Server
	stream    *net.UnixConn
	process   *os.File // nil: the kernel has none
	fits      bool     // the host is of our version
	wakers    files    // of the last connect
	closed    bool     // the host has ended it
	member    *member  // of a trunk; nil: it has a connection of its own
	connected bool     // or is to have one
}

// run does what the host asks for, until it ends the connection or is gone.
func (l *link) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if l.process != nil {
		go l.awaitProcess(ctx)
	}
	for !l.closed {
		m, err := readMessage(l.stream)
		if err != nil {
			return
		}
		if err := answer(l.stream, l.do(m)); err != nil {
			return
		}
	}
}

// awaitProcess ends the stream with the process, whoever has copies of its other end.
func (l *link) awaitProcess(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = l.process.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := l.process.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool { return ended(int(fd)) })
	// What it has asked for before is there to be read, and is done: the spool, say.
	_ = l.stream.SetReadDeadline(time.Now().Add(lastWords))
}

// lastWords is longer than reading takes of what a host that is gone has written.
const lastWords = 100 * time.Millisecond

func (l *link) do(m *message) uint32 {
	switch m.kind {
	case kindConnect:
		return uint32(l.connect(m))
	case kindClose:
		m.files.close()
		return l.end(m)
	default:
		m.files.close()
		return 0
	}
}

func (l *link) connect(m *message) core.Result {
	need := 2
	if m.with&withSocket != 0 {
		need++
	}
	l.wakers.close()
	if l.wakers = m.files; len(m.files) != need || !wakes(m.files[0]) || !wakes(m.files[1]) {
		l.wakers.close() // one may be the host's end of our own stream
		return core.Refuse(l.Memory, errMessage)
	}
	if !l.fits {
		return core.Refuse(l.Memory, fmt.Errorf("the core beside libbroccoli is of version %s: install both from one build", l.server.version))
	}
	if failed := l.server.failed; failed != nil {
		l.closed = true
		return core.Refuse(l.Memory, failed)
	}
	s, err := core.ParseSettings(m.body)
	if err != nil {
		return core.Refuse(l.Memory, err)
	}
	if !l.server.covers(&s) {
		l.closed = true
		core.Refuse(l.Memory, errOther)
		return elsewhere
	}
	socket := -1
	if need > 2 {
		socket = number(m.files[2])
		defer m.files[2].Close() // the core takes a copy
	}
	s.Wake(number(m.files[0]), number(m.files[1]), socket)
	s.LogTo(&l.Link.TakesLog)
	if m.with&quietly != 0 {
		s.Quietly()
	}
	if s.Share() && (l.member != nil || l.fresh()) {
		return l.server.join(l, s, shareKey(m.body))
	}
	return l.server.core.Connect(l.Memory, s)
}

// fresh reports whether nothing has connected the link yet.
func (l *link) fresh() bool {
	first := !l.connected
	l.connected = true
	return first
}

// end writes what was accepted, in the time that the host gives.
func (l *link) end(m *message) uint32 {
	timeout := closeTime
	if len(m.body) == 4 {
		timeout = min(time.Minute, time.Duration(native.Uint32(m.body))*time.Millisecond)
	}
	l.closed = true
	if l.write(timeout) {
		return 1
	}
	return 0
}

// write writes what the host has accepted, for at most that long, and ends the connection.
func (l *link) write(timeout time.Duration) bool {
	if l.member != nil {
		return l.member.trunk.leave(l.member, timeout)
	}
	return l.server.core.Close(timeout, l.Memory)
}

// errGone is what a host may see that is not: it has closed the stream.
var errGone = errors.New("the host has closed the descriptors of the library")

// close writes what a host that is gone has accepted.
func (l *link) close() {
	if !l.closed {
		core.Abandon(l.Memory, errGone)
		l.write(closeTime)
	}
	l.server.owners.remove(l.Link)
	l.wakers.close()
	_ = l.stream.Close()
	l.unmap()
}
