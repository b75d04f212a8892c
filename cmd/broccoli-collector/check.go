package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/romanesco-broccoli/romanesco/internal/collector/collect"
)

// report says what would be done, for "check": it has opened nothing.
func (p *plan) report(to io.Writer) error {
	if err := p.checkAll(); err != nil {
		return err
	}
	for _, note := range p.notes {
		fmt.Fprintln(to, note)
	}
	if p.opts.verbose {
		for _, s := range p.skipped {
			fmt.Fprintf(to, "%v: skipped: %v\n", s.At, s)
		}
	}
	if names := p.opts.names; len(names) > 0 {
		fmt.Fprintf(to, "certificates of peers that connect would have to be of %s\n", strings.Join(names, ", "))
	}
	for _, addr := range p.clear {
		fmt.Fprintf(to, "would listen on %s\n", addr)
	}
	for _, addr := range p.secured {
		fmt.Fprintf(to, "would listen on %s (TLS)\n", addr)
	}
	if err := p.reportDestinations(to); err != nil {
		return err
	}
	_, err := fmt.Fprintln(to, "ok")
	return err
}

// checkAll reports what would keep it from starting.
func (p *plan) checkAll() error {
	if _, err := p.tls(); err != nil {
		return usageError{err}
	}
	if err := p.opts.zeek.check(p.secure); err != nil {
		return usageError{err}
	}
	if _, err := p.opts.logs.settings(p.asks); err != nil {
		return usageError{err}
	}
	if err := p.checkAddresses(); err != nil {
		return usageError{err}
	}
	return p.opts.logs.checkDir()
}

// reportDestinations is a table if there are policies: their destinations differ.
func (p *plan) reportDestinations(to io.Writer) error {
	if len(p.opts.policies) > 0 && len(p.destinations) > 0 {
		return p.table(to)
	}
	for i := range p.destinations {
		d := &p.destinations[i]
		how := "would wait for"
		if d.Connect {
			how = "would connect to"
		}
		fmt.Fprintf(to, "%s %v, %d known events\n", how, d, len(p.known.Select(d.Wants)))
	}
	return nil
}

// table has a line for each destination, and with -v one for its events.
func (p *plan) table(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "destination\twould be\taddress\tTLS\tclass\tretry\tevents\tpattern\tfrom")
	for i := range p.destinations {
		d := &p.destinations[i]
		fmt.Fprintf(w, "%v\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", d, how(d), d.Place(), tlsOf(d), orNone(d.Class), retryOf(d),
			len(p.known.Select(d.Wants)), patternOf(d), placeOf(d))
	}
	if err := w.Flush(); err != nil || !p.opts.verbose {
		return err
	}
	for i := range p.destinations {
		d := &p.destinations[i]
		fmt.Fprintf(to, "%v: asked for %s\n", d, cmp.Or(strings.Join(p.known.Select(d.Wants), ", "), "nothing"))
	}
	return nil
}

func how(d *collect.Destination) string {
	if d.Connect {
		return "connected to"
	}
	return "waited for"
}

func tlsOf(d *collect.Destination) string {
	switch {
	case !d.SSL:
		return "no"
	case d.TLSNames != nil:
		return fmt.Sprintf("of %v", d.TLSNames)
	}
	return "yes"
}

func retryOf(d *collect.Destination) string {
	if !d.Connect || d.Retry == 0 {
		return "-"
	}
	return d.Retry.String()
}

func patternOf(d *collect.Destination) string {
	if d.Events == nil {
		return "-"
	}
	return fmt.Sprintf("%.60s", d.Events)
}

func placeOf(d *collect.Destination) string {
	if d.At.File == "" {
		return "-connect"
	}
	return d.At.String()
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return fmt.Sprintf("%.60s", s)
}
