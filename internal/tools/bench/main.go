// Command bench measures the built library beside another libbroccoli.so.5, in
// turn, in one run, and prints a table of ratios: "make bench". What that one
// cannot do, speaking with a Zeek, is measured beside our own Bro protocol.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"
)

type options struct {
	build, reference string
	rounds, events   int
	stall            time.Duration
	only             string
}

func main() {
	var o options
	flag.StringVar(&o.build, "build", "build", "the built tree")
	flag.StringVar(&o.reference, "reference", "", "the other libbroccoli.so.5; without it, ours against ours")
	flag.IntVar(&o.rounds, "rounds", 5, "measurements of each")
	flag.IntVar(&o.events, "events", 200_000, "events in a measurement")
	flag.DurationVar(&o.stall, "stall", 5*time.Second, "how long a peer reads nothing")
	flag.StringVar(&o.only, "only", "", "only the measurements whose names match this regular expression")
	flag.Parse()
	if err := run(o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options, out io.Writer) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newSetup(o, dir)
	if err != nil {
		return err
	}
	for _, m := range append(besideReference(o, s), besideBro(o, s)...) {
		if !only.MatchString(m.name) {
			continue
		}
		t := table{name: m.name, columns: [2]column{{name: m.sides[0].name}, {name: m.sides[1].name}}}
		for range o.rounds {
			for i, side := range m.sides { // in turn, so that both have the same weather
				said, err := s.measure(side, m.args)
				if err == nil {
					err = t.note(i, said)
				}
				if err != nil {
					return fmt.Errorf("%s: %s: %w", side.name, m.name, err)
				}
			}
		}
		t.print(out)
	}
	return nil
}
