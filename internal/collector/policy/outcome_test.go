package policy

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// update writes what comes out to where it is expected, for somebody to look through.
var update = flag.Bool("update", false, "write testdata/policy anew")

// outcome returns what comes out of files, a line for each thing. Paths are seen from a
// folder.
func outcome(root, bropath string, files ...string) string {
	l := newLoader(disk{})
	switch bropath {
	case "":
	case "@layout": // of broctl, which generates it
		l.path = []string{guide("layout")}
	default:
		l.path = []string{filepath.Join(root, bropath)}
	}
	var err error
	for _, f := range files {
		if err = l.file(filepath.Join(root, f)); err != nil {
			break
		}
	}
	var p *Policy
	if err == nil {
		p, err = l.finish()
	}
	if err != nil {
		return "refused: " + strings.ReplaceAll(err.Error(), root+"/", "") + "\n"
	}
	var b strings.Builder
	for i := range p.Destinations {
		fmt.Fprintln(&b, destinationLine(&p.Destinations[i]))
	}
	for _, l := range p.Listeners {
		fmt.Fprintf(&b, "listens on %v%s\n", l.Address, when(l.SSL, " TLS"))
	}
	for _, s := range []struct{ name, value string }{
		{"ssl_ca_certificate", p.CACertificate}, {"ssl_private_key", p.PrivateKey}, {"ssl_passphrase", p.Passphrase},
		{"forward_remote_events", when(p.Forward, "T")},
	} {
		if s.value != "" {
			fmt.Fprintf(&b, "%s %s\n", s.name, s.value)
		}
	}
	if p.ListenRetry > 0 {
		fmt.Fprintln(&b, "listen_retry", p.ListenRetry)
	}
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return b.String()
}

func when(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

func destinationLine(d *Destination) string {
	how := fmt.Sprintf("waits for %q at %v", d.Tag, d.Host)
	if d.Connect {
		how = fmt.Sprintf("connects to %q at %v port %d", d.Tag, d.Host, d.Port)
		if d.Retry > 0 {
			how += fmt.Sprintf(" again after %v", d.Retry)
		}
	}
	if d.Events != nil {
		how += fmt.Sprintf(" for %v", d.Events)
	}
	if d.Class != "" {
		how += fmt.Sprintf(" class %q", d.Class)
	}
	if d.CaptureFilter != "" {
		how += fmt.Sprintf(" filter %q", d.CaptureFilter)
	}
	if d.Compression > 0 {
		how += fmt.Sprintf(" compression %d", d.Compression)
	}
	if d.TLSName != "" {
		how += " named " + d.TLSName
	}
	if d.TLSNames != nil {
		how += fmt.Sprintf(" named %v", d.TLSNames)
	}
	return how + when(d.SSL, " TLS") + when(d.Sync, " sync") + when(d.Auth, " auth") + when(d.Cache, " cache") + when(!d.AcceptInput, " ignored")
}

// TestConstructs: each file of ours shows one, and has beside it what must come out.
func TestConstructs(t *testing.T) {
	t.Setenv("SITE_SENSORS", "2")
	all, err := filepath.Glob(guide("constructs/*.bro"))
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, path := range all {
		want := strings.TrimSuffix(path, ".bro") + ".want"
		got := outcome(filepath.Dir(path), "path", filepath.Base(path))
		if *update {
			require.NoError(t, os.WriteFile(want, []byte(got), 0o644))
		}
		text, err := os.ReadFile(want)
		require.NoError(t, err)
		assert.Equal(t, string(text), got, path)
	}
}

// TestPublicPolicies: what comes out of files that sites and Bro itself have published.
// They are others' and not here; testdata/policy/README.md says how to get them.
func TestPublicPolicies(t *testing.T) {
	root := os.Getenv("ROMANESCO_POLICIES")
	if root == "" {
		t.Skip("needs a folder of public policy files: ROMANESCO_POLICIES=folder")
	}
	t.Setenv("BRO_MANAGER", "1") // as broctl of Bro 1 sets it
	table, err := os.ReadFile(guide("public.txt"))
	require.NoError(t, err)
	known := map[string]bool{}
	var anew strings.Builder
	for _, part := range strings.Split("\n"+string(table), "\n## ") {
		head, want, _ := strings.Cut(part, "\n")
		words := strings.Fields(head)
		if len(words) == 0 {
			anew.WriteString(strings.TrimPrefix(part, "\n"))
			continue
		}
		bropath := ""
		if len(words) > 1 {
			bropath = words[1]
		}
		known[words[0]] = true
		got := outcome(root, bropath, words[0])
		fmt.Fprintf(&anew, "\n## %s\n%s", head, got)
		if !*update {
			assert.Equal(t, strings.TrimRight(want, "\n"), strings.TrimRight(got, "\n"), words[0])
		}
	}
	for _, path := range mentioning(t, root) {
		if *update && !known[path] {
			fmt.Fprintf(&anew, "\n## %s\n%s", path, outcome(root, "", path))
		} else if !*update {
			assert.True(t, known[path], "%s is not in testdata/policy/public.txt", path)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(guide("public.txt"), []byte(anew.String()), 0o644))
	}
}

// mentioning returns the files below a folder that mention communication.
func mentioning(t *testing.T, root string) (all []string) {
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".bro" {
			return err
		}
		b, err := os.ReadFile(path)
		text := string(b)
		if strings.Contains(text, "Remote::") || strings.Contains(text, "Communication::") {
			name, e := filepath.Rel(root, path)
			all, err = append(all, name), errors.Join(err, e)
		}
		return err
	}))
	return all
}
