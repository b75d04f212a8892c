package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// checkPath refuses a request for anything else than we serve.
func checkPath(uri []byte) error {
	if string(uri) == zeek.Path {
		return nil
	}
	return ws.RejectConnectionError(ws.RejectionStatus(http.StatusNotFound), ws.RejectionReason("only "+zeek.Path+" is served"))
}

// checkOrigin refuses pages that may not be clients. A browser lets any page connect
// to any server, also to one that only this host can reach.
func (c *Conn) checkOrigin(key, value []byte) error {
	if !strings.EqualFold(string(key), "Origin") {
		return nil
	}
	for _, origin := range c.cfg.Origins {
		if strings.EqualFold(origin, string(value)) {
			return nil
		}
	}
	return ws.RejectConnectionError(ws.RejectionStatus(http.StatusForbidden), ws.RejectionReason(fmt.Sprintf(
		"the request is of a page of the origin %.200q, which is not allowed; who runs this server can allow it: "+
			"broccoli-collector does with -zeek-origins", value)))
}

// farewell lets a client read why its request was refused.
func farewell(nc net.Conn, err error) {
	var refused *ws.ConnectionRejectedError
	if errors.As(err, &refused) {
		_ = nc.SetDeadline(time.Now().Add(farewellTime))
		readOut(nc)
	}
}

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
