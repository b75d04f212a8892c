// Command fuzz runs every fuzz target of the module, one after another, each
// for the same time. "go test -fuzz" runs one at a time.
//
// It imports nothing of the project.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	each := flag.Duration("time", 3*time.Second, "how long to run each target")
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	if err := run(packages, *each); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

type target struct{ pkg, name string }

func run(packages []string, each time.Duration) error {
	targets, err := list(packages)
	if err != nil {
		return err
	}
	failed := 0
	for _, t := range targets {
		fmt.Printf("%s %s (%v)\n", t.pkg, t.name, each)
		var out bytes.Buffer
		cmd := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", each.String(), t.pkg)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			failed++
			fmt.Printf("%s\n%v\n", out.String(), err)
		}
	}
	fmt.Printf("fuzz targets: %d passed, %d failed\n", len(targets)-failed, failed)
	if failed > 0 {
		return fmt.Errorf("%d of %d targets failed", failed, len(targets))
	}
	return nil
}

// list asks the test binaries. Their output is names, then a line for the package.
func list(packages []string) ([]target, error) {
	cmd := exec.Command("go", append([]string{"test", "-list", "^Fuzz"}, packages...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test -list: %w\n%s", err, out)
	}
	return parse(string(out)), nil
}

func parse(out string) []target {
	var targets []target
	var names []string
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 1 && strings.HasPrefix(fields[0], "Fuzz"):
			names = append(names, fields[0])
		case len(fields) >= 2 && fields[0] == "ok":
			for _, name := range names {
				targets = append(targets, target{fields[1], name})
			}
			names = nil
		}
	}
	return targets
}
