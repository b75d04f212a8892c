package policy

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// printNodes has a Bro 2.5 print what it would do, before it does it, and end. %s are
// names of events to match.
const printNodes = `
module PrintNodes;
const names: vector of string = vector(%s);
event bro_init() &priority=-9
	{
	for ( tag_ in Communication::nodes )
		{
		local node_ = Communication::nodes[tag_];
		local zone_ = node_?$zone_id && node_$zone_id != "" ? cat("%%", node_$zone_id) : "";
		print fmt("> node %%s %%s%%s connect=%%s class=%%s", tag_, node_$host, zone_, node_$connect, node_?$class ? node_$class : "");
		if ( node_$connect )
			print fmt("> %%s port %%d retry %%.3f", tag_, port_to_count(node_?$p ? node_$p : Communication::listen_port), interval_to_double(node_$retry));
		print fmt("> %%s input=%%s sync=%%s auth=%%s ssl=%%s compression=%%d filter=%%s", tag_, node_$accept_input, node_$sync,
			node_$auth, node_$ssl, node_$compression, node_?$capture_filter ? node_$capture_filter : "");
		if ( ! node_?$events )
			next;
		print fmt("> %%s events", tag_);
		for ( i_ in names )
			if ( node_$events == names[i_] )
				print fmt("> %%s matches %%s", tag_, names[i_]);
		}
	print fmt("> ca=%%s key=%%s passphrase=%%s forward=%%s", ssl_ca_certificate, ssl_private_key, ssl_passphrase, forward_remote_events);
	exit(0);
	}
`

// patience is for a Bro that an error has kept from ending.
const patience = 20 * time.Second

// inBro returns what a real Bro 2.5 makes of files, each with what it says to it.
func inBro(t *testing.T, command string, names []string, dir string, files ...string) ([]string, error) {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = `"` + name + `"`
	}
	script := filepath.Join(t.TempDir(), "print.bro")
	require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, printNodes, strings.Join(quoted, ", ")), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, append(files, script)...)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var said []string
	for line := range strings.Lines(string(out)) {
		if line, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "> "); ok {
			said = append(said, strings.ReplaceAll(line, "<undefined>", ""))
		}
	}
	return said, nil
}

// asBroSays is what we make of them, in the same words.
func asBroSays(p *Policy, names []string) (all []string) {
	yes := map[bool]string{true: "T", false: "F"}
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for i := range p.Destinations {
		d := &p.Destinations[i]
		say("node %s %v connect=%s class=%s", d.Tag, d.Host, yes[d.Connect], d.Class)
		if d.Connect {
			say("%s port %d retry %.3f", d.Tag, d.Port, d.Retry.Seconds())
		}
		say("%s input=%s sync=%s auth=%s ssl=%s compression=%d filter=%s", d.Tag, yes[d.AcceptInput], yes[d.Sync], yes[d.Auth], yes[d.SSL],
			d.Compression, d.CaptureFilter)
		if d.Events == nil {
			continue
		}
		say("%s events", d.Tag)
		for _, name := range names {
			if d.Events.Match(name) {
				say("%s matches %s", d.Tag, name)
			}
		}
	}
	say("ca=%s key=%s passphrase=%s forward=%s", p.CACertificate, p.PrivateKey, p.Passphrase, yes[p.Forward])
	return all
}

// namesFor are names of events that the patterns of a policy may match, or nearly.
func namesFor(p *Policy) []string {
	names := []string{"bro_init", "http_request", "ftp_reply", "ssh_login", "aaa", "xx", "sensor_sshd_key"}
	for i := range p.Destinations {
		if d := &p.Destinations[i]; d.Events != nil {
			for _, word := range words.FindAllString(d.Events.String(), -1) {
				names = append(names, word, word+"_x", word+"xyz", "x"+word, "x"+word[1:], strings.ToUpper(word))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var words = regexp.MustCompile(`[A-Za-z0-9_:]+`)

// notInBro are the constructs of ours that are not run in a real Bro 2.5, and why.
var notInBro = map[string]string{
	"later-bro":  "has what a Bro 2.5 does not take",
	"loading":    "needs a BROPATH of its own",
	"standalone": "needs a BROPATH of its own",
	"prefixes":   "needs a BROPATH of its own",
}

// TestConstructsInBro: a real Bro 2.5 makes the same of them.
func TestConstructsInBro(t *testing.T) {
	command := os.Getenv("ROMANESCO_BRO")
	if command == "" {
		t.Skip("needs a real Bro 2.5: ROMANESCO_BRO=command")
	}
	t.Setenv("SITE_SENSORS", "2")
	all, err := filepath.Glob(guide("constructs/*.bro"))
	require.NoError(t, err)
	for _, path := range all {
		name := strings.TrimSuffix(filepath.Base(path), ".bro")
		if strings.HasPrefix(name, "refused-") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			if why := notInBro[name]; why != "" {
				t.Skip(why)
			}
			if strings.Contains(string(text), "Remote::") {
				t.Skip("is for Bro 1")
			}
			path, err := filepath.Abs(path)
			require.NoError(t, err)
			p, err := Load(path)
			require.NoError(t, err)
			names := namesFor(p)
			said, err := inBro(t, command, names, t.TempDir(), path)
			require.NoError(t, err)
			assert.ElementsMatch(t, said, asBroSays(p, names))
		})
	}
}
