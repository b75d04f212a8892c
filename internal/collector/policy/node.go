package policy

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// entry is a destination that is being read.
type entry struct {
	Destination
	table string
	seq   int
	zone  string
	names script.Place // of $tls_names
	notes []string     // fields that have no meaning here
}

func take[T any](convert func(cell) (T, error), where func(*entry) *T) func(*entry, cell) error {
	return func(d *entry, c cell) error {
		v, err := convert(c)
		if err == nil {
			*where(d) = v
		}
		return err
	}
}

// ignored is a field that has no meaning here. What it is must be right all the same.
func ignored[T any](convert func(cell) (T, error), why string) func(*entry, cell) error {
	return func(d *entry, c cell) error {
		v, err := convert(c)
		if err == nil && any(v) != any(*new(T)) {
			d.notes = append(d.notes, why)
		}
		return err
	}
}

// fields are those of a destination.
var fields = map[string]func(*entry, cell) error{
	"host":         take(toHost, func(d *entry) *netip.Addr { return &d.Host }),
	"zone_id":      take(toZone, func(d *entry) *string { return &d.zone }),
	"p":            take(toPortNumber, func(d *entry) *uint16 { return &d.Port }),
	"class":        take(toShort, func(d *entry) *string { return &d.Class }),
	"connect":      take(toBool, func(d *entry) *bool { return &d.Connect }),
	"retry":        take(toInterval, func(d *entry) *time.Duration { return &d.Retry }),
	"accept_input": take(toBool, func(d *entry) *bool { return &d.AcceptInput }),
	"sync":         take(toBool, func(d *entry) *bool { return &d.Sync }),
	"auth":         take(toBool, func(d *entry) *bool { return &d.Auth }),
	"ssl":          take(toBool, func(d *entry) *bool { return &d.SSL }),
	"cache":        take(toBool, func(d *entry) *bool { return &d.Cache }),
	"tls_name":     take(toShort, func(d *entry) *string { return &d.TLSName }),
	"compression":  take(toLevel, func(d *entry) *int { return &d.Compression }),
	"tls_names": func(d *entry, c cell) (err error) {
		d.names = c.at
		d.TLSNames, err = toPattern1(c)
		return err
	},
	"events": func(d *entry, c cell) (err error) {
		d.EventsAt = c.at.Pos()
		d.Events, err = toPattern1(c)
		return err
	},
	"capture_filter": func(d *entry, c cell) (err error) {
		d.CaptureFilter, err = toShort(c)
		if err == nil && d.CaptureFilter == "" && d.table == remoteTable {
			return c.at.Fail("expected a filter: \"\" asks for the default filter of a Bro that captures packets, and we have none")
		}
		return err
	},
	"request_logs": ignored(toBool, "$request_logs: a collector takes events, and no logs of Bro's"),
	"accept_logs":  ignored(toBool, "$accept_logs: a collector takes events, and no logs of Bro's"),
	"accept_state": ignored(toBool, "$accept_state: what state comes is stepped over, as with $sync"),
	"hand_over":    ignored(toBool, "$hand_over: we have no state to take over"),
	"connected":    ignored(toBool, "$connected: Bro itself sets it"),
	"peer": func(d *entry, _ cell) error {
		d.notes = append(d.notes, "$peer: Bro itself sets it")
		return nil
	},
}

// readTable adds the destinations of a table.
func (d *draft) readTable(name string, t *table, more map[string]bool) error {
	if t.doubt != nil {
		return t.doubt
	}
	for _, i := range t.order {
		if i.gone {
			continue
		}
		e, err := d.readEntry(name, i, more)
		if err != nil {
			return err
		}
		if len(d.entries) == maxDestinations {
			return i.key.Fail("more than %d destinations", maxDestinations)
		}
		d.entries = append(d.entries, e)
	}
	return nil
}

const maxDestinations = 100_000

// readEntry reads ["tag"] = [$field=value, ...].
func (d *draft) readEntry(table string, i *item, more map[string]bool) (*entry, error) {
	e := &entry{table: table, seq: i.seq, Destination: Destination{AcceptInput: true, Sync: table == remoteTable}}
	e.At = i.key.Pos()
	e.Compression = d.nodesCompression
	if table == remoteTable {
		e.Compression = d.remoteCompression
	}
	var err error
	if len(i.keys) != 1 {
		return nil, i.key.Fail("expected one tag such as \"sshd1\"")
	}
	if e.Tag, err = toString(cell{i.keys[0], i.key}); err != nil {
		return nil, err
	}
	if i.value == nil {
		return nil, i.key.Fail("expected %s = [ ... ]", quote(e.Tag))
	}
	r, err := wanted[*record](i.cell, "a record such as [$host=10.1.2.3]")
	if err != nil {
		return nil, err
	}
	if r.doubt != nil {
		return nil, r.doubt
	}
	for _, name := range r.order {
		if err := e.readField(r.fields[name], name, more); err != nil {
			return nil, err
		}
	}
	return e, e.whole(r)
}

func (e *entry) readField(m member, name string, more map[string]bool) error {
	read, ok := fields[name]
	switch {
	case !ok && more[name]:
		e.notes = append(e.notes, "$"+name+": a script of yours has added it")
		return nil
	case !ok:
		return m.name.Fail("there is no field $%s; expected one of $%s", name, strings.Join(fieldNames(), ", $"))
	}
	return read(e, m.cell)
}

// whole checks what concerns more than one field.
func (e *entry) whole(r *record) error {
	switch {
	case !e.Host.IsValid():
		return r.end.Fail("expected a $host in %s", quote(e.Tag))
	case e.TLSNames != nil && !e.SSL:
		return e.names.Fail("expected $ssl=T beside $tls_names: without TLS there is no certificate")
	case e.zone != "" && !e.Host.Is6():
		return r.fields["zone_id"].cell.at.Fail("expected $host to be an IPv6 address beside $zone_id, found %v", e.Host)
	case e.zone != "":
		e.Host = e.Host.WithZone(e.zone)
	}
	slices.Sort(e.notes)
	return nil
}

// tagOf returns what messages call an entry.
func tagOf(i *item) string {
	tag, _ := i.keys[0].(string)
	return tag
}
