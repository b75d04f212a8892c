package policy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// printNodes has a Bro 2.5 print what it would do, before it does it, and end.
const printNodes = `
event bro_init() &priority=-5
	{
	for ( t in Communication::nodes )
		{
		local n = Communication::nodes[t];
		print fmt("node %s %s %s %s", t, n$host, n$connect, n?$class ? n$class : "-");
		}
	terminate();
	}
`

// TestConstructsInBro: a real Bro 2.5 makes the same of them.
func TestConstructsInBro(t *testing.T) {
	command := os.Getenv("ROMANESCO_BRO")
	if command == "" {
		t.Skip("needs a real Bro 2.5: ROMANESCO_BRO=command")
	}
	t.Setenv("SITE_SENSORS", "2")
	for _, name := range []string{"tables", "init", "given", "cluster-workers"} {
		path, err := filepath.Abs(guide("constructs/" + name + ".bro"))
		require.NoError(t, err)
		dir := t.TempDir()
		script := filepath.Join(dir, "print.bro")
		require.NoError(t, os.WriteFile(script, []byte(printNodes), 0o600))
		cmd := exec.Command(command, path, script)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		var said []string
		for line := range strings.Lines(string(out)) {
			if node, ok := strings.CutPrefix(strings.TrimSpace(line), "node "); ok {
				said = append(said, node)
			}
		}
		p, err := Load(path)
		require.NoError(t, err)
		assert.ElementsMatch(t, said, nodesOf(p), name)
	}
}

func nodesOf(p *Policy) (all []string) {
	for i := range p.Destinations {
		d := &p.Destinations[i]
		connect, class := "F", "-"
		if d.Connect {
			connect = "T"
		}
		if d.Class != "" {
			class = d.Class
		}
		all = append(all, strings.Join([]string{d.Tag, d.Host.String(), connect, class}, " "))
	}
	slices.Sort(all)
	return all
}
