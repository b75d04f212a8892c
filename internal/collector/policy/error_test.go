package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestErrors: each says where, and what was expected.
func TestErrors(t *testing.T) {
	with := func(field string) string {
		return "redef Remote::destinations += {\n[\"a\"] = [$host=1.1.1.1, $" + field + "] };"
	}
	for text, want := range map[string]string{
		"\n\t redef":                                      "2:8: expected the name of a setting, found the end of the file",
		"redef Remote::foo = 1;":                          `1:7: there is no setting "Remote::foo"; expected one of Communication::compression_level`,
		"redef listen_prt_clear = 1/tcp;":                 `1:7: there is no setting "listen_prt_clear"; listen_port_clear is one`,
		"redef ssl_private_key = 7;":                      `1:25: expected a string such as "text", found the number 7`,
		"redef ssl_private_key = \"a\n\";":                `1:25: expected a " at the end of the string`,
		`redef ssl_private_key = "a\0";`:                  "1:25: a string with a NUL",
		`redef ssl_private_key = "a\xg";`:                 `1:27: \x: expected two hexadecimal digits`,
		`redef ssl_private_key = "a"`:                     `1:28: expected ";" at the end of the redef of line 1, found the end of the file`,
		`redef ssl_private_key += "a";`:                   `1:23: expected "=", found "+="`,
		`redef ssl_private_key = "é" &log;`:               `1:29: expected &redef, found "&log"`,
		`const ssl_private_key: port = "a";`:              `1:24: expected string, the type of ssl_private_key, found "port"`,
		"redef listen_if_clear = host.example;":           "1:25: expected an address such as 10.1.2.3 or [2001:db8::1], found the host name host.example; names are not looked up",
		"redef listen_if_clear = 1.2.3.400;":              "1:25: expected an address such as",
		"redef listen_if_clear = [1::2::3];":              "1:25: expected an address such as",
		"redef listen_if_clear = 10.0.0.0/8;":             "1:25: expected an address such as 10.1.2.3 or [2001:db8::1], found the network 10.0.0.0/8",
		"redef listen_port_clear = 47757;":                "1:27: expected a port such as 47757/tcp, found the number 47757",
		"redef listen_port_clear = 0/tcp;":                "1:27: expected a port from 1 to 65535",
		"redef listen_port_clear = 65536/tcp;":            "1:27: expected a port from 1 to 65535",
		"redef listen_port_clear = 53/udp;":               "1:27: expected a port such as 47757/tcp, found 53/udp: Bros talk over TCP",
		"redef forward_remote_events = true;":             `1:31: "true" is not defined in what has been read`,
		"redef forward_remote_events = T é;":              "1:33: did not expect the character 'é'",
		"const Remote::destinations = {};":                `1:7: Remote::destinations is a table of Bro's: expected "redef Remote::destinations += { ... };"`,
		"redef Remote::destinations : {};":                `1:32: expected "+=", found ";"`,
		"redef Remote::destinations += [];":               `1:31: expected "{" and destinations, found a record`,
		`redef Remote::destinations += { ["a"] = [] };`:   `1:42: expected a $host in "a"`,
		`redef Remote::destinations += { [a] = [] };`:     `1:34: "a" is not defined in what has been read`,
		`redef Remote::destinations += { ["a"] [] };`:     `1:39: expected a key between the brackets`,
		`redef Remote::destinations += { ["a"] = [host] `: `1:31: expected a "}" for this "{"`,
		with("colour=T"):                                  "2:26: there is no field $colour; expected one of $accept_input, $accept_logs, $accept_state, $auth, $cache",
		with("host=1.1.1.2"):                              "2:26: the field $host is there already",
		with("ssl=T $connect=T"):                          `2:32: expected "," or "]", found "$"`,
		with("ssl T"):                                     `2:30: expected "=", found "T"`,
		with("retry=10"):                                  "2:32: expected an interval such as 10 secs or 1.5 min, found the number 10",
		with("retry=10 seconds"):                          "2:32: expected day, hr, min, sec, msec or usec as the unit",
		with("retry=4000 days"):                           "2:32: expected an interval of ten years at most",
		with("events=\"a\""):                              `2:33: expected a pattern such as /sensor_sshd.*/, found the string "a"`,
		with("events=/sensor_(sshd/"):                     "2:41: this parenthesis is not closed",
		with("events=/a"):                                 "2:33: expected a / at the end of the pattern",
		with("events=//"):                                 "2:33: expected a / at the end of the pattern",
		with("events=/a/ |"):                              `2:38: expected a value, found "]"`,
		with("compression=10"):                            "2:38: expected a number from 0 to 9, found the number 10",
		with("compression=1.5"):                           "2:38: expected a number from 0 to 9, found the fraction 1.5",
		with(`capture_filter=""`):                         `2:41: expected a filter`,
		with(`class="` + strings.Repeat("x", 1025) + `"`): "2:32: expected a string of at most 1024 bytes, found one of 1025",
		with("ssl=T]]"):                                   `2:32: expected a "}" for the "{" of line 1, found "]"`,
		with("ssl=T], [\"a\"] = [$host=1.1.1.2"):          `2:35: the tag "a" is there already`,
		with("ssl=T], [\"b\"] = [$host=1.1.1.1"):          `2:35: "b" has the same host and class as "a" (local.bro:2:2)`,
		"@load other":                                     `1:1: there is no script "other": it is none of Bro's own, and neither beside this file nor in BROPATH (0 folders)`,
		"@loaded x":                                       `1:1: there is no such directive in Bro's scripts: "@loaded"`,
		"@load bad":                                       `bad.bro:2:5: expected ";" at the end of the oops of line 2, found the end of the file`,
		"@load loop":                                      "loop",
		"redef Communication::nodes += { [\"a\"] = [$host=1.1.1.1, $ssl=T] };":                 `1:34: "a" is waited for with $ssl=T: expected Communication::listen_ssl = T`,
		"@load frameworks/communication/listen\nredef Communication::listen_interface = [::];": "1:1: Communication::listen_interface is [::]: expected Communication::listen_ipv6 = T",
		"@load listen-ssl\n@load listen-clear\nredef Remote::default_port_ssl = 47757/tcp;":    "1:1: asks to listen on 0.0.0.0:47757, but so does local.bro:2:1 (0.0.0.0:47757)",
	} {
		_, err := parse(text, map[string]string{"bad.bro": "# first\noops"})
		if text == "@load loop" {
			require.Error(t, err)
			continue
		}
		var e *Error
		if !assert.True(t, errors.As(err, &e), "%s: %v", text, err) {
			continue
		}
		assert.Contains(t, strings.TrimPrefix(err.Error(), "local.bro:"), want, text)
	}
}

func TestLoadsAreBounded(t *testing.T) {
	files := map[string]string{}
	for i := range 60 {
		files[strings.Repeat("a", i+1)+".bro"] = "@load " + strings.Repeat("a", i+2)
	}
	_, err := parse("@load a", files)
	require.ErrorContains(t, err, "deeper than 50")
}

func FuzzParse(f *testing.F) {
	f.Add("@load listen-clear.bro\nredef Remote::destinations += {\n\t[\"host_10\"] = [$host = 10.10.10.10, $events = /.*/ | /a{2}/, $connect=T, $retry = 10 secs, $ssl=T],\n};")
	f.Add("const default_port_ssl = 47756/tcp &redef; redef ssl_passphrase = \"my d0g\\x41\"; # that is all")
	f.Add("redef Communication::nodes += { [\"a\"] = [$host=[::1], $class=\"c\", $compression=0x9, $capture_filter=\"\"] };")
	f.Add("redef Communication::listen_interface = [::]; @load frameworks/communication/listen")
	for _, seed := range scripts {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parse(text, map[string]string{"a.bro": text})
		if err == nil {
			for i := range p.Destinations {
				d := &p.Destinations[i]
				if !d.Host.IsValid() || d.Port == 0 || d.Retry < 0 || d.Compression > 9 || d.At.Line < 1 {
					t.Fatalf("%+v", d)
				}
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		lines := strings.Split(text, "\n")
		if e.Pos.Line < 1 || e.Pos.Line > len(lines) || e.Pos.Column < 1 || e.Pos.Column > len(lines[e.Pos.Line-1])+1 {
			t.Fatalf("%v is outside of %d lines", err, len(lines))
		}
	})
}

// scripts are as sites have them.
var scripts = []string{
	"\ufeffmodule Site;\r\nexport { const sensors: set[addr] = { 10.0.0.1, 10.0.0.2 } &redef; type R: record { a: addr; }; }\r\n" +
		"event bro_init() &priority=5 { local n = 0; for ( s in sensors ) Remote::destinations[fmt(\"s%s\", s)] = [$host=s, $events=/a/ | (/b/)]; }",
	"@ifdef ( listen_port_clear )\nredef listen_port_clear = 1/tcp;\n@else\nglobal x = |y| / 2;\n@endif\n@if ( Cluster::is_enabled() )\nfoo\n@endif",
	"function f(t: table[string] of record { a: count; }): string { if ( |t| > 1 ) return t[\"a\"]$b; else { switch ( x ) { case /a/: break; } } }\n" +
		"redef X += { [1] = function(a: count): bool { return a in set(1, 2); } };\nConfig::y[1:2];",
	"Communication::nodes[\"a\"] = Communication::Node($host=[fe80::1], $zone_id=\"eth0\", $request_logs=T, $p=Site::m$p);",
	"@load a\n@load ./a\n@unload b\n@prefixes += x:y\n@load-sigs z.sig\n@load site.bro\nwhen ( f() ) { } timeout 1 sec { }",
	"function g(n: count): count { return g(n + 1); }\nevent bro_init() { Communication::nodes[fmt(\"%d\", g(0))] = [$host=1.1.1.1]; }",
	"event zeek_init() { for ( i in Cluster::nodes ) { delete Communication::nodes[i]; add x[i]; next; } clear_table(Remote::destinations); }",
}
