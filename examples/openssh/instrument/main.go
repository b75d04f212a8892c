// Command instrument adds to OpenSSH's source the lines that call the sensor:
//
//	instrument FOLDER
//
// It either does every edit or leaves all files as they are, and says which
// place it has not found.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: instrument FOLDER")
		os.Exit(2)
	}
	done, err := instrument(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "instrument:", err)
		os.Exit(1)
	}
	for _, line := range done {
		fmt.Println(line)
	}
}

func instrument(dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, "sshd.c")); err != nil {
		return nil, fmt.Errorf("no source of OpenSSH in %s: %w", dir, err)
	}
	s := &source{dir: dir, files: map[string][]string{}}
	lines, err := s.lines("sshd.c")
	if err != nil {
		return nil, err
	}
	if strings.Contains(strings.Join(lines, "\n"), `"sensor.h"`) {
		return nil, errors.New("this source has been instrumented already: unpack it anew")
	}
	v, err := s.version()
	if err != nil {
		return nil, err
	}
	if err := s.apply(edits(), v); err != nil {
		return nil, fmt.Errorf("the edits do not fit %s (they were made for %v and %v); nothing was changed:\n%w",
			v, madeFor[0], madeFor[1], err)
	}
	if err := s.write(); err != nil {
		return nil, fmt.Errorf("writing what was edited: %w", err)
	}
	return s.done, nil
}
