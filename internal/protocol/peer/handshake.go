package peer

import (
	"fmt"
	"io"
	"maps"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// phase is how far one side is.
type phase uint8

const (
	phaseVersion phase = iota
	phaseHandshake
	phaseSync
	phaseRunning
)

var phaseNames = [...]string{"version", "handshake", "sync", "running"}

func (p phase) String() string { return phaseNames[p] }

func (c *Conn) handshake() error {
	c.cfg.Logf("phase: %v", c.phase)
	v := wire.Version{
		Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion,
		CacheSize: wire.CacheSize, Class: c.cfg.Class, Runtime: c.cfg.Runtime,
	}
	if err := c.write(func(b []byte) []byte { return v.AppendTo(b) }); err != nil {
		return err
	}
	for c.phase != phaseRunning {
		t, payload, err := c.in.Next()
		if err == io.EOF {
			return fmt.Errorf("%w: it closed the connection", ErrRefused)
		}
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		if t == wire.MsgSerial {
			if len(payload) > 0 && payload[0] != wire.SerialEvent { // those come before their time
				c.remember(payload)
			}
			continue
		}
		if err := c.control(t, payload); err != nil {
			return err
		}
		if c.ping != nil { // nothing has come yet that would have to be safe
			if err := c.Pong(); err != nil {
				return err
			}
		}
	}
	return nil
}

// control handles a message other than SERIAL, but for a PING, of which it takes
// note. What is not understood is skipped.
func (c *Conn) control(t wire.MsgType, payload []byte) error {
	switch t {
	case wire.MsgVersion:
		return c.peerVersion(payload)
	case wire.MsgRequest:
		return c.peerRequest(payload)
	case wire.MsgRequestSync:
		return c.peerRequestSync(payload)
	case wire.MsgCompress:
		return c.peerCompress()
	case wire.MsgPhaseDone:
		return c.peerPhaseDone()
	case wire.MsgPing:
		var p wire.Ping
		if err := p.Decode(payload); err != nil {
			return err
		}
		c.ping = &p
	case wire.MsgPong:
		var p wire.Pong
		if err := p.Decode(payload); err != nil {
			return err
		}
		c.watch.Answered()
		if c.cfg.Journal != nil {
			c.cfg.Journal.Confirm(p.Seq)
		}
	case wire.MsgCaps:
		var caps wire.Caps
		if err := caps.Decode(payload); err != nil {
			return err
		}
		if c.phase != phaseRunning {
			c.caps = caps.Flags
		}
	case wire.MsgCaptureFilter:
		var f wire.CaptureFilter
		if err := f.Decode(payload); err != nil {
			return err
		}
		c.cfg.Logf("capture filter %.200q is of no use: we capture no packets", f.Filter)
	case wire.MsgError:
		c.cfg.Logf("peer reports an error: %.200q", payload)
	case wire.MsgClose, wire.MsgCloseAll, wire.MsgTerminate:
		return fmt.Errorf("%w: it sent %v", ErrRefused, t)
	default:
		c.cfg.Logf("skipped %v of %d bytes", t, len(payload))
	}
	return nil
}

func (c *Conn) peerVersion(payload []byte) error {
	if c.phase != phaseVersion {
		return fmt.Errorf("%w: second VERSION", wire.ErrMalformed)
	}
	if err := c.version.Decode(payload); err != nil {
		return err
	}
	v := &c.version
	if v.Protocol != wire.ProtocolVersion {
		return fmt.Errorf("%w: peer speaks protocol %d, we speak %d", ErrVersion, v.Protocol, wire.ProtocolVersion)
	}
	if v.DataFormat != wire.DataFormatVersion && v.DataFormat != 0 {
		return fmt.Errorf("%w: peer uses data format %d, we use %d", ErrVersion, v.DataFormat, wire.DataFormatVersion)
	}
	c.dec.SetCacheSize(v.CacheSize)
	c.enter(phaseHandshake)
	if c.cfg.Meet != nil {
		c.cfg.Meet(v.Class, &c.cfg)
	}
	return c.write(c.appendTerms)
}

// appendTerms appends what is asked of the peer, and what we can do.
func (c *Conn) appendTerms(b []byte) []byte {
	b = c.enc.AppendRequest(b, &wire.Request{Events: c.cfg.Requests})
	if c.cfg.CaptureFilter != "" {
		b = (&wire.CaptureFilter{Filter: c.cfg.CaptureFilter}).AppendTo(b)
	}
	if c.cfg.Sync {
		b = (&wire.RequestSync{Authoritative: c.cfg.Authoritative}).AppendTo(b)
	}
	caps := wire.Caps{Flags: wire.CapBroccoli}
	if !c.cfg.Cache {
		caps.Flags |= wire.CapDontCache
	}
	if c.cfg.Decompress {
		caps.Flags |= wire.CapCompress
	}
	return wire.PhaseDone{}.AppendTo(caps.AppendTo(b))
}

func (c *Conn) peerRequest(payload []byte) error {
	wanted := *c.wants.Load()
	next := wanted // a copy as soon as there is something new
	var added []string
	for name, err := range wire.RequestNames(payload) {
		if err != nil {
			return err
		}
		if next[string(name)] {
			continue
		}
		if len(name) > maxName || len(next) == maxWanted || !c.keepWanted(len(name)) {
			c.cfg.Logf("request for event %.80q is ignored: at most %d names of at most %d bytes", name, maxWanted, maxName)
			break
		}
		if len(next) == len(wanted) {
			next = maps.Clone(wanted)
		}
		next[string(name)] = true
		if c.cfg.Requested != nil {
			added = append(added, string(name))
		}
	}
	c.wants.Store(&next) // first, for who is told of one to find it in Wanted
	for _, name := range added {
		c.cfg.Requested(name)
	}
	return nil
}

// keepWanted takes memory for a name of that length that the peer asks for.
func (c *Conn) keepWanted(length int) bool {
	const each = 128 // in a map
	size := length + each
	if !c.cfg.Limits.Budget.Take(size) {
		return false
	}
	c.wanted += size
	return true
}

func (c *Conn) peerRequestSync(payload []byte) error {
	var r wire.RequestSync
	if err := r.Decode(payload); err != nil {
		return err
	}
	if c.phase == phaseHandshake {
		c.sync = &r
	}
	return nil
}

func (c *Conn) peerPhaseDone() error {
	switch c.phase {
	case phaseVersion:
		return fmt.Errorf("%w: PHASE_DONE before VERSION", wire.ErrMalformed)
	case phaseHandshake:
		return c.handshakeDone()
	case phaseSync:
		c.enter(phaseRunning) // it has sent its state
	}
	return nil
}

// handshakeDone is where both sides have said what they want.
func (c *Conn) handshakeDone() error {
	if c.cfg.Compression > 0 && c.caps&wire.CapCompress != 0 {
		if err := c.compress(); err != nil {
			return err
		}
	}
	if !c.cfg.Sync && c.sync == nil {
		c.enter(phaseRunning)
		return nil
	}
	if c.cfg.Sync && c.cfg.Authoritative && c.sync != nil && c.sync.Authoritative {
		return ErrAuthority
	}
	c.enter(phaseSync)
	if !c.sendsState() {
		return nil
	}
	c.cfg.Logf("sending full state")
	c.cfg.Logf("done sending full state") // we have none
	if err := c.write(func(b []byte) []byte { return wire.PhaseDone{}.AppendTo(b) }); err != nil {
		return err
	}
	c.enter(phaseRunning)
	return nil
}

// sendsState says whether it is our state that is sent: to the one who has asked;
// if both have, it is sent by who says that it counts, or else by who has run
// for longer.
func (c *Conn) sendsState() bool {
	switch {
	case c.sync == nil:
		return false
	case !c.cfg.Sync || c.cfg.Authoritative:
		return true
	case c.sync.Authoritative:
		return false
	case c.cfg.Runtime == c.version.Runtime:
		return c.cfg.Originator
	}
	return c.cfg.Runtime > c.version.Runtime
}

func (c *Conn) enter(p phase) {
	c.phase = p
	c.cfg.Logf("phase: %v", p)
}
