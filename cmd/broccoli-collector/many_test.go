package main

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// TestManyPeersAsk: a thousand that ask for 200 names each that nobody knows are
// there in seconds.
func TestManyPeersAsk(t *testing.T) {
	const peers = 1000
	c := start(t, "-forward", "/sensor_.*|http_.*/", "-log-dir", t.TempDir())
	for _, prefix := range []string{"http_new", "other"} { // that match, and that do not
		hello := (&wire.Version{Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion}).AppendTo(nil)
		var names []string
		for i := range 200 {
			names = append(names, fmt.Sprintf("%s_%d", prefix, i))
		}
		hello = (&wire.Encoder{}).AppendRequest(hello, &wire.Request{Events: names})
		hello = wire.PhaseDone{}.AppendTo((&wire.Caps{}).AppendTo(hello))
		hello = (&wire.Ping{Seq: 1}).AppendTo(hello) // answered when all of it has been seen to
		begun := time.Now()
		var all []net.Conn
		for range peers {
			nc, err := net.Dial("tcp", c.addr)
			require.NoError(t, err)
			defer nc.Close()
			_, err = nc.Write(hello)
			require.NoError(t, err)
			all = append(all, nc)
		}
		for _, nc := range all {
			require.NoError(t, nc.SetDeadline(time.Now().Add(deadline)))
			r, kind := wire.NewReader(nc, wire.Limits{}), wire.MsgType(0)
			for kind != wire.MsgPong {
				var err error
				kind, _, err = r.Next()
				require.NoError(t, err)
			}
		}
		t.Logf("%s: %v", prefix, time.Since(begun))
		require.Less(t, time.Since(begun), 15*time.Second)
	}
}
