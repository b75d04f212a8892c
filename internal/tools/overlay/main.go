// Command overlay prepares the Go runtime for life inside somebody else's
// process: it writes a file for "go build -overlay" that replaces files of the
// standard library by copies which do to the process what a guest may do. What is
// changed and why is listed in changes.go; the code that is put there is in _guest.
//
// The copies are made from the installed Go, and only if that reads as expected.
// It imports nothing of the project.
package main

import (
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed _guest
var guest embed.FS

func main() {
	output := flag.String("o", "build/overlay", "the folder to write to")
	goroot := flag.String("goroot", "", "the Go to start from (default: that of the go command)")
	flag.Parse()
	if err := run(*goroot, *output); err != nil {
		fmt.Fprintln(os.Stderr, "overlay:", err)
		os.Exit(1)
	}
}

func run(goroot, output string) error {
	if goroot == "" {
		out, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("go env GOROOT: %w", err)
		}
		goroot = strings.TrimSpace(string(out))
	}
	src := filepath.Join(goroot, "src")
	output, err := filepath.Abs(output)
	if err != nil {
		return err
	}
	texts, err := replacements(src)
	if err != nil {
		return fmt.Errorf("%w\nThis Go is unknown to Romanesco. See internal/tools/overlay", err)
	}
	replace := map[string]string{}
	for name, text := range texts {
		replacement := filepath.Join(output, name)
		replace[filepath.Join(src, name)] = replacement
		if err := write(replacement, text); err != nil {
			return err
		}
	}
	overlay, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return err
	}
	return write(filepath.Join(output, "overlay.json"), string(overlay)+"\n")
}

// replacements returns the text of each file that is changed or added, by its
// name below src.
func replacements(src string) (map[string]string, error) {
	texts := map[string]string{}
	for _, e := range effects {
		text, changed := texts[e.file]
		if !changed {
			original, err := os.ReadFile(filepath.Join(src, e.file))
			if err != nil {
				return nil, err
			}
			text = string(original)
		}
		for _, c := range e.changes {
			var err error
			if text, err = apply(text, c); err != nil {
				return nil, fmt.Errorf("%s: %w", filepath.Join(src, e.file), err)
			}
		}
		texts[e.file] = text
	}
	if err := checkTable(texts["runtime/sigtab_linux_generic.go"]); err != nil {
		return nil, err
	}
	for name, from := range added {
		if _, err := os.Lstat(filepath.Join(src, name)); err == nil {
			return nil, fmt.Errorf("%s is there already", filepath.Join(src, name))
		}
		text, err := guest.ReadFile(from)
		if err != nil {
			return nil, err
		}
		texts[name] = string(text)
	}
	return texts, nil
}

// write leaves a file alone that is right already.
func write(name, text string) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == text {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o644)
}
