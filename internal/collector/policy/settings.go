package policy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// The two tables, which differ in their defaults.
const (
	remoteTable = "Remote::destinations" // Bro 1
	nodesTable  = "Communication::nodes" // Bro 2
)

// setting is something that a statement can set.
type setting struct {
	typ   string // as Bro calls it
	table string // which table it is, of the two
	read  func(*parser, *draft) error
}

// into returns the setting that a function reads values for.
func into[T any](typ string, value func(*parser) (T, error), where func(*draft) *T) setting {
	return setting{typ: typ, read: func(p *parser, d *draft) error {
		v, err := value(p)
		if err != nil {
			return err
		}
		*where(d) = v
		return nil
	}}
}

// settings are those of remote.bro, listen-clear.bro and listen-ssl.bro, then
// those of Bro 2.
var settings = func() map[string]setting {
	clearPort := into("port", (*parser).portValue, func(d *draft) *uint16 { return &d.clearPort })
	sslPort := into("port", (*parser).portValue, func(d *draft) *uint16 { return &d.sslPort })
	return map[string]setting{
		remoteTable:                  {table: remoteTable},
		"Remote::default_port_clear": clearPort,
		"Remote::default_port_ssl":   sslPort,
		"default_port_clear":         clearPort,
		"default_port_ssl":           sslPort,
		"listen_port_clear":          into("port", (*parser).portValue, func(d *draft) *uint16 { return &d.clear.port }),
		"listen_port_ssl":            into("port", (*parser).portValue, func(d *draft) *uint16 { return &d.ssl.port }),
		"listen_if_clear":            into("addr", (*parser).addrValue, func(d *draft) *netip.Addr { return &d.clear.host }),
		"listen_if_ssl":              into("addr", (*parser).addrValue, func(d *draft) *netip.Addr { return &d.ssl.host }),
		"ssl_ca_certificate":         into("string", (*parser).pathValue, func(d *draft) *string { return &d.CACertificate }),
		"ssl_private_key":            into("string", (*parser).pathValue, func(d *draft) *string { return &d.PrivateKey }),
		"ssl_passphrase":             into("string", (*parser).pathValue, func(d *draft) *string { return &d.Passphrase }),
		"forward_remote_events":      into("bool", (*parser).boolValue, func(d *draft) *bool { return &d.Forward }),

		nodesTable:                        {table: nodesTable},
		"Communication::listen_port":      into("port", (*parser).portValue, func(d *draft) *uint16 { return &d.nodes.port }),
		"Communication::listen_interface": into("addr", (*parser).addrValue, func(d *draft) *netip.Addr { return &d.nodes.host }),
		"Communication::listen_ssl":       into("bool", (*parser).boolValue, func(d *draft) *bool { return &d.nodesSSL }),
		"Communication::listen_ipv6":      into("bool", (*parser).boolValue, func(d *draft) *bool { return &d.nodesIPv6 }),
	}
}()

func settingNames() []string { return slices.Sorted(maps.Keys(settings)) }

// pathValue takes a string that is empty when it has the default of bro.init.
func (p *parser) pathValue() (string, error) {
	s, err := p.stringValue()
	if s == "<undefined>" {
		s = ""
	}
	return s, err
}

// entry is a destination that is being read.
type entry struct {
	Destination
	table   string
	given   []string // which fields it has
	namesAt Pos      // of $tls_names
}

func newEntry(table string) *entry {
	return &entry{table: table, Destination: Destination{AcceptInput: true, Sync: table == remoteTable}}
}

// maxText is how long a class or a capture filter may be.
const maxText = 1024

// fields are those of a destination.
var fields = map[string]func(*parser, *entry) error{
	"host":         func(p *parser, d *entry) (err error) { d.Host, err = p.addrValue(); return err },
	"p":            func(p *parser, d *entry) (err error) { d.Port, err = p.portValue(); return err },
	"class":        func(p *parser, d *entry) (err error) { d.Class, err = p.shortValue(); return err },
	"connect":      func(p *parser, d *entry) (err error) { d.Connect, err = p.boolValue(); return err },
	"retry":        func(p *parser, d *entry) (err error) { d.Retry, err = p.intervalValue(); return err },
	"accept_input": func(p *parser, d *entry) (err error) { d.AcceptInput, err = p.boolValue(); return err },
	"sync":         func(p *parser, d *entry) (err error) { d.Sync, err = p.boolValue(); return err },
	"auth":         func(p *parser, d *entry) (err error) { d.Auth, err = p.boolValue(); return err },
	"ssl":          func(p *parser, d *entry) (err error) { d.SSL, err = p.boolValue(); return err },
	"cache":        func(p *parser, d *entry) (err error) { d.Cache, err = p.boolValue(); return err },
	"tls_name":     func(p *parser, d *entry) (err error) { d.TLSName, err = p.shortValue(); return err },
	"tls_names": func(p *parser, d *entry) (err error) {
		d.namesAt = p.pos(p.tok.at)
		d.TLSNames, err = p.patternValue()
		return err
	},
	"events": func(p *parser, d *entry) (err error) {
		d.EventsAt = p.pos(p.tok.at)
		d.Events, err = p.patternValue()
		return err
	},
	"capture_filter": func(p *parser, d *entry) (err error) {
		at := p.tok.at
		d.CaptureFilter, err = p.shortValue()
		if err == nil && d.CaptureFilter == "" && d.table == remoteTable {
			return p.fail(at, "expected a filter: \"\" asks for the default filter of a Bro that captures packets, and we have none")
		}
		return err
	},
	"compression": func(p *parser, d *entry) error {
		n, err := p.countValue(9)
		d.Compression = int(n)
		return err
	},
}

func fieldNames() []string { return slices.Sorted(maps.Keys(fields)) }

func (p *parser) shortValue() (string, error) {
	at := p.tok.at
	s, err := p.stringValue()
	if err == nil && len(s) > maxText {
		return "", p.fail(at, "expected a string of at most %d bytes, found one of %d", maxText, len(s))
	}
	return s, err
}

func quote(s string) string { return fmt.Sprintf("%.60q", s) }
