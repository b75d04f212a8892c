package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const program = `#include "includes.h"

static void stop(int);

static void
stop(int sig)
{
	if (sig) {
		finish(sig);
	}
}

int
main(int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		stop(i);
	finish(0);
}
`

// folder makes a folder with program and a Makefile in it.
func folder(t *testing.T) *source {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.c"), []byte(program), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Makefile.in"), []byte("LIBS=@LIBS@\nOBJS=a.o b.o\n"), 0o600))
	return &source{dir: dir, files: map[string][]string{}}
}

func read(t *testing.T, s *source, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	require.NoError(t, err)
	return string(b)
}

func TestEdits(t *testing.T) {
	s := folder(t)
	require.NoError(t, s.apply([]edit{
		{all, "a.c", "", `^#include "includes\.h"$`, after, `#include "ours.h"`},
		{all, "a.c", "stop", `\bfinish\(`, before, `tell(sig);`},
		{all, "a.c", "main", `^\tfinish\(`, after, `told();`},
		{all, "Makefile.in", "", `^LIBS=.*`, instead, "$0 $$(OURS)"},
		{all, "Makefile.in", "", `\bb\.o\b`, instead, "$0 ours.o"},
		{unsplit, "a.c", "nowhere", `x`, before, "x"},
	}, version{9, 8}))
	require.Equal(t, program, read(t, s, "a.c"), "nothing is written before all edits are done")
	require.NoError(t, s.write())
	require.Equal(t, `#include "includes.h"
#include "ours.h"

static void stop(int);

static void
stop(int sig)
{
	if (sig) {
		tell(sig);
		finish(sig);
	}
}

int
main(int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		stop(i);
	finish(0);
	told();
}
`, read(t, s, "a.c"))
	require.Equal(t, "LIBS=@LIBS@ $(OURS)\nOBJS=a.o b.o ours.o\n", read(t, s, "Makefile.in"))
}

// TestDoesNotFit: each place that is not there is told, and how.
func TestDoesNotFit(t *testing.T) {
	s := folder(t)
	err := s.apply([]edit{
		{all, "a.c", "start", `\bfinish\(`, before, "x"},
		{all, "a.c", "stop", `\bbegin\(`, before, "x"},
		{all, "a.c", "", `\bfinish\(`, before, "x"},
		{all, "b.c", "", `x`, before, "x"},
	}, version{9, 8})
	require.ErrorContains(t, err, "a.c: there is no function start")
	require.ErrorContains(t, err, `a.c: function stop: no line matches \bbegin\(`)
	require.ErrorContains(t, err, `a.c: the file: lines 9 and 20 both match \bfinish\(`)
	require.ErrorContains(t, err, "b.c: no such file or directory")
}

// TestOtherVersion: the whole program, with a source that is not OpenSSH's.
func TestOtherVersion(t *testing.T) {
	_, err := instrument(t.TempDir())
	require.ErrorContains(t, err, "no source of OpenSSH in ")

	s := folder(t)
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
	}
	write("sshd.c", program)
	_, err = instrument(s.dir)
	require.ErrorContains(t, err, "which version of OpenSSH it is")
	write("version.h", "#define SSH_VERSION \"OpenSSH_99.1\"\n")
	_, err = instrument(s.dir)
	require.ErrorContains(t, err, "the edits do not fit OpenSSH_99.1 (they were made for OpenSSH_9.2 and OpenSSH_10.0); nothing was changed:")
	require.ErrorContains(t, err, "sshd.c: there is no function server_accept_loop")
	require.Equal(t, program, read(t, s, "sshd.c"))

	write("sshd.c", "#include \"includes.h\"\n#include \"sensor.h\"\n")
	_, err = instrument(s.dir)
	require.ErrorContains(t, err, "instrumented already")
}

func TestVersions(t *testing.T) {
	for v, want := range map[version][3]bool{ // unsplit, split, authApart
		{9, 2}: {true, false, false}, {9, 7}: {true, false, false}, {9, 8}: {false, true, false},
		{9, 9}: {false, true, false}, {10, 0}: {false, true, true}, {10, 10}: {false, true, true},
	} {
		require.True(t, all.has(v))
		require.Equal(t, want, [3]bool{unsplit.has(v), split.has(v), authApart.has(v)}, "%v", v)
	}

	s := folder(t)
	for text, want := range map[string]version{
		"#define SSH_VERSION \"OpenSSH_10.0\"": {10, 0}, "#define SSH_VERSION\t\"OpenSSH_9.2\"\n#define SSH_PORTABLE \"p1\"": {9, 2},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, "version.h"), []byte(text), 0o600))
		v, err := s.version()
		require.NoError(t, err)
		require.Equal(t, want, v)
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "version.h"), []byte("OpenSSH_portable"), 0o600))
	_, err := s.version()
	require.ErrorContains(t, err, "version.h does not say")
}
