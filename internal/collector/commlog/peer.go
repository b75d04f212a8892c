package commlog

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/romanesco-broccoli/romanesco/internal/printable"
)

// What the connection of one peer may cause, beside the lines of its beginning and
// its end.
const (
	maxNotes    = 100       // lines of Logf
	maxRequests = 1000      // of Requested
	maxCaused   = 128 << 10 // bytes of both
)

// Peer writes what happens with one peer.
type Peer struct {
	log         *Log
	id          string // [#10000/192.0.2.1:4241 sensor1], and a blank
	addr        string // 192.0.2.1/4241
	notes       atomic.Int64
	requests    atomic.Int64
	caused      atomic.Int64  // bytes
	left        atomic.Uint64 // lines that were left out
	established atomic.Bool
}

func newPeer(l *Log, id int, addr net.Addr) *Peer {
	p := &Peer{log: l, id: fmt.Sprintf("[#%d/%v] ", id, addr), addr: addr.String()}
	if ap, err := netip.ParseAddrPort(addr.String()); err == nil {
		ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
		p.id = fmt.Sprintf("[#%d/%v] ", id, ap)
		p.addr = fmt.Sprintf("%v/%d", ap.Addr(), ap.Port())
	}
	return p
}

// Identified has the name that the peer's certificate has in each line of comm.log that
// follows. Only the goroutine that began with the peer may have used it so far.
func (p *Peer) Identified(host string) {
	if p == nil || host == "" {
		return
	}
	p.id = strings.TrimSuffix(p.id, "] ") + " " + word(host) + "] "
}

// word returns text as one that has an end which is seen.
func word(s string) string {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '[' || c == ']' || c == '"' {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// Logf writes a line of comm.log. There is an end to that, since it may be the
// peer who causes them.
func (p *Peer) Logf(format string, args ...any) {
	if p.may(func() bool { return p.notes.Add(1) <= maxNotes }) {
		p.caused.Add(int64(p.parent(fmt.Sprintf(format, args...))))
	}
}

// Requested says that the peer has asked for an event, which we know or not.
// There is an end to that, too.
func (p *Peer) Requested(event string, known bool) {
	if !p.may(func() bool { return p.requests.Add(1) <= maxRequests }) {
		return
	}
	what := "request for unknown event "
	if known {
		what = "registered for event "
	}
	p.caused.Add(int64(p.parent(what + event)))
}

// may reports whether the peer may cause another line, and says when it may not
// any more.
func (p *Peer) may(another func() bool) bool {
	if p == nil {
		return false
	}
	if another() && p.caused.Load() < maxCaused {
		return true
	}
	if p.left.Add(1) == 1 {
		p.parent("there is more, which is not written")
	}
	p.log.leftOut.Add(1)
	return false
}

// Established says that the handshake is done.
func (p *Peer) Established() {
	if p != nil {
		p.established.Store(true)
		p.Remotef("connection established.")
	}
}

// Requesting says what the peer is asked for: see Pattern.
func (p *Peer) Requesting(pattern string) { p.Remotef("requesting events matching %s", pattern) }

// Closed says that the connection has ended, and why if it was not in peace.
func (p *Peer) Closed(err error) {
	if p == nil {
		return
	}
	if n := p.left.Load(); n > 0 {
		p.parent(fmt.Sprintf("%d lines are left out", n))
	}
	if err != nil {
		p.parent(fmt.Sprintf("error: %v", err))
	}
	p.child("connection closed")
	p.parent("peer disconnected")
	if p.established.Load() {
		p.Remotef("connection closed.")
	}
}

// Remotef writes a line of remote.log.
func (p *Peer) Remotef(format string, args ...any) {
	if p == nil {
		return
	}
	l := p.log
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = fmt.Appendf(l.line[:0], "%.6f %s ", float64(l.dir.Now().UnixMicro())/1e6, p.addr)
	l.line = append(appendClean(l.line, fmt.Sprintf(format, args...)), '\n')
	l.append(l.remote)
}

func (p *Peer) parent(text string) (size int) {
	if p == nil {
		return 0
	}
	return p.log.parent(p.id, text)
}

func (p *Peer) child(text string) {
	if p != nil {
		p.log.child(p.id, text)
	}
}

// Pattern returns patterns, with or without slashes, as Bro shows one that
// matches what any of them does.
func Pattern(patterns ...string) string {
	shown := make([]string, len(patterns))
	for i, p := range patterns {
		if len(p) > 1 && p[0] == '/' && p[len(p)-1] == '/' {
			p = p[1 : len(p)-1]
		}
		shown[i] = "^?(" + p + ")$?"
	}
	if len(shown) == 1 {
		return "/" + shown[0] + "/"
	}
	return "/(" + strings.Join(shown, ")|(") + ")/"
}

// maxText is how much of a text is written.
const maxText = 1024

// appendClean appends text, in which a peer's words may be, so that it stays one
// line and does nothing to a terminal.
func appendClean(b []byte, text string) []byte {
	for i := range min(len(text), maxText) {
		if c := text[i]; c >= ' ' && c < 0x7f {
			b = append(b, c)
		} else {
			b = printable.AppendHex(b, c)
		}
	}
	return b
}
