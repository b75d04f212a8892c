package main

import "flag"

// recorded is an option that knows the text that it was last set to.
type recorded struct {
	flag.Value
	text string
}

// Set implements flag.Value.
func (r *recorded) Set(s string) error {
	r.text = s
	return r.Value.Set(s)
}

// IsBoolFlag says, to package flag, whether the option is a switch.
func (r *recorded) IsBoolFlag() bool {
	s, ok := r.Value.(interface{ IsBoolFlag() bool })
	return ok && s.IsBoolFlag()
}

// recordedFlags returns the options, each of which is recorded.
func recordedFlags(o *options) *flag.FlagSet {
	f := o.flags()
	f.VisitAll(func(g *flag.Flag) { g.Value = &recorded{Value: g.Value} })
	return f
}

// recordedValues returns what the options are: as they say it or, if they do not, as
// they were told.
func recordedValues(f *flag.FlagSet) map[string]string {
	values := map[string]string{}
	f.VisitAll(func(g *flag.Flag) {
		r := g.Value.(*recorded)
		values[g.Name] = r.String()
		if values[g.Name] == "" {
			values[g.Name] = r.text
		}
	})
	return values
}
