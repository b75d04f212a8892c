package websocket

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/gobwas/ws"
)

// farewellTime is for reading a request that is refused, and until the client has
// read why.
const farewellTime = 2 * time.Second

// TurnAway refuses a client for which there is no room now, in a bounded time: it may
// come again after a while. Who calls closes the stream.
func TurnAway(nc net.Conn, after time.Duration) {
	_ = nc.SetDeadline(time.Now().Add(farewellTime))
	refuse := func([]byte) error {
		return ws.RejectConnectionError(
			ws.RejectionStatus(http.StatusServiceUnavailable),
			ws.RejectionReason("there are as many WebSocket clients as may be; try again later"),
			ws.RejectionHeader(ws.HandshakeHeaderHTTP(http.Header{
				"Connection": {"close"}, "Retry-After": {strconv.Itoa(int(after.Seconds()))},
			})))
	}
	_, _ = ws.Upgrader{OnRequest: refuse}.Upgrade(bounded(nc))
	readOut(nc)
}

// readOut ends what is written, and reads until the client has ended too: the stream
// is reset if it is closed before that, and then the client may lose what it was told.
func readOut(nc net.Conn) {
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(nc, maxGreeting))
}
