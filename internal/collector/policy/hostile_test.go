package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHostileFiles: each ends soon, with an error that says where or with what it asks for.
func TestHostileFiles(t *testing.T) {
	const many = 300_000
	repeat := strings.Repeat
	doubled := func(first, statement string) string {
		return "global s = set(1); event bro_init() { local a = " + first + "; " + repeat(statement, 60) +
			` Communication::nodes["a"] = [$host=1.1.1.1]; add s[a]; }`
	}
	loop := "table(" + repeat("[1]=1, ", 10)
	for i := range 300 {
		loop += fmt.Sprintf("[%d]=1, ", i)
	}
	for name, c := range map[string]struct{ text, want string }{
		"braces":         {repeat("{", many), "brackets are in each other deeper than 1000"},
		"ifs":            {repeat("if (T) ", many), "deeper than 200"},
		"else":           {repeat("if (T) x; else ", many), "deeper than 200"},
		"conditions":     {repeat("@if ( T )\n", many), "deeper than 200"},
		"operators":      {"redef Remote::default_compression = " + repeat("1+", many) + "1;", "more than 1000 operators"},
		"parentheses":    {"redef Remote::default_compression = " + repeat("(", 500) + "1" + repeat(")", 500) + ";", "deeper than 200"},
		"negations":      {"redef forward_remote_events = " + repeat("!", many) + "T;", "deeper than 200"},
		"fields":         {`Communication::nodes["a"]` + repeat("$a", 2000) + " = 1;", "deeper than 200"},
		"keys":           {"Communication::nodes" + repeat("[1]", 2000) + " = 1;", "deeper than 200"},
		"long words":     {"const a = " + repeat("1", many) + ";", "more than 4096 characters"},
		"long statement": {`redef Communication::nodes += {` + repeat("1, ", many) + "};", "more than 500000 words"},
		"steps":          {"event bro_init() { local s = " + loop + "); for ( a in s ) for ( b in s ) for ( c in s ) x = 1; Communication::nodes[\"a\"] = [$host=1.1.1.1]; }", "more than 1000000 steps"},
		"calls":          {"function f(n: count): count { return f(n); } Communication::nodes[f(1)] = 1;", "deeper than 50"},
		"calls and calls": {"function f(n: count): count { return g(n) + g(n); } function g(n: count): count { return f(n) + f(n); }\n" +
			"Communication::nodes[f(1)] = 1;", "deeper than 50"},
		"strings": {`event bro_init() { local a = "x"; ` + repeat(`a = fmt("%s%s", a, a); `, 60) + " Communication::nodes[a] = 1; }", "more than 8192 bytes"},
		"values":  {repeat("global a = { "+repeat("1, ", 1000)+" };\n", 600), ""},
		"patterns in a loop": {"event bro_init() { local s = " + loop + "); local p = /x/; for ( a in s ) for ( b in s ) p = /y{900}/ | string_to_pattern(fmt(\"%d{900}\", b), F);" +
			" Communication::nodes[\"a\"] = [$host=1.1.1.1, $events=p]; }", "more than 1000000 steps"},
		"NUL":           {"redef Remote::destinations += {\x00};", "1:32: did not expect the character '\\x00'"},
		"UTF-16":        {"\xff\xfer\x00e\x00", "1:1: did not expect the character"},
		"shared values": {doubled("vector(1, 2)", "a = vector(a, a, a); "), ""},
		"own value":     {"global r = [$a=1]; r$b = r; global t: table[string] of any; t[\"t\"] = t; Communication::nodes[\"a\"] = [$host=1.1.1.1]; redef t += t;", ""},
		"prefixes":      {"@prefixes = " + repeat("a:", 100) + "\n", "more than 20 prefixes"},
		"loads":         {repeat("@load login\n", many), ""},
		"statements":    {repeat("a;", many/3), ""},
	} {
		_, err := parse(c.text, nil)
		var e *Error
		switch {
		case c.want == "":
			assert.NoError(t, err, name)
		case assert.Error(t, err, name):
			assert.ErrorContains(t, err, c.want, name)
			assert.True(t, errors.As(err, &e), name)
		}
	}
}

// TestOddPlaces: pipes are not waited for, and what loads itself ends.
func TestOddPlaces(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, syscall.Mkfifo(at("pipe.bro"), 0o600))
	require.NoError(t, os.MkdirAll(at("folder.bro"), 0o700))
	require.NoError(t, os.MkdirAll(at("round"), 0o700))
	require.NoError(t, os.Symlink(".", at("round/round")))
	require.NoError(t, os.Symlink("itself.bro", at("itself.bro")))
	for name, text := range map[string]string{
		"local.bro":          "@load ./local\n@load ./other\n",
		"other.bro":          "@load ./local.bro\n@load ./round\n",
		"round/__load__.bro": "@load ./round/round/more\n",
		"round/more.bro":     "@load ./round\n@load ./round/more\nredef Communication::nodes += { [\"a\"] = [$host=1.1.1.1] };\n",
		"waits.bro":          "@load ./pipe\n",
		"empty.bro":          "@load ./folder\n",
		"zero.bro":           "@load /dev/zero\n",
		"big.bro":            strings.Repeat("#", maxFile+1),
	} {
		require.NoError(t, os.WriteFile(at(name), []byte(text), 0o600))
	}
	p, err := Load(at("local.bro"))
	require.NoError(t, err)
	require.Len(t, p.Destinations, 1)
	for name, want := range map[string]string{
		"waits.bro": "waits.bro:1:1: loading", "pipe.bro": "not a file", "folder.bro": "not a file", "zero.bro": "not a file",
		"itself.bro": "symbolic links", "empty.bro": `there is no script "./folder"`, "big.bro": "more than 16777216 bytes",
	} {
		_, err := Load(at(name))
		assert.ErrorContains(t, err, want, name)
	}
}
