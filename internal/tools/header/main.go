// Command header writes include/broccoli.h: the template capi/broccoli.h.in
// with the documentation and the prototypes of everything that capi/*.c
// exports. So what the header says stands beside the code that does it.
//
// It imports nothing of the project.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
)

func main() {
	template := flag.String("template", "capi/broccoli.h.in", "the template")
	sources := flag.String("sources", "capi", "the folder of the C files")
	output := flag.String("o", "include/broccoli.h", "the header to write")
	check := flag.Bool("check", false, "write nothing, fail when the header is not current")
	flag.Parse()
	if err := run(*template, *sources, *output, *check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run leaves a header that is current untouched, so that nothing is compiled
// again because of it.
func run(template, sources, output string, check bool) error {
	header, err := Generate(template, sources)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(output)
	if err == nil && bytes.Equal(old, header) {
		return nil
	}
	if check {
		return fmt.Errorf("%s is not current: run 'make header'", output)
	}
	return os.WriteFile(output, header, 0o644)
}
