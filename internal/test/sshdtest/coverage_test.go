package sshdtest

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// coverage is which events have come, and in which test each came first.
type coverage struct {
	mu    sync.Mutex
	first map[string]string
	times map[string]int
}

func (c *coverage) add(event, test string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		c.first, c.times = map[string]string{}, map[string]int{}
	}
	if c.times[event] == 0 {
		c.first[event] = test
	}
	c.times[event]++
}

// report compares with the table of events for those who run sshd. It returns
// the events that are in one of both only.
func (c *coverage) report() (missing []string, err error) {
	documented, err := documentedEvents("../../../docs/sshd.md")
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Printf("events of docs/sshd.md, from real clients:\n%-22s %7s  first in\n", "event", "times")
	for _, event := range documented {
		fmt.Printf("%-22s %7d  %s\n", event, c.times[event], c.first[event])
		if c.times[event] == 0 {
			missing = append(missing, event+": no test has it")
		}
	}
	for event := range c.times {
		if !slices.Contains(documented, event) {
			missing = append(missing, event+": docs/sshd.md does not have it")
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// documentedEvents returns the events of the table below "What is seen".
func documentedEvents(path string) (events []string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, section, _ := strings.Cut(string(b), "\n## What is seen\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if cell, isRow := strings.CutPrefix(line, "| `"); isRow {
			cell, _, _ = strings.Cut("`"+cell, "|")
			for _, name := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cell, -1) {
				events = append(events, name[1])
			}
		}
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("%s has no table of events", path)
	}
	return events, nil
}
