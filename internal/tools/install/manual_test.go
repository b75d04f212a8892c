package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(b)
}

// found returns, once each, what the group of the expression matches.
func found(expression, text string) []string {
	var names []string
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		if !seen[m[1]] {
			seen[m[1]] = true
			names = append(names, m[1])
		}
	}
	return names
}

func TestManualPagesAreWellFormed(t *testing.T) {
	mandoc, mandocErr := exec.LookPath("mandoc")
	man, manErr := exec.LookPath("man")
	if mandocErr != nil && manErr != nil {
		t.Skip("neither mandoc nor man is installed")
	}
	pages, err := filepath.Glob(root + "/docs/man/*.[1-8]")
	require.NoError(t, err)
	require.Len(t, pages, 4)
	for _, page := range pages {
		if mandocErr == nil {
			// Beside the page it finds the others; those of the system may be missing.
			cmd := exec.Command(mandoc, "-T", "lint", filepath.Base(page))
			cmd.Dir = filepath.Dir(page)
			out, _ := cmd.CombinedOutput()
			for line := range strings.Lines(string(out)) {
				if !strings.Contains(line, "referenced manual not found") && !strings.Contains(line, "mandoc.db") {
					t.Error(line)
				}
			}
		}
		if manErr == nil {
			cmd := exec.Command(man, "--warnings", "-E", "UTF-8", "-l", page)
			cmd.Env = append(os.Environ(), "MANWIDTH=80")
			var complaints strings.Builder
			cmd.Stderr = &complaints
			require.NoError(t, cmd.Run(), complaints.String())
			require.Empty(t, complaints.String(), page)
		}
	}
}

// TestSettingsAreDocumented: the sources, the manual page, the example and the
// README know the same settings.
func TestSettingsAreDocumented(t *testing.T) {
	var sources strings.Builder
	names, err := filepath.Glob(root + "/capi/*.c")
	require.NoError(t, err)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		sources.Write(b)
	}
	known := found(`"(/broccoli/[a-z_]+)"`, sources.String())
	require.Contains(t, known, "/broccoli/use_ssl")
	require.ElementsMatch(t, known, found(`(?m)^\.It Cm (/broccoli/[a-z_]+)`, read(t, "docs/man/broccoli.conf.5")))
	require.ElementsMatch(t, known, found(`(?m)^#(/broccoli/[a-z_]+)`, read(t, "packaging/broccoli.conf")))
	require.ElementsMatch(t, known, found("`(/broccoli/[a-z_]+)`", read(t, "README.md")))
}

// TestSettingsOfExamplesAreDocumented: the same for what comes with the library.
func TestSettingsOfExamplesAreDocumented(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"/examples/openssh/*.c", "/examples/pam/*.c"} {
		names, err := filepath.Glob(root + pattern)
		require.NoError(t, err)
		for _, name := range names {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			sources.Write(b)
		}
	}
	known := found(`"(/(?:sshd|pam)/[a-z_]+)"`, sources.String())
	require.Contains(t, known, "/sshd/collector")
	require.ElementsMatch(t, known, found(`(?m)^\.It Cm (/(?:sshd|pam)/[a-z_]+)`, read(t, "docs/man/broccoli.conf.5")))
	require.ElementsMatch(t, known, found(`(?m)^#(/(?:sshd|pam)/[a-z_]+)`, read(t, "packaging/broccoli.conf")))
	require.ElementsMatch(t, known, found("(?m)^[|] `(/(?:sshd|pam)/[a-z_]+)`", read(t, "docs/sshd.md")+read(t, "examples/pam/README.md")))
}

func TestExampleSetsNothing(t *testing.T) {
	for line := range strings.Lines(read(t, "packaging/broccoli.conf")) {
		require.Regexp(t, `^(#.*)?\n$`, line)
	}
}

func TestOptionsOfCollectorAreDocumented(t *testing.T) {
	cmd := exec.Command(tree(t)+"/usr/bin/broccoli-collector", "-h")
	usage, err := cmd.CombinedOutput()
	require.NoError(t, err)
	options := found(`(?m)^  -([a-z-]+)`, string(usage))
	require.Contains(t, options, "listen")
	require.ElementsMatch(t, options, found(`(?m)^\.It Fl ([a-z-]+)`, read(t, "docs/man/broccoli-collector.8")))
}

func TestTypesAreDocumented(t *testing.T) {
	types := found(`(?m)^#define (BRO_TYPE_[A-Z0-9]+)`, read(t, "include/broccoli.h"))
	page := read(t, "docs/man/libbroccoli.3")
	for _, name := range types {
		if name != "BRO_TYPE_MAX" {
			require.Contains(t, page, "Dv "+name)
		}
	}
}

// TestExamplesOfManual builds the programs that libbroccoli(3) shows.
func TestExamplesOfManual(t *testing.T) {
	dest := tree(t)
	page := read(t, "docs/man/libbroccoli.3")
	examples := page[strings.Index(page, ".Sh EXAMPLES"):]
	code := found(`(?s)\.Bd -literal -offset indent\n(.*?)\.Ed`, examples)
	require.Len(t, code, 3)
	dir := t.TempDir()
	receive := strings.ReplaceAll(code[2], `\e`, `\`)
	before, after, ok := strings.Cut(receive, "}\n\n")
	require.True(t, ok)
	receive = "#include <broccoli.h>\n#include <poll.h>\n#include <stdio.h>\n" + before +
		"}\nvoid receive(BroConn *bc);\nvoid receive(BroConn *bc)\n{\n" + after + "}\n"
	for name, text := range map[string]string{"send.c": code[0], "receive.c": receive} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		cc := strings.Fields(compiler())
		args := append(cc[1:], "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-cast-function-type",
			"-I"+dest+"/usr/include", "-c", file, "-o", file+".o")
		require.NoError(t, run(exec.Command(cc[0], args...)))
	}
}
