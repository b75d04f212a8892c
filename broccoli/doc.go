// Package broccoli exchanges events with Bro, Zeek, programs that use libbroccoli and
// other programs that use this package, without any C.
//
// [Dial] connects to a peer, [Listen] waits for peers. Both sides of a connection are
// alike: each says which events it wants ([Config.Events]), sends with [Conn.Send] what
// the other wants, and takes with [Conn.Receive] what has come.
//
// # Values
//
// The arguments of events are Go values:
//
//	bool                        bool
//	int, int8 ... int64         int
//	uint, uint8 ... uint64      count
//	float32, float64            double
//	string, []byte              string, which may have any bytes
//	time.Time, time.Duration    time, to the microsecond; interval
//	netip.Addr, netip.Prefix    addr, subnet
//	Port, Enum, Pattern         port, enum, pattern
//	a struct, or Record         record
//	a slice, or []any           vector
//	map[K]V, or Table           table
//	map[K]struct{}, or Set      set
//	nil, a nil pointer          an optional field that is not set
//
// Each exported field of a struct has a tag with the name that the field has in the
// record, or "-". A blank field has the name of the record's type:
//
//	type connID struct {
//		_     struct{}   `bro:"conn_id"`
//		OrigH netip.Addr `bro:"orig_h"`
//		OrigP broccoli.Port `bro:"orig_p"`
//		Note  *string    `bro:"note"` // optional
//	}
//
// A struct as the key of a map is a key of several values. [Event.Scan] does the reverse:
// what a value does not fit is an error, and never cut or rounded. Fields that a record
// has and the struct has not are passed over. A Zeek sends records without the names
// of their fields; then all fields are needed, in their order.
//
// # What arrives
//
// Send returns when an event is in line to be sent; Flush waits until all that was
// accepted is written or, with [Config.Confirm], until the peer has confirmed it, and
// Close does that for a few seconds. A peer that uses this package confirms what its
// Receive has returned. With [Config.Reconnect] a lost connection is made
// anew, and what waits, or was not confirmed, is sent again.
package broccoli
