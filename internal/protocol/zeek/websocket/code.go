package websocket

import (
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// Why a connection is ended that the other side has done nothing wrong on. It is to
// come again: what was under way is neither refused nor confirmed.
var (
	// ErrGoingAway: this program ends.
	ErrGoingAway = errors.New("going away")
	// ErrOverloaded: there is no memory for what comes or for what waits.
	ErrOverloaded = errors.New("overloaded")
)

// ErrLate says that the other side has not gone on in time with what it had begun.
var ErrLate = errors.New("too late")

// codeOf returns the status by which the other side learns why we end a connection:
// RFC 6455, section 7.4.1, and for what it may try again the registry of IANA.
func codeOf(why error) ws.StatusCode {
	var protocol ws.ProtocolError
	var said *closeError
	switch {
	case why == nil || errors.Is(why, io.EOF):
		return ws.StatusNormalClosure
	case errors.Is(why, ErrGoingAway):
		return ws.StatusGoingAway
	case errors.As(why, &said): // it gets its own word back
		return said.code
	case errors.As(why, &protocol), errors.Is(why, ws.ErrHeaderLengthMSB):
		return ws.StatusProtocolError
	case errors.Is(why, zeek.ErrMalformed):
		return ws.StatusInvalidFramePayloadData
	case errors.Is(why, ErrLate):
		return ws.StatusPolicyViolation
	case errors.Is(why, zeek.ErrLimit), errors.Is(why, wsutil.ErrFrameTooLarge), errors.Is(why, wsutil.ErrMessageTooLarge):
		return ws.StatusMessageTooBig
	case errors.Is(why, ErrOverloaded):
		return tryAgainLater
	}
	return ws.StatusInternalServerError // for no answer to a ping too, as with Zeek
}

const tryAgainLater ws.StatusCode = 1013

// maxReason is how long the reason beside a status may be, since a control frame is
// not longer.
const maxReason = 123

// reasonFor returns what to say beside the status. Errors of our own are nobody
// else's business.
func reasonFor(code ws.StatusCode, why error) string {
	var said *closeError
	switch {
	case code == ws.StatusNormalClosure || errors.As(why, &said):
		return ""
	case code == ws.StatusInternalServerError && !errors.Is(why, delivery.ErrSilent):
		return "internal error"
	}
	text := strings.ToValidUTF8(why.Error(), "?")
	if len(text) > maxReason {
		text = text[:maxReason]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	return text
}
