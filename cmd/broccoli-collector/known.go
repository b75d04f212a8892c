package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// learn finds out which events are known, and what is declared of their values: by the
// program itself, then by the files of -types and -zeek-types, then by that of -events.
func (p *plan) learn() error {
	o := p.opts
	p.declared = zeek.NewTypes()
	if err := p.declared.Parse(strings.NewReader(catalog.Public), "public.zeek"); err != nil {
		return err
	}
	for _, path := range slices.Compact([]string{o.types, o.zeek.types}) {
		if path == "" {
			continue
		}
		if err := p.declared.Load(path); err != nil {
			return err
		}
	}
	p.known = catalog.Builtin()
	p.known.AddDeclared(p.declared.Events())
	for _, name := range o.events {
		if !catalog.IsName(name) {
			return fmt.Errorf("-event %q: not a name (letters, digits, _ and ::)", name)
		}
		p.known.Add(name)
	}
	if o.eventsFile == "" || o.unknownEvents() != "" {
		return nil
	}
	f, err := os.Open(o.eventsFile)
	if err != nil {
		return fmt.Errorf("events file: %w", err)
	}
	defer f.Close()
	return p.known.AddFrom(f, o.eventsFile)
}

// unknownEvents returns the pattern that -events is instead of the name of a file, or
// nothing: what stands between slashes, or has something of a pattern and is no file.
func (o *options) unknownEvents() string {
	text := o.eventsFile
	_, err := os.Stat(text)
	switch {
	case text == "" || err == nil || !errors.Is(err, fs.ErrNotExist):
		return ""
	case isPattern(text):
		return text[1 : len(text)-1]
	case strings.ContainsAny(text, "*+?[](){}|^$"):
		return text
	}
	return ""
}

// askUnknown compiles what -events is for. Peers send what they are asked for by name,
// and that is done with each name that is known now or later.
func (p *plan) askUnknown() (*pattern.Pattern, error) {
	text := p.opts.unknownEvents()
	if text == "" {
		return nil, nil
	}
	events, err := pattern.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("-events %s: %w", p.opts.eventsFile, err)
	}
	if len(p.known.Select(events.Match)) == 0 {
		p.note("-events %v matches no event that is known: it is for what peers send unasked%s, and for names that -types or a reload makes known",
			events, map[bool]string{true: ", for what other peers will ask for"}[p.forward])
	}
	return events, nil
}
