package core

import (
	"encoding/binary"
	"errors"
	"sync/atomic"

	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
)

// Mirror gives a link the state that another is in, by whose connection it is served.
func Mirror(m Memory, of *shared.Link, state uint32) {
	l := view(m)
	switch state {
	case shared.Up:
		l.up(text(of.PeerClass[:]))
	case shared.Retry, shared.Down:
		l.lost(errors.New(lastCause(of)))
		l.down(state == shared.Retry)
	}
}

// lastCause is why a connection is lost, as its own side reads it.
func lastCause(l *shared.Link) string {
	c := &l.Causes[atomic.LoadUint32(&l.CausePublished)%2]
	var b []byte
	for i := range c.Text {
		b = binary.NativeEndian.AppendUint64(b, atomic.LoadUint64(&c.Text[i]))
	}
	return text(b)
}

// Error is why a connect has failed.
func Error(l *shared.Link) error { return errors.New(text(l.Error[:])) }

// Wrote tells the host how far its ring is with the kernel, or with the peer if that confirms.
func Wrote(m Memory, pos uint64) { view(m).wrote(pos) }

// Took tells the host how far its ring has been taken.
func Took(m Memory, pos uint64) { view(m).took(pos, true) }

// Warn tells the host something, if it takes messages.
func Warn(m Memory, text string) {
	if atomic.LoadUint32(&m.Link.TakesLog) != 0 {
		view(m).say(levelWarning, text)
	}
}

// Signals reports whether the descriptor of the host is to be made readable, by whoever asks.
func Signals(m Memory) bool { return atomic.SwapUint32(&m.Link.HostSignaled, 1) == 0 }
