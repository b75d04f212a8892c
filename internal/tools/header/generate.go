package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// A line "@functions conn ring@" of the template stands for what capi/conn.c and
// then capi/ring.c export.
var marker = regexp.MustCompile(`^@functions ([a-z0-9_ ]+)@$`)

// Generate returns the header made of the template and the C files in the folder sources.
func Generate(template, sources string) ([]byte, error) {
	exported, err := parseAll(sources)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(template)
	if err != nil {
		return nil, err
	}

	var out bytes.Buffer
	used := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		m := marker.FindStringSubmatch(line)
		if m == nil {
			if strings.HasPrefix(line, "@") {
				return nil, fmt.Errorf("%s:%d: unknown marker %s", template, i+1, line)
			}
			out.WriteString(line + "\n")
			continue
		}
		first := true
		for _, noun := range strings.Fields(m[1]) {
			if used[noun] {
				return nil, fmt.Errorf("%s:%d: %s.c has a marker already", template, i+1, noun)
			}
			used[noun] = true
			for _, d := range exported[noun] {
				if !first {
					out.WriteByte('\n')
				}
				first = false
				out.WriteString(d.comment + "\n" + d.declaration + "\n")
			}
		}
	}

	for noun, decls := range exported {
		if !used[noun] && len(decls) > 0 {
			return nil, fmt.Errorf("%s: %s is exported, but %s names no '%s' after @functions",
				decls[0].where, decls[0].name, template, noun)
		}
	}
	return out.Bytes(), nil
}

// parseAll returns the exported declarations of every C file, by its name without ".c".
func parseAll(folder string) (map[string][]declaration, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.c"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	exported := map[string][]declaration{}
	seen := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		decls, err := Parse(file, string(text))
		if err != nil {
			return nil, err
		}
		for _, d := range decls {
			if where, ok := seen[d.name]; ok {
				return nil, fmt.Errorf("%s: %s is defined in %s too", d.where, d.name, where)
			}
			seen[d.name] = d.where
		}
		exported[strings.TrimSuffix(filepath.Base(file), ".c")] = decls
	}
	return exported, nil
}
