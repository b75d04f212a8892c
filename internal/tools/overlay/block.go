package main

import (
	"fmt"
	"strings"
)

// The lines of the runtime's table to change. An entry is a number, flags and a name.
var changes = []struct{ from, to string }{
	// Open on each thread of Go, whatever the mask that it inherited.
	{
		`/* 17 */ {_SigNotify + _SigUnblock + _SigIgn, "SIGCHLD: child status has changed"},`,
		`/* 17 */ {_SigNotify + _SigIgn, "SIGCHLD: child status has changed"},`,
	},
	{
		`/* 27 */ {_SigNotify + _SigUnblock, "SIGPROF: profiling alarm clock"},`,
		`/* 27 */ {_SigNotify, "SIGPROF: profiling alarm clock"},`,
	},
	// The same. Only musl has a use of its own for it: with glibc it is SIGRTMIN.
	{
		`/* 34 */ {_SigSetStack + _SigUnblock, "signal 34"}, /* musl SIGSYNCCALL; see issue 39343 */`,
		`/* 34 */ {_SigNotify, "signal 34"},`,
	},
	// Loading the library would take over their handlers for the whole process,
	// and an ignored SIGPIPE would no longer be ignored after exec().
	{
		`/* 13 */ {_SigNotify, "SIGPIPE: write to broken pipe"},`,
		`/* 13 */ {0, "SIGPIPE: write to broken pipe"},`,
	},
	{
		`/* 23 */ {_SigNotify + _SigIgn, "SIGURG: urgent condition on socket"},`,
		`/* 23 */ {0, "SIGURG: urgent condition on socket"},`,
	},
}

// What may stay open on Go's threads: faults of the thread itself, and the
// signals 32 and 33 that the C library keeps for itself.
var mayStayOpen = map[string]bool{
	"4": true, "5": true, "7": true, "8": true, "11": true, "16": true,
	"32": true, "33": true,
}

// Block returns the runtime's table with the host's signals left to the host.
// It fails unless the table is the one that the changes were written for.
func Block(table string) (string, error) {
	for _, c := range changes {
		if n := strings.Count(table, "\t"+c.from+"\n"); n != 1 {
			return "", fmt.Errorf("the line %q is there %d times instead of once", c.from, n)
		}
		table = strings.Replace(table, c.from, c.to, 1)
	}
	for i, line := range strings.Split(table, "\n") {
		if !strings.Contains(line, "_SigUnblock") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "/*" || !mayStayOpen[fields[1]] {
			return "", fmt.Errorf("line %d opens another signal: %s", i+1, strings.TrimSpace(line))
		}
	}
	return table, nil
}
