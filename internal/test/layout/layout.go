// Package layout reads what C compilers make of the structures of a header, for tests that
// compare these with the same in Go. It imports nothing of the project.
package layout

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A structure is told as its fields in their order, each as name@offset+size, and its size. Names
// are without case and underscores; _ is what is not used.

func field(name string, offset, size uintptr) string {
	return fmt.Sprintf("%s@%d+%d ", strings.ToLower(strings.ReplaceAll(name, "_", "")), offset, size)
}

func unused(offset, size uintptr) string { return fmt.Sprintf("_@%d+%d ", offset, size) }

// Header is one of C's, as a compiler sees it.
type Header struct {
	compiler []string
	path     string
	text     string // without comments
	root     string // of the project
}

// Each runs a test with a header, whose path begins in the root of the project, as compilers
// for 64 and, where there is one, for 32 bits see it.
func Each(t *testing.T, root, path string, test func(t *testing.T, h *Header)) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	text = regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAll(text, nil)
	for name, compiler := range map[string][]string{"64 bits": {"cc"}, "32 bits": {"cc", "-m32"}} {
		t.Run(name, func(t *testing.T) {
			h := &Header{compiler: compiler, path: path, text: string(text), root: root}
			if _, err := h.run(t, ""); err != nil {
				t.Skipf("needs %s with its C library (apt-get install gcc libc6-dev gcc-multilib): %v", strings.Join(compiler, " "), err)
			}
			test(t, h)
		})
	}
}

// run compiles and runs a program with that in main().
func (h *Header) run(t *testing.T, statements string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	source := fmt.Sprintf("#include <stddef.h>\n#include <stdio.h>\n#include \"%s\"\nint main(void)\n{\n%s\nreturn 0;\n}\n", filepath.Base(h.path), statements)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(source), 0o600))
	args := append(slices.Clone(h.compiler[1:]), "-std=c11", "-D_GNU_SOURCE", "-I"+filepath.Join(h.root, "include"),
		"-I"+filepath.Join(h.root, filepath.Dir(h.path)), filepath.Join(dir, "main.c"), "-o", filepath.Join(dir, "main"))
	if out, err := exec.Command(h.compiler[0], args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	out, err := exec.Command(filepath.Join(dir, "main")).Output()
	return string(out), err
}

// Print runs a program with that in main(), and returns what it prints.
func (h *Header) Print(t *testing.T, statements string) string {
	t.Helper()
	out, err := h.run(t, statements)
	require.NoError(t, err)
	return out
}

// Require fails the test unless expressions of C have these values.
func (h *Header) Require(t *testing.T, want map[string]int64) {
	t.Helper()
	var program strings.Builder
	expressions := slices.Sorted(maps.Keys(want))
	for _, e := range expressions {
		fmt.Fprintf(&program, "printf(\"%%lld\\n\", (long long)(%s));\n", e)
	}
	lines := strings.Fields(h.Print(t, program.String()))
	for i, e := range expressions {
		require.Equal(t, fmt.Sprint(want[e]), lines[i], "%s", e)
	}
}

// Defined returns the names of the header's constants that begin so: macros with a value, and
// members of enumerations.
func (h *Header) Defined(prefix string) []string {
	names := map[string]bool{}
	for _, pattern := range []string{`(?m)^#define (\w+) \S`, `(?m)^    (\w+) = \d+,?`} {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(h.text, -1) {
			if strings.HasPrefix(m[1], prefix) {
				names[m[1]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Structs returns the names of all structures.
func (h *Header) Structs() (names []string) {
	for _, m := range regexp.MustCompile(`(?m)^struct (\w+) \{`).FindAllStringSubmatch(h.text, -1) {
		names = append(names, m[1])
	}
	return names
}

// fields are the names in a structure, as they are written.
func (h *Header) fields(t *testing.T, name string) (names []string) {
	t.Helper()
	body := regexp.MustCompile(`(?ms)^struct ` + name + ` \{(.*?)^\};`).FindStringSubmatch(h.text)
	require.NotNil(t, body, "there is no struct %s", name)
	for _, declaration := range strings.Split(body[1], ";") {
		for _, part := range strings.Split(declaration, ",") {
			part, _, _ = strings.Cut(part, "[")
			if words := strings.Fields(strings.ReplaceAll(part, "*", " ")); len(words) > 0 {
				names = append(names, words[len(words)-1])
			}
		}
	}
	return names
}

// Struct returns a structure as it lies in memory.
func (h *Header) Struct(t *testing.T, name string) string {
	t.Helper()
	names := h.fields(t, name)
	var program, s strings.Builder
	for _, f := range names {
		fmt.Fprintf(&program, "printf(\"%%zu %%zu\\n\", offsetof(struct %s, %s), sizeof(((struct %s *)0)->%s));\n", name, f, name, f)
	}
	fmt.Fprintf(&program, "printf(\"%%zu\\n\", sizeof(struct %s));", name)
	lines := strings.Split(strings.TrimSpace(h.Print(t, program.String())), "\n")
	for i, f := range names {
		var offset, size uintptr
		_, err := fmt.Sscan(lines[i], &offset, &size)
		require.NoError(t, err)
		if regexp.MustCompile(`^(reserved|unused|pad\d)$`).MatchString(f) {
			s.WriteString(unused(offset, size))
		} else {
			s.WriteString(field(f, offset, size))
		}
	}
	return s.String() + lines[len(names)]
}

// Of returns a structure of Go as it lies in memory. called has the names of fields that are
// others in C.
func Of(v any, called map[string]string) string {
	t := reflect.TypeOf(v)
	var s strings.Builder
	for i := range t.NumField() {
		f := t.Field(i)
		name, ok := called[f.Name]
		switch {
		case f.Name == "_":
			s.WriteString(unused(f.Offset, f.Type.Size()))
		case ok:
			s.WriteString(field(name, f.Offset, f.Type.Size()))
		default:
			s.WriteString(field(f.Name, f.Offset, f.Type.Size()))
		}
	}
	return s.String() + fmt.Sprint(t.Size())
}
