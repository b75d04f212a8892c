package broccoli

import (
	"errors"
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
)

// What can be wrong, beside what the network says. Errors wrap these.
var (
	// ErrClosed: the Conn or the Listener was closed on this side.
	ErrClosed = errors.New("broccoli: closed")
	// ErrRefused: the peer does not want the connection, or speaks another protocol.
	ErrRefused = errors.New("broccoli: refused")
	// ErrSilent: the peer is gone without a word.
	ErrSilent = errors.New("broccoli: no sign of life")
	// ErrLimit: the peer has sent more than it may.
	ErrLimit = errors.New("broccoli: beyond a limit")
	// ErrValue: a value has no counterpart on the other side, or does not fit where it
	// is to go.
	ErrValue = errors.New("broccoli: value does not fit")
)

// Which errors of the rooms below are which of ours.
var causes = []struct{ below, ours error }{
	{peer.ErrRefused, ErrRefused}, {peer.ErrVersion, ErrRefused}, {websocket.ErrRefused, ErrRefused}, {wire.ErrNotBroccoli, ErrRefused},
	{delivery.ErrSilent, ErrSilent}, {websocket.ErrLate, ErrSilent},
	{wire.ErrLimit, ErrLimit}, {zeek.ErrLimit, ErrLimit},
}

// known has an error be one of ours as well, if it is.
func known(err error) error {
	for _, c := range causes {
		if errors.Is(err, c.below) {
			return fmt.Errorf("%w: %w", c.ours, err)
		}
	}
	return fmt.Errorf("broccoli: %w", err)
}
