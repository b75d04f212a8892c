package hosttest

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// handleSlowly reads as Zeek does, each event for so long, until the connection
// ends, and the one of the number last for long; a ping of its own has to be answered
// before the next one is due. It returns how many events came, and whether a close
// frame was the end.
func (z *rawZeek) handleSlowly(each, ping time.Duration, last int, long time.Duration) (events int, closed bool, err error) {
	_ = z.SetReadDeadline(time.Time{})
	pinged, answered := time.Now(), true
	for {
		if time.Since(pinged) > ping {
			if !answered {
				return events, false, os.ErrDeadlineExceeded
			}
			if err := ws.WriteFrame(z, ws.NewPingFrame(nil)); err != nil {
				return events, false, err
			}
			pinged, answered = time.Now(), false
		}
		op, payload, err := z.frame()
		if err == io.EOF {
			return events, false, nil
		}
		if err != nil {
			return events, false, err
		}
		switch op {
		case ws.OpPing:
			err = ws.WriteFrame(z, ws.NewPongFrame(payload))
		case ws.OpPong:
			answered = true
		case ws.OpClose:
			return events, true, ws.WriteFrame(z, ws.NewCloseFrame(payload))
		default:
			time.Sleep(each)
			if events++; events == last {
				time.Sleep(long)
			}
		}
		if err != nil {
			return events, false, err
		}
	}
}

// TestSlowZeekGetsEverything from a program that sends as fast as it can and then
// ends by bro_conn_delete(), which waits for what is not read yet.
func TestSlowZeekGetsEverything(t *testing.T) {
	t.Parallel()
	const n = 4000
	type end struct {
		events int
		closed bool
		err    error
	}
	for name, conf := range map[string]string{"plain": "", "confirmed": "/broccoli/confirm yes\n/broccoli/zeek_confirm ping\n"} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			ended := make(chan end, 1)
			go func() {
				nc, err := l.Accept()
				if err != nil {
					ended <- end{err: err}
					return
				}
				defer nc.Close()
				var e end
				e.events, e.closed, e.err = newRawZeek(t, nc).handleSlowly(400*time.Microsecond, 3*time.Second, n-5, 2*time.Second)
				ended <- e
			}()
			cmd := run(t, "host", "flood", "ws://"+l.Addr().String(), strconv.Itoa(n), "100")
			file := filepath.Join(t.TempDir(), "broccoli.conf")
			require.NoError(t, os.WriteFile(file, []byte(conf), 0o600))
			cmd.Env = append(cmd.Env, "BROCCOLI_CONFIG_FILE="+file)
			out, err := cmd.Output()
			require.NoError(t, err)
			t.Logf("%s", out)
			require.Equal(t, end{n, true, nil}, <-ended)
		})
	}
}
