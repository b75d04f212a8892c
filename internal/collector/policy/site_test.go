package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tree writes files into a folder of their own.
func tree(t *testing.T, all map[string]string) string {
	dir := t.TempDir()
	for name, text := range all {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func node(tag, host string) string {
	return `redef Communication::nodes += { ["` + tag + `"] = [$host=` + host + `] };` + "\n"
}

// TestScriptsOfSites: what a site has under the name of one of Bro's own scripts is read,
// and what Bro itself has there is not, which is said.
func TestScriptsOfSites(t *testing.T) {
	dir := tree(t, map[string]string{
		"beside/local.bro": "@load remote\n", "beside/remote.bro": node("beside", "10.0.0.1"),
		"path/local.bro": "@load scan\n@load listen-ssl\n", "own/scan.bro": node("scan", "10.0.0.2"), "own/listen-ssl.bro": node("ssl", "10.0.0.3"),
		"bro/base/init-bare.bro": "", "bro/scan.bro": node("bro", "10.0.0.4"),
	})
	load := func(file string, bropath ...string) *Policy {
		var path []string
		for _, p := range bropath {
			path = append(path, filepath.Join(dir, p))
		}
		t.Setenv("BROPATH", strings.Join(path, ":"))
		p, err := Load(filepath.Join(dir, file))
		require.NoError(t, err)
		return p
	}
	require.Equal(t, "beside", load("beside/local.bro").Destinations[0].Tag)
	p := load("path/local.bro", "own", "bro")
	require.Len(t, p.Destinations, 2)
	require.Equal(t, "scan", p.Destinations[0].Tag)
	p = load("path/local.bro", "bro", "own")
	require.Len(t, p.Destinations, 1)
	require.Contains(t, strings.Join(p.Notes, "\n"), "bro/scan.bro is one of Bro's own scripts, and is not read")
}

// TestUnloadIsOfAFile: another one of that name is loaded.
func TestUnloadIsOfAFile(t *testing.T) {
	dir := tree(t, map[string]string{
		"local.bro":      "@load ./a\n@load ./b\n",
		"a/__load__.bro": "@unload ./nodes\n@load ./nodes\n", "a/nodes.bro": node("a", "10.0.0.1"),
		"b/__load__.bro": "@load ./nodes\n", "b/nodes.bro": node("b", "10.0.0.2"),
	})
	p, err := Load(filepath.Join(dir, "local.bro"))
	require.NoError(t, err)
	require.Len(t, p.Destinations, 1)
	require.Equal(t, "b", p.Destinations[0].Tag)
}

// TestFilesOfTheKernel: they are no files, whatever they look like.
func TestFilesOfTheKernel(t *testing.T) {
	dir := tree(t, map[string]string{"local.bro": "@load /proc/self/status\n", "linked.bro": "@load ./status\n"})
	require.NoError(t, os.Symlink("/proc/self/status", filepath.Join(dir, "status")))
	for _, name := range []string{"local.bro", "linked.bro"} {
		_, err := Load(filepath.Join(dir, name))
		assert.ErrorContains(t, err, "it is the machine's own", name)
	}
}

// TestNamesOfOwnEvents: they may begin as those of Bro do.
func TestNamesOfOwnEvents(t *testing.T) {
	p := mustParse(t, "event remote_ping(n: count) {} event bro_check() {} event bro_init() {}")
	require.Equal(t, map[string][]string{"remote_ping": {"n"}, "bro_check": nil}, p.Events)
}

// TestLongStatements: what a statement mentions often is looked at once each time.
func TestLongStatements(t *testing.T) {
	begin := time.Now()
	mustParse(t, "event x() { print fmt("+strings.Repeat("Communication::nodes,", 200_000)+"1); }")
	require.Less(t, time.Since(begin), time.Minute)
}

// TestDirectoryOfRelativePath: it is a folder, and not the root.
func TestDirectoryOfRelativePath(t *testing.T) {
	require.Equal(t, "./ca.pem", mustParse(t, `redef ssl_ca_certificate = @DIR + "/ca.pem";`).CACertificate)
}
