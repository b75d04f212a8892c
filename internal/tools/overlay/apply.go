package main

import (
	"fmt"
	"strings"
)

// apply returns the text with a change made. It fails unless the text is one that
// the change was written for.
func apply(text string, c change) (string, error) {
	begin, end := 0, len(text)
	if c.within != "" {
		if n := strings.Count(text, "\n"+c.within); n != 1 {
			return "", fmt.Errorf("%q begins %d lines instead of one", c.within, n)
		}
		begin = strings.Index(text, "\n"+c.within)
		n := strings.Index(text[begin:], "\n}\n")
		if n < 0 {
			return "", fmt.Errorf("%q has no end", c.within)
		}
		end = begin + n
	}
	place := text[begin:end]
	if n := strings.Count(place, c.from); n != 1 {
		return "", fmt.Errorf("%q is there %d times instead of once, in %q", c.from, n, c.within)
	}
	return text[:begin] + strings.Replace(place, c.from, c.to, 1) + text[end:], nil
}

// mayStayOpen are the signals that may stay open on Go's threads: faults of the
// thread itself, and the signals 32 and 33 that the C library keeps for itself.
var mayStayOpen = map[string]bool{
	"7": true, "8": true, "11": true,
	"32": true, "33": true,
}

// checkTable looks for signals in the runtime's table that no change has closed.
func checkTable(table string) error {
	for i, line := range strings.Split(table, "\n") {
		if !strings.Contains(line, "_SigUnblock") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "/*" || !mayStayOpen[fields[1]] {
			return fmt.Errorf("line %d opens another signal: %s", i+1, strings.TrimSpace(line))
		}
	}
	return nil
}
