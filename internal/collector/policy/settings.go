package policy

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// The two tables, which differ in their defaults.
const (
	remoteTable = "Remote::destinations" // Bro 1
	nodesTable  = "Communication::nodes" // Bro 2
)

func isTable(full string) bool { return full == remoteTable || full == nodesTable }

func isNodeType(full string) bool {
	return full == "Remote::Destination" || full == "Communication::Node"
}

// setting is something that a statement can set.
type setting struct {
	typ     string       // as Bro calls it
	initial func() value // of Bro, nil for none
	// read takes over what it has been set to; nil says that it has no meaning for a
	// collector, and none is why.
	read func(*draft, cell) error
	none string
}

// into returns the setting that has a value of a type.
func into[T any](typ string, initial value, convert func(cell) (T, error), where func(*draft) *T) setting {
	return setting{typ: typ, initial: func() value { return initial }, read: func(d *draft, c cell) error {
		v, err := convert(c)
		if err != nil {
			return err
		}
		*where(d) = v
		return nil
	}}
}

// noMeaning is a setting of Bro's that does nothing here.
func noMeaning(typ string, initial value, why string) setting {
	return setting{typ: typ, initial: func() value { return initial }, none: why}
}

// settings are those of remote.bro, listen-clear.bro, listen-ssl.bro and bro.init, then
// those of Bro 2.
var settings = func() map[string]setting {
	var (
		anywhere  = netip.IPv4Unspecified()
		table     = setting{typ: "table", initial: func() value { return newTable() }}
		noState   = "we have no state to synchronize"
		ownLog    = "our messages have their own place"
		defaultIn = into("port", port{portClear, "tcp"}, toPortNumber, func(d *draft) *uint16 { return &d.clearPort })
		sslPort   = into("port", port{portSSL, "tcp"}, toPortNumber, func(d *draft) *uint16 { return &d.sslPort })
	)
	return map[string]setting{
		remoteTable:                   table,
		"Remote::default_port_clear":  defaultIn,
		"Remote::default_port_ssl":    sslPort,
		"Remote::default_compression": into("count", int64(0), toLevel, func(d *draft) *int { return &d.remoteCompression }),
		"default_port_clear":          defaultIn,
		"default_port_ssl":            sslPort,
		"listen_port_clear":           into("port", port{portClear, "tcp"}, toPortNumber, func(d *draft) *uint16 { return &d.clear.port }),
		"listen_port_ssl":             into("port", port{portSSL, "tcp"}, toPortNumber, func(d *draft) *uint16 { return &d.ssl.port }),
		"listen_if_clear":             into("addr", anywhere, toHost, func(d *draft) *netip.Addr { return &d.clear.host }),
		"listen_if_ssl":               into("addr", anywhere, toHost, func(d *draft) *netip.Addr { return &d.ssl.host }),
		"ssl_ca_certificate":          into("string", "<undefined>", toPath, func(d *draft) *string { return &d.CACertificate }),
		"ssl_private_key":             into("string", "<undefined>", toPath, func(d *draft) *string { return &d.PrivateKey }),
		"ssl_passphrase":              into("string", "<undefined>", toPath, func(d *draft) *string { return &d.Passphrase }),
		"forward_remote_events":       into("bool", false, toBool, func(d *draft) *bool { return &d.Forward }),

		"forward_remote_state_changes":  noMeaning("bool", false, noState),
		"remote_check_sync_consistency": noMeaning("bool", false, noState),
		"remote_trace_sync_interval":    noMeaning("interval", 0*time.Second, noState),
		"remote_trace_sync_peers":       noMeaning("count", int64(0), noState),
		"Remote::rm_log":                noMeaning("file", nil, ownLog),
		"Remote::src_names":             noMeaning("table", nil, ownLog),
		"Remote::pending_peers":         noMeaning("table", nil, "peers that come and go are in our messages"),
		"Remote::connected_peers":       noMeaning("table", nil, "peers that come and go are in our messages"),

		nodesTable:                           table,
		"Communication::listen_port":         into("port", port{portClear, "tcp"}, toPortNumber, func(d *draft) *uint16 { return &d.nodes.port }),
		"Communication::listen_interface":    into("addr", anywhere, toHost, func(d *draft) *netip.Addr { return &d.nodes.host }),
		"Communication::listen_ssl":          into("bool", false, toBool, func(d *draft) *bool { return &d.nodesSSL }),
		"Communication::listen_ipv6":         into("bool", false, toBool, func(d *draft) *bool { return &d.nodesIPv6 }),
		"Communication::listen_ipv6_zone_id": into("string", "", toZone, func(d *draft) *string { return &d.nodesZone }),
		"Communication::listen_retry":        into("interval", 30*time.Second, toInterval, func(d *draft) *time.Duration { return &d.ListenRetry }),
		"Communication::compression_level":   into("count", int64(0), toLevel, func(d *draft) *int { return &d.nodesCompression }),
		"Communication::pending_peers":       noMeaning("table", nil, "peers that come and go are in our messages"),
		"Communication::connected_peers":     noMeaning("table", nil, "peers that come and go are in our messages"),
	}
}()

func settingNames() []string { return slices.Sorted(maps.Keys(settings)) }

// fieldNames are those of a destination.
func fieldNames() []string { return slices.Sorted(maps.Keys(fields)) }
