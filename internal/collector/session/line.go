package session

import (
	"math"
	"net/netip"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// column is a column of the log, and what a record has there.
type column struct {
	eventlog.Column
	of func(l *line) event.Value
}

// line is a record at the moment when it is written.
type line struct {
	*record
	reason string
	now    float64 // the end, or how long it has gone on
}

// columns returns those of the log. Zeek's package has them too, but for peer and host.
func columns() []column {
	plain := func(name string, t event.Type, of func(l *line) event.Value) column {
		return column{eventlog.Column{Name: name, Type: t}, of}
	}
	list := func(name string, t, elem event.Type, of func(l *line) event.Value) column {
		return column{eventlog.Column{Name: name, Type: t, Elem: elem}, of}
	}
	return []column{
		plain("ts", event.Time, func(l *line) event.Value { return float(event.Time, l.began) }),
		plain("peer", event.String, func(l *line) event.Value { return word(l.peer) }),
		plain("host", event.String, func(l *line) event.Value { return some(l.host) }),
		plain("sid", event.String, func(l *line) event.Value { return word(l.sensor.sid) }),
		plain("cid", event.Count, func(l *line) event.Value { return count(l.cid) }),
		plain("id.orig_h", event.Addr, func(l *line) event.Value { return l.addr(l.src) }),
		plain("id.orig_p", event.Port, func(l *line) event.Value { return l.port(l.src) }),
		plain("id.resp_h", event.Addr, func(l *line) event.Value { return l.addr(l.dst) }),
		plain("id.resp_p", event.Port, func(l *line) event.Value { return l.port(l.dst) }),
		plain("community_id", event.String, (*line).community),
		plain("user", event.String, func(l *line) event.Value { return when(l.letIn, word(l.user)) }),
		plain("uid", event.Int, func(l *line) event.Value { return when(l.letIn, number(l.uid)) }),
		plain("client", event.String, func(l *line) event.Value { return some(l.client) }),
		plain("method", event.String, func(l *line) event.Value { return some(l.method) }),
		plain("key_type", event.String, func(l *line) event.Value { return some(l.keyType) }),
		plain("fingerprint", event.String, func(l *line) event.Value { return some(l.key) }),
		plain("cert_id", event.String, func(l *line) event.Value { return when(l.certCA != "", word(l.certID)) }),
		plain("cert_serial", event.Count, func(l *line) event.Value { return when(l.certCA != "", count(l.certSerial)) }),
		plain("cert_ca", event.String, func(l *line) event.Value { return some(l.certCA) }),
		plain("failures", event.Count, func(l *line) event.Value { return count(l.failures()) }),
		list("failed_users", event.Set, event.String, func(l *line) event.Value { return words(event.Set, l.failedUsers) }),
		list("types", event.Set, event.String, func(l *line) event.Value { return words(event.Set, l.types) }),
		plain("command_count", event.Count, func(l *line) event.Value { return count(l.commandCount) }),
		list("commands", event.Vector, event.String, func(l *line) event.Value { return words(event.Vector, l.commands) }),
		plain("forward_request_count", event.Count, func(l *line) event.Value { return count(l.askedCount) }),
		list("forward_requests", event.Vector, event.String, func(l *line) event.Value { return words(event.Vector, l.asked) }),
		plain("forward_count", event.Count, func(l *line) event.Value { return count(l.forwardCount) }),
		list("forwards", event.Vector, event.String, func(l *line) event.Value { return words(event.Vector, l.forwards) }),
		list("sftp_ops", event.Vector, event.String, func(l *line) event.Value { return words(event.Vector, l.sftpOps) }),
		list("sftp_counts", event.Vector, event.Count, (*line).sftp),
		plain("lines_in", event.Count, func(l *line) event.Value { return count(l.linesIn) }),
		plain("lines_out", event.Count, func(l *line) event.Value { return count(l.linesOut) }),
		plain("bytes_in", event.Count, func(l *line) event.Value { return count(l.bytesIn) }),
		plain("bytes_out", event.Count, func(l *line) event.Value { return count(l.bytesOut) }),
		plain("bytes_left_out", event.Count, func(l *line) event.Value { return count(l.bytesLeftOut) }),
		list("statuses", event.Vector, event.Int, (*line).exits),
		plain("tty", event.Bool, func(l *line) event.Value { return when(l.audited, yes(l.tty)) }),
		plain("audit_session", event.Count, func(l *line) event.Value { return when(l.audited, count(l.audit)) }),
		plain("events_lost", event.Count, func(l *line) event.Value { return count(l.lost) }),
		plain("reason", event.String, func(l *line) event.Value { return word(l.reason) }),
		plain("duration", event.Interval, func(l *line) event.Value { return float(event.Interval, max(0, l.now-l.began)) }),
	}
}

func count(n uint64) event.Value { return event.Value{Type: event.Count, Bits: n} }
func number(n int64) event.Value { return event.Value{Type: event.Int, Bits: uint64(n)} }
func word(s string) event.Value  { return event.Value{Type: event.String, Bytes: []byte(s)} }

func yes(b bool) event.Value {
	v := event.Value{Type: event.Bool}
	if b {
		v.Bits = 1
	}
	return v
}

// some is a text that is not set if it is empty.
func some(s string) event.Value { return when(s != "", word(s)) }

func when(set bool, v event.Value) event.Value {
	if !set {
		return event.Value{}
	}
	return v
}

func words(t event.Type, list []string) event.Value {
	v := event.Value{Type: t, Elems: make([]event.Value, len(list))}
	for i, s := range list {
		v.Elems[i] = word(s)
	}
	return v
}

func (l *line) addr(p netip.AddrPort) event.Value {
	return when(l.known, event.Value{Type: event.Addr, Addr: p.Addr().As16()})
}

func (l *line) port(p netip.AddrPort) event.Value {
	return when(l.known, event.Value{Type: event.Port, Bits: uint64(p.Port()), Proto: event.ProtoTCP})
}

func (l *line) community() event.Value {
	if !l.known {
		return event.Value{}
	}
	return word(communityID(l.src, l.dst))
}

func (l *line) sftp() event.Value {
	v := event.Value{Type: event.Vector, Elems: make([]event.Value, len(l.sftpCounts))}
	for i, n := range l.sftpCounts {
		v.Elems[i] = count(n)
	}
	return v
}

func (l *line) exits() event.Value {
	v := event.Value{Type: event.Vector, Elems: make([]event.Value, len(l.statuses))}
	for i, n := range l.statuses {
		v.Elems[i] = number(n)
	}
	return v
}

func float(t event.Type, f float64) event.Value {
	return event.Value{Type: t, Bits: math.Float64bits(f)}
}
