// Package server is the core as a process of its own: it takes connections from the hosts
// that started it, or found it, and keeps them apart. What a host writes, into a message or
// into the memory that is shared with it, is checked as what a stranger has written.
package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Kinds of messages, and what comes with them: capi/core_message.h.
const (
	kindBegin   = 1
	kindAttach  = 2
	kindConnect = 3
	kindClose   = 4

	withProcess = 1
	withSpool   = 2
	withSocket  = 4
	quietly     = 8

	attachSize  = 8 + 32
	messageSize = 12
	messageMax  = 8 << 20
	beginMax    = 64 << 10
	filesMax    = 6
)

var native = binary.NativeEndian

var errMessage = errors.New("a message of the host does not hold together")

// files are descriptors that came with a message; all are closed in the end.
type files []*os.File

func (f files) close() {
	for _, file := range f {
		_ = file.Close()
	}
}

// number is the descriptor of a file, which stays as it is: Fd() would change what the host
// shares with us.
func number(f *os.File) (n int) {
	n = -1
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { n = int(fd) })
	}
	return n
}

// received makes files of what came with a message.
func received(oob []byte) (files, error) {
	var all files
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMessage, err)
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue // something else
		}
		for _, fd := range fds {
			all = append(all, os.NewFile(uintptr(fd), "from the host"))
		}
	}
	return all, nil
}

// hungUp reports whether nobody has the other end: an empty packet looks the same as that.
func hungUp(c *net.UnixConn) (is bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(p, 0)
		is = err != nil || n > 0
	})
	return is || err != nil
}

// attach is a CORE_BEGIN or CORE_ATTACH.
type attach struct {
	kind, with uint32
	version    string
	rest       []byte
	files      files
}

// readAttach reads one from a socket of packets.
func readAttach(c *net.UnixConn) (*attach, error) {
	b, oob := make([]byte, beginMax), make([]byte, unix.CmsgSpace(4*filesMax))
	n, oobn, flags, _, err := c.ReadMsgUnix(b, oob)
	if errors.Is(err, io.EOF) && !hungUp(c) {
		if all, err := received(oob[:oobn]); err == nil {
			all.close()
		}
		return nil, fmt.Errorf("%w: an empty packet", errMessage)
	}
	if err != nil {
		return nil, err
	}
	all, err := received(oob[:oobn])
	if err != nil {
		return nil, err
	}
	if n < attachSize || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		all.close()
		return nil, fmt.Errorf("%w: %d bytes, flags %#x", errMessage, n, flags)
	}
	version, _, _ := bytes.Cut(b[8:attachSize], []byte{0})
	return &attach{
		kind: native.Uint32(b), with: native.Uint32(b[4:]),
		version: string(version), rest: b[attachSize:n], files: all,
	}, nil
}

// message is a CORE_CONNECT or CORE_CLOSE.
type message struct {
	kind, with uint32
	body       []byte
	files      files
}

// readMessage reads one from the stream of a link.
func readMessage(c *net.UnixConn) (*message, error) {
	head, oob := make([]byte, messageSize), make([]byte, unix.CmsgSpace(4*filesMax))
	n, oobn, flags, _, err := c.ReadMsgUnix(head, oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	all, err := received(oob[:oobn])
	if err != nil {
		return nil, err
	}
	m := &message{files: all}
	if flags&unix.MSG_CTRUNC != 0 {
		err = fmt.Errorf("%w: too many descriptors", errMessage)
	} else if _, err = io.ReadFull(c, head[n:]); err == nil {
		err = m.read(c, head)
	}
	if err != nil {
		all.close()
		return nil, err
	}
	return m, nil
}

func (m *message) read(c io.Reader, head []byte) error {
	m.kind, m.with = native.Uint32(head), native.Uint32(head[4:])
	size := native.Uint32(head[8:])
	if size > messageMax {
		return fmt.Errorf("%w: %d bytes", errMessage, size)
	}
	var body bytes.Buffer // which grows by what comes, and not by what is promised
	if _, err := io.CopyN(&body, c, int64(size)); err != nil {
		return err
	}
	m.body = body.Bytes()
	return nil
}

// answer is a struct core_answer.
func answer(c io.Writer, result uint32) error {
	_, err := c.Write(native.AppendUint32(nil, result))
	return err
}
