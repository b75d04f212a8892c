package sshdtest

import (
	"encoding/binary"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Kinds of messages, of sensor-msg.h.
const (
	connNew  = 5
	authOK   = 7
	session  = 11
	dataCut  = 21
	allKinds = 40
)

// message makes one in the sensor's layout, with one text.
func message(kind int, num int64, text string) []byte {
	b := make([]byte, 120, 120+len(text))
	binary.NativeEndian.PutUint32(b, uint32(kind))
	binary.NativeEndian.PutUint64(b[16:], uint64(num))
	binary.NativeEndian.PutUint32(b[88:], uint32(len(text)))
	return append(b, text...)
}

// TestForged: a process of a user, as whom the kernel knows it, is believed what
// is about channels of its connection, and nothing else.
func TestForged(t *testing.T) {
	s := newServer(t, settings{})
	i := slices.IndexFunc(sockets(t), func(path string) bool { return !slices.Contains(s.before, path) })
	nc, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: sockets(t)[i], Net: "unixpacket"})
	require.NoError(t, err)
	defer nc.Close()
	uid, err := strconv.Atoi(m.uid)
	require.NoError(t, err)
	send := func(uid int, b []byte) {
		who := syscall.UnixCredentials(&syscall.Ucred{Pid: int32(os.Getpid()), Uid: uint32(uid)})
		_, _, err := nc.WriteMsgUnix(b, who, nil)
		require.NoError(t, err)
	}
	all := func(uid int) {
		for kind := range allKinds {
			if kind < session || kind > dataCut {
				send(uid, message(kind, 4, "forged"))
			}
		}
	}
	all(uid) // nothing has begun
	send(0, message(connNew, 77, ""))
	all(uid) // nobody has logged in
	send(0, message(authOK, int64(uid), m.name))
	all(uid)
	all(uid + 1)
	send(uid+1, message(session, 0, "shell"))
	send(uid, message(session, 0, "exec"))
	require.NoError(t, nc.Close())
	s.ended(77)
	require.Equal(t, []string{"conn_new :: 0/tcp :: 0/tcp", "auth_ok " + m.name + " " + m.uid + " 0",
		"channel_new_session 0 exec", "channel_cleanup 0", "conn_end"},
		texts(s.take(func(got) bool { return true })))
	require.Empty(t, s.more)
}
