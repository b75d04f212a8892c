package rooms

import (
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root   = "../../.."
	module = "github.com/romanesco-broccoli/romanesco/"
)

// row is one of the table of rooms: which packages, what they are, what they may import.
var row = regexp.MustCompile("(?m)^\\| (`(?:internal/|broccoli)[^|]*) \\| [^|]* \\| ([^|]*) \\|$")

// allowed returns what each package may import of this module, by last names, and the
// package of each of these.
func allowed(t *testing.T) (rules map[string][]string, named map[string]string) {
	t.Helper()
	text, err := os.ReadFile(root + "/docs/architecture.md")
	require.NoError(t, err)
	rules, named = map[string][]string{}, map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		var imports []string
		if m[2] != "nothing" {
			imports = strings.Split(m[2], ", ")
		}
		for _, name := range strings.Split(m[1], ", ") {
			name = strings.Trim(name, "`")
			require.NotContains(t, rules, name, "two rows of the table")
			require.NotContains(t, named, path.Base(name), "two rooms of that last name")
			rules[name], named[path.Base(name)] = imports, name
		}
	}
	return rules, named
}

// imported returns what each package that others may use, or below internal/, imports of
// this module, and C.
func imported(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./internal/...", "./broccoli/...")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	all := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		words := strings.Fields(line)
		of := strings.TrimPrefix(words[0], module)
		all[of] = []string{}
		for _, name := range words[1:] {
			if short, ours := strings.CutPrefix(name, module); ours || name == "C" {
				all[of] = append(all[of], short)
			}
		}
	}
	return all
}

// within reports whether the rules of a package are those of a room around it: each of
// the tests and tools has no row of its own.
func within(name string, rules map[string][]string) (string, bool) {
	for ; name != "."; name = path.Dir(name) {
		if _, ok := rules[name]; ok {
			return name, true
		}
	}
	return "", false
}

// TestRoomsImportWhatTheyMay, and the table names nothing that no package imports.
func TestRoomsImportWhatTheyMay(t *testing.T) {
	rules, named := allowed(t)
	used := map[string]bool{}
	for name, imports := range imported(t) {
		room, ok := within(name, rules)
		assert.True(t, ok, "docs/architecture.md has no row for %s", name)
		for _, i := range imports {
			last := path.Base(i)
			assert.Contains(t, rules[room], last, "%s imports %s: say so in docs/architecture.md, or do without", name, i)
			assert.True(t, i == "C" || named[last] == i, "%s is not the room of that name", i)
			used[room+" "+last] = true
		}
	}
	for room, imports := range rules {
		require.DirExists(t, root+"/"+room)
		for _, i := range imports {
			assert.True(t, used[room+" "+i], "docs/architecture.md says that %s may import %s, and it does not", room, i)
		}
		assert.True(t, slices.IsSorted(imports), "imports of %s in order", room)
	}
}
