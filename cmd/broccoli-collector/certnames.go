package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
)

// allowNames returns what refuses certificates of other names than those of
// -tls-names, nil if there are none.
func allowNames(texts []string) (func(name string) error, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	var names []string
	var patterns []*pattern.Pattern
	for _, text := range texts {
		if !isPattern(text) {
			names = append(names, strings.Split(text, ",")...)
			continue
		}
		p, err := pattern.Compile(text[1 : len(text)-1])
		if err != nil {
			return nil, fmt.Errorf("-tls-names %s: %w", text, err)
		}
		patterns = append(patterns, p)
	}
	for i := range names {
		if names[i] = strings.TrimSpace(names[i]); names[i] == "" {
			return nil, fmt.Errorf("-tls-names %q: a name is empty", strings.Join(texts, ","))
		}
	}
	return func(name string) error {
		matches := func(p *pattern.Pattern) bool { return p.Match(name) }
		switch {
		case name == "":
			return errors.New("the peer's certificate has no name, and -tls-names wants one")
		case slices.Contains(names, name), slices.ContainsFunc(patterns, matches):
			return nil
		}
		return fmt.Errorf("the peer's certificate is of \"%s\", which is none of -tls-names: %.500s", name, strings.Join(texts, ", "))
	}, nil
}

// isPattern reports whether text stands between slashes.
func isPattern(text string) bool { return len(text) > 1 && text[0] == '/' && text[len(text)-1] == '/' }
