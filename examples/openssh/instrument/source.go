package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// source is a folder with the source of OpenSSH. Files are read once, and
// written only when every edit has found its place.
type source struct {
	dir   string
	files map[string][]string // lines
	done  []string            // what was done, a line each
}

func (s *source) lines(name string) ([]string, error) {
	if lines, ok := s.files[name]; ok {
		return lines, nil
	}
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return nil, errors.Unwrap(err) // the path is known
	}
	lines := strings.Split(string(b), "\n")
	s.files[name] = lines
	return lines, nil
}

// apply does all edits for a version, or says of each that does not fit what it
// looked for.
func (s *source) apply(edits []edit, v version) error {
	var errs []error
	for _, e := range edits {
		if !e.versions.has(v) {
			continue
		}
		if err := s.edit(e); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.file, err))
		}
	}
	return errors.Join(errs...)
}

func (s *source) edit(e edit) error {
	at, err := s.find(e)
	if err != nil {
		return err
	}
	s.files[e.file] = e.change(s.files[e.file], at)
	s.done = append(s.done, fmt.Sprintf("%s, %s, line %d: %s", e.file, place(e), at+1, e.line))
	return nil
}

// find returns the index of the line that an edit is for.
func (s *source) find(e edit) (int, error) {
	lines, err := s.lines(e.file)
	if err != nil {
		return 0, err
	}
	from, to, err := bounds(lines, e.function)
	if err != nil {
		return 0, err
	}
	re := regexp.MustCompile(e.line)
	at := -1
	for i := from; i < to; i++ {
		if !re.MatchString(lines[i]) {
			continue
		}
		if at >= 0 {
			return 0, fmt.Errorf("%s: lines %d and %d both match %s", place(e), at+1, i+1, e.line)
		}
		at = i
	}
	if at < 0 {
		return 0, fmt.Errorf("%s: no line matches %s", place(e), e.line)
	}
	return at, nil
}

func place(e edit) string {
	if e.function == "" {
		return "the file"
	}
	return "function " + e.function
}

// bounds returns the lines of a function: its name is at the beginning of a
// line, and so is the brace that ends it.
func bounds(lines []string, function string) (from, to int, err error) {
	if function == "" {
		return 0, len(lines), nil
	}
	from = -1
	for i, line := range lines {
		if from >= 0 && line == "}" {
			return from, i, nil
		}
		// A declaration ends in a semicolon, a definition does not.
		if strings.HasPrefix(line, function+"(") && !strings.HasSuffix(line, ";") {
			from = i
		}
	}
	return 0, 0, fmt.Errorf("there is no function %s", function)
}

// change returns the lines with the edit done at one of them.
func (e edit) change(lines []string, at int) []string {
	line := lines[at]
	if e.where == instead {
		return splice(lines, at, regexp.MustCompile(e.line).ReplaceAllString(line, e.text))
	}
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	if e.where == before {
		return splice(lines, at, indent+e.text, line)
	}
	return splice(lines, at, line, indent+e.text)
}

// splice returns lines with others in place of one.
func splice(lines []string, at int, others ...string) []string {
	result := append([]string{}, lines[:at]...)
	result = append(result, others...)
	return append(result, lines[at+1:]...)
}

func (s *source) write() error {
	for name, lines := range s.files {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			return err
		}
	}
	return nil
}
