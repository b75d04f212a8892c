// Command overlay prepares the Go runtime for life inside somebody else's
// process: it writes a file for "go build -overlay" that replaces the runtime's
// table of signals by a copy that leaves the signals of the host to the host.
//
// A thread of Go keeps the signal mask that it inherited, less the signals that
// the table marks with _SigUnblock. Faults must stay marked; the others must
// not, since a handler of the host would run on a goroutine's stack.
//
// The copy is made from the installed Go, and only if that reads as expected.
// It imports nothing of the project.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

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
	output, err := filepath.Abs(output)
	if err != nil {
		return err
	}

	original := filepath.Join(goroot, "src", "runtime", "sigtab_linux_generic.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return err
	}
	changed, err := Block(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w\nThis Go is unknown to Romanesco. See internal/tools/overlay", original, err)
	}

	replacement := filepath.Join(output, "sigtab_linux_generic.go")
	overlay, err := json.MarshalIndent(map[string]any{
		"Replace": map[string]string{original: replacement},
	}, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(output, 0o755); err != nil {
		return err
	}
	if err := write(replacement, changed); err != nil {
		return err
	}
	return write(filepath.Join(output, "overlay.json"), string(overlay)+"\n")
}

// write leaves a file alone that is right already.
func write(name, text string) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == text {
		return nil
	}
	return os.WriteFile(name, []byte(text), 0o644)
}
