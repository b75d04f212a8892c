package abi_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	cStandards   = []string{"c89", "gnu89", "c99", "gnu99", "c11", "c17", "gnu17", "c2x"}
	cxxStandards = []string{"c++98", "gnu++98", "c++11", "c++14", "c++17", "c++20", "c++2b"}
)

// What a program may do around the header.
var programs = map[string]string{
	"twice":    "#include \"broccoli.h\"\n#include \"broccoli.h\"\n",
	"last":     "#include <sys/types.h>\n#include <sys/socket.h>\n#include <stdio.h>\n#include \"broccoli.h\"\n",
	"features": "#undef _GNU_SOURCE\n#define _GNU_SOURCE\n#include \"broccoli.h\"\n",
	"beyond": "#include \"romanesco.h\"\nconst char *why(BroConn *bc);\n" +
		"const char *why(BroConn *bc) { bro_log_set(0, 0); return bro_conn_error(bc); }\n",
	"own pkthdr": "#include <sys/time.h>\n" +
		"struct pcap_pkthdr { struct timeval ts; unsigned int caplen, len; };\n" +
		"#define BROCCOLI_HAVE_PCAP_PKTHDR\n#include \"broccoli.h\"\nstruct bro_packet packet;\n",
}

// These need libpcap's header, which does not keep to a strict standard itself.
var pcapPrograms = map[string]string{
	"pcap first": "#include <pcap.h>\n#include \"broccoli.h\"\nstruct bro_packet packet;\n",
	"with pcap":  "#define BROCCOLI_WITH_PCAP\n#include \"broccoli.h\"\nstruct bro_packet packet;\n",
	"pcap last":  "#include \"broccoli.h\"\n#include <pcap.h>\n",
}

const use = "\nint use(void);\nint use(void) { uint n = 1; return TRUE == 1 && n == BRO_TYPE_BOOL; }\n"

func compile(t *testing.T, compiler, language, standard, program string) (string, error) {
	t.Helper()
	cmd := exec.Command(compiler, "-x", language, "-std="+standard, "-Wall", "-Wextra", "-pedantic",
		"-Werror", "-I"+filepath.Join(root, "include"), "-fsyntax-only", "-")
	cmd.Stdin = strings.NewReader(program)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestHeaderCompiles(t *testing.T) {
	found := false
	for _, c := range []struct {
		compiler, language string
		standards          []string
	}{
		{"gcc", "c", cStandards},
		{"clang", "c", cStandards},
		{"g++", "c++", cxxStandards},
		{"clang++", "c++", cxxStandards},
	} {
		if _, err := exec.LookPath(c.compiler); err != nil {
			t.Logf("%s is not installed", c.compiler)
			continue
		}
		found = true
		for _, standard := range c.standards {
			t.Run(c.compiler+" -std="+standard, func(t *testing.T) {
				t.Parallel()
				if _, err := compile(t, c.compiler, c.language, standard, "int unused;\n"); err != nil {
					t.Skip("this compiler does not know it")
				}
				for name, program := range programs {
					out, err := compile(t, c.compiler, c.language, standard, program+use)
					assert.NoError(t, err, "%s\n%s", name, out)
				}
				if !strings.HasPrefix(standard, "gnu") {
					return
				}
				if out, err := compile(t, c.compiler, c.language, standard, "#include <pcap.h>\n"); err != nil {
					t.Logf("not tested with libpcap: %s", out)
					return
				}
				for name, program := range pcapPrograms {
					out, err := compile(t, c.compiler, c.language, standard, program+use)
					assert.NoError(t, err, "%s\n%s", name, out)
				}
			})
		}
	}
	if !found {
		t.Skip("no C compiler is installed")
	}
}

// The examples in the header's introduction are programs.
func TestExamplesCompile(t *testing.T) {
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler is installed")
	}
	header, err := os.ReadFile(filepath.Join(root, "include", "broccoli.h"))
	require.NoError(t, err)
	examples := regexp.MustCompile(`(?m)^ \*     #include <broccoli.h>\n(?:^ \*.*\n)*?^ \*     int\n(?:^ \*.*\n)*?^ \*     }\n`)
	found := examples.FindAllString(string(header), -1)
	require.Len(t, found, 2)
	for i, calls := range []string{"bro_event_send", "bro_conn_process_input"} {
		program := regexp.MustCompile(`(?m)^ \*(     )?`).ReplaceAllString(found[i], "")
		require.Contains(t, program, calls)
		out, err := compile(t, "cc", "c", "c89", program)
		assert.NoError(t, err, "%s\n%s", program, out)
	}
}
