package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/collector/refused"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/confine"
)

// work is what a core does.
type work struct {
	*place
	files *confine.Files
}

// core does each thing, and says what does not go.
func core() {
	p := here()
	w := work{p, p.enter()}
	fmt.Println(w.files.Report)
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"certificates", w.certificates},
		{"TLS by name", w.tls},
		{"names by UDP", w.dns},
		{"statistics", w.statistics},
		{"files of the folder", w.folder},
		{"refused events", w.refused},
		{"memory that is passed on", w.memory},
		{"processes of the host that connect", w.accept},
		{"the end of the host", w.hostEnds},
		{"eventfd", eventfd},
		{"signals", signals},
		{"faults", faults},
		{"threads and collections", goThreads},
		{"questions", questions},
		{"time zones", func() error { _, err := time.LoadLocation("America/New_York"); return err }},
	} {
		if err := step.do(); err != nil {
			fmt.Printf("%s: %v\n", step.name, err)
			continue
		}
		fmt.Printf("%s: ok\n", step.name)
	}
}

// certificates: the key is root's, and was read before.
func (w work) certificates() error {
	for _, path := range []string{w.CA, w.Cert, w.Key} {
		if b, err := w.files.Read(path); err != nil || len(b) == 0 {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func (w work) tls() error {
	ca, err := w.files.Read(w.CA)
	if err != nil {
		return err
	}
	cert, _ := w.files.Read(w.Cert)
	key, _ := w.files.Read(w.Key)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	dialer := net.Dialer{Timeout: time.Minute, KeepAlive: time.Minute}
	nc, err := dialer.Dial("tcp", w.Addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := tcp(nc.(*net.TCPConn)); err != nil {
		return err
	}
	c := tls.Client(nc, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, ServerName: "localhost"})
	if _, err := c.Write([]byte("event")); err != nil {
		return err
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if string(b) != "event" {
		return fmt.Errorf("%q came back", b)
	}
	return c.CloseWrite()
}

// tcp is what is asked and set of a connection.
func tcp(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	err = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 3})
	err = errors.Join(err, c.SetLinger(-1), c.SetNoDelay(true))
	return errors.Join(err, raw.Control(func(fd uintptr) {
		_, e1 := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		_, e2 := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		e3 := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 60_000)
		err = errors.Join(e1, e2, e3)
	}), err)
}

func (w work) dns() error {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", w.DNS)
	}}
	addrs, err := r.LookupHost(context.Background(), "sensor.example.")
	if err == nil && (len(addrs) != 1 || addrs[0] != "192.0.2.7") {
		err = fmt.Errorf("%v", addrs)
	}
	return err
}

func (w work) statistics() error {
	f, err := w.files.Append(w.Stats)
	if err != nil {
		return err
	}
	_, err = f.WriteString("line\n")
	return errors.Join(err, f.Sync(), f.Close())
}

// folder is what spool and journal do; all of package spool runs confined in its own test.
func (w work) folder() error {
	if !w.spools() {
		return nil
	}
	dir := filepath.Join(w.Folder, "broccoli-1")
	path := filepath.Join(dir, "ring")
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "log"), 0o700), os.WriteFile(path, make([]byte, 1<<20), 0o600)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	b[5] = 7
	var st unix.Statfs_t
	err = errors.Join(
		unix.Msync(b, unix.MS_SYNC),
		unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB),
		unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 1<<16, 1<<16),
		unix.Madvise(b[1<<18:1<<19], unix.MADV_REMOVE),
		unix.Munmap(b), f.Truncate(1<<19), f.Sync(), unix.Fdatasync(int(f.Fd())), unix.Statfs(dir, &st),
		os.Rename(path, path+".2"),
		unix.Renameat2(unix.AT_FDCWD, path+".2", unix.AT_FDCWD, path, unix.RENAME_NOREPLACE),
	)
	d, again := os.Open(dir)
	if again == nil {
		again = errors.Join(d.Sync(), d.Close())
	}
	entries, read := os.ReadDir(dir)
	if len(entries) != 2 {
		read = errors.Join(read, fmt.Errorf("%v", entries))
	}
	return errors.Join(err, again, read, os.Remove(path), os.RemoveAll(dir))
}

func (w work) spools() bool {
	return slices.Contains(w.Plan.Grants, confine.Grant{Path: w.Folder, Mode: confine.Folder})
}

// refused is written beside the spools.
func (w work) refused() error {
	if !w.spools() {
		return nil
	}
	f, err := refused.Open(filepath.Join(w.Folder, "refused.json"))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Add("192.0.2.1:9997", errors.New("no"), &event.Event{Name: "login"})
}

// memory goes there and back by descriptors.
func (w work) memory() error {
	fd, err := unix.MemfdCreate("ring", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, 1<<20); err != nil {
		return err
	}
	b, err := unix.Mmap(fd, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(b, "there and back")
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	err = errors.Join(err, unix.Madvise(b[1<<19:], unix.MADV_REMOVE),
		unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 1<<19, 1<<19),
		unix.Sendmsg(fdLink, []byte{1}, unix.UnixRights(fd), nil, 0))
	if err != nil {
		return err
	}
	one, oob := make([]byte, 1), make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(fdLink, one, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return err
	}
	theirs, err := passed(oob[:n])
	if err != nil {
		return err
	}
	m, err := unix.Mmap(theirs, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	if string(m[:14]) != "there and back" {
		return fmt.Errorf("%q came back", m[:14])
	}
	seals, err := unix.FcntlInt(uintptr(theirs), unix.F_GET_SEALS, 0)
	if err == nil && seals&unix.F_SEAL_SHRINK == 0 {
		err = errors.New("it may shrink")
	}
	return errors.Join(err, unix.Munmap(m), unix.Munmap(b), unix.Close(theirs))
}

func (w work) accept() error {
	f := os.NewFile(fdListen, "listen")
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	_ = raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err == nil && int(peer.Pid) != w.host {
		err = fmt.Errorf("it is %d", peer.Pid)
	}
	b, again := io.ReadAll(c)
	if string(b) != "hello" {
		again = errors.Join(again, fmt.Errorf("%q came", b))
	}
	return errors.Join(err, again)
}

// hostEnds would be readable.
func (w work) hostEnds() error {
	fd, err := unix.PidfdOpen(w.host, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	if n != 0 {
		err = errors.Join(err, errors.New("it is gone"))
	}
	return err
}

func eventfd() error {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "bell")
	defer f.Close()
	go func() { _, _ = f.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0}) }()
	_, err = f.Read(make([]byte, 8))
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 100)
	}
	return err
}

// signals to ourselves: Go's own, and one that a program asked for.
func signals() error {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, unix.SIGTERM)
	if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
		return err
	}
	select {
	case <-ch:
		return nil
	case <-time.After(time.Minute):
		return errors.New("none came")
	}
}

func faults() (err error) {
	defer func() {
		if recover() == nil {
			err = errors.New("no fault")
		}
	}()
	var p *place
	fmt.Fprint(io.Discard, p.host)
	return nil
}

// goThreads has the runtime start threads, stop busy ones by signals, and return memory.
func goThreads() error {
	var over sync.WaitGroup
	stop := make(chan struct{})
	over.Go(func() {
		for i := 0; ; i++ {
			if i%(1<<28) == 0 {
				select {
				case <-stop:
					return
				default:
				}
			}
		}
	})
	for range 30 {
		over.Go(func() {
			runtime.LockOSThread() // the thread ends with it
			time.Sleep(10 * time.Millisecond)
		})
	}
	waste := make([][]byte, 64)
	for i := range waste {
		waste[i] = make([]byte, 1<<18)
		for j := 0; j < len(waste[i]); j += 4096 {
			waste[i][j] = 1
		}
	}
	runtime.GC()
	waste = nil
	debug.FreeOSMemory()
	close(stop)
	over.Wait()
	return nil
}

func questions() error {
	var limit unix.Rlimit
	var usage unix.Rusage
	var names unix.Utsname
	_, random := rand.Read(make([]byte, 64))
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil && len(strings.TrimSpace(string(boot))) != 36 {
		err = fmt.Errorf("%q", boot)
	}
	_, name := os.Hostname()
	return errors.Join(err, random, name, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit), unix.Getrusage(0, &usage), unix.Uname(&names))
}
