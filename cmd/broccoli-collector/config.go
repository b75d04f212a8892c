package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// patternOption is what a pattern is called in a configuration file; on the command
// line patterns stand behind the options.
const patternOption = "pattern"

// readConfig sets options from a file: on each line the name of one, as on the
// command line without the dash, and its value. A switch needs none. What follows
// a # at the beginning of a word is a comment; a value with a blank or # at an end
// stands in double quotes, as Go writes them.
func readConfig(f *flag.FlagSet, path string) (patterns []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		name, value, err := splitLine(lines.Text())
		if err == nil && name == patternOption {
			patterns = append(patterns, value)
			continue
		}
		if err == nil && name != "" {
			err = setOption(f, name, value)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return patterns, nil
}

// splitLine returns what a line sets; the name is empty if it sets nothing.
func splitLine(line string) (name, value string, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", "", nil
	}
	name, value, _ = strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	value = strings.TrimSpace(value)
	if !strings.HasPrefix(value, `"`) {
		before, _, _ := strings.Cut(" "+value, " #")
		return name, strings.TrimSpace(before), nil
	}
	quoted, err := strconv.QuotedPrefix(value)
	if err != nil {
		return "", "", fmt.Errorf("%s: the quote is not closed, or holds an unknown escape", name)
	}
	if rest := strings.TrimSpace(value[len(quoted):]); rest != "" && rest[0] != '#' {
		return "", "", fmt.Errorf("%s: %q stands behind the value", name, rest)
	}
	value, err = strconv.Unquote(quoted)
	return name, value, err
}

func setOption(f *flag.FlagSet, name, value string) error {
	option := f.Lookup(name)
	switch {
	case option == nil && strings.HasPrefix(name, "-"):
		return fmt.Errorf("%s: options have no dash here", name)
	case option == nil:
		return fmt.Errorf("%s: there is no such option (a pattern is %q with the pattern behind it)", name, patternOption)
	case name == "config" || name == "version" || name == "v":
		return fmt.Errorf("%s: only for the command line", name)
	}
	if value == "" && isSwitch(option) {
		value = "true"
	}
	if err := f.Set(name, value); err != nil {
		return fmt.Errorf("%s %q: %w", name, value, err)
	}
	return nil
}

func isSwitch(option *flag.Flag) bool {
	s, ok := option.Value.(interface{ IsBoolFlag() bool })
	return ok && s.IsBoolFlag()
}
