package catalog

import (
	_ "embed"
	"iter"
)

// Public is what public programs send that were written for libbroccoli: declarations
// of events and their types, as a Zeek script has them.
//
//go:embed public.zeek
var Public string

// AddDeclared adds events with the names of their arguments, in the place of those that
// are there.
func (c Catalog) AddDeclared(events iter.Seq2[string, []string]) {
	for name, args := range events {
		c[name] = args
	}
}
