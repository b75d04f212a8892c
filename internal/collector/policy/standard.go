package policy

import (
	_ "embed"
	"net/netip"
	"strings"

	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// builtins are the scripts of Bro's that we do not read, because we know what they do.
// Those of Bro 2 have folders before them.
var builtins = map[string]func(*draft, *env, Pos){
	"remote":       func(_ *draft, e *env, _ Pos) { e.bro1 = true },
	"listen-clear": func(d *draft, e *env, at Pos) { d.clear.loaded, e.bro1 = &at, true },
	"listen-ssl":   func(d *draft, e *env, at Pos) { d.ssl.loaded, e.bro1 = &at, true },
	"hand-over":    func(_ *draft, e *env, _ Pos) { e.bro1 = true },

	"base/frameworks/communication":          func(*draft, *env, Pos) {},
	"base/frameworks/communication/main":     func(*draft, *env, Pos) {},
	"frameworks/communication/listen":        func(d *draft, _ *env, at Pos) { d.nodes.loaded = &at },
	"policy/frameworks/communication/listen": func(d *draft, _ *env, at Pos) { d.nodes.loaded = &at },
	"frameworks/control/controllee":          func(d *draft, _ *env, at Pos) { d.nodes.loaded = &at },
	"policy/frameworks/control/controllee":   func(d *draft, _ *env, at Pos) { d.nodes.loaded = &at },
	"base/frameworks/cluster":                func(*draft, *env, Pos) {},
	"base/frameworks/cluster/main":           func(*draft, *env, Pos) {},
	"base/frameworks/control":                func(*draft, *env, Pos) {},
	"base/frameworks/control/main":           func(*draft, *env, Pos) {},
}

// standardNames has the names of Bro's own scripts, a line each.
//
//go:embed standard.txt
var standardNames string

var standardScripts = func() map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(standardNames) {
		if name := strings.TrimSpace(line); name != "" && name[0] != '#' {
			all[name] = true
		}
	}
	return all
}()

// isStandard reports whether a name is that of one of Bro's own scripts. What broctl 2
// puts into its folder is one too.
func isStandard(name string) bool {
	name = strings.TrimSuffix(strings.TrimPrefix(name, "policy/"), "/__load__")
	return standardScripts[name] || name == "test-all-policy" || name == "broctl" || name == "zeekctl" ||
		strings.HasPrefix(name, "base/") || strings.HasPrefix(name, "broctl/")
}

// harmlessScript reports whether it is one of Bro's own that communication does not
// depend on.
func harmlessScript(name string) bool {
	_, acts := builtins[bareName(name)]
	return !acts && isStandard(bareName(name))
}

// setOf returns a set of strings.
func setOf(members ...string) *table {
	t := newTable()
	t.set = true
	for _, m := range members {
		t.put([]value{m}, script.Place{}, 0)
	}
	return t
}

// standardValues are constants of Bro's own scripts that communication is set up with.
func standardValues() map[string]value {
	must := func(text string) value {
		p, err := pattern.Compile(text)
		if err != nil {
			panic(err) // it stands here
		}
		return p
	}
	return map[string]value{
		"Control::controller_events": must(`Control::.*_request`),
		"Control::controllee_events": must(`Control::.*_response`),
		"Control::host":              netip.IPv4Unspecified(),
		"Control::host_port":         port{0, "tcp"},
		"Control::zone_id":           "",
		"Control::cmd":               "",
		"Control::arg":               "",
		"Control::commands":          setOf("id_value", "peer_status", "net_stats", "configuration_update", "shutdown"),
		"Cluster::node":              "", // a collector is none of a cluster
		"Cluster::nodes":             newTable(),
		"peer_description":           "",
		"tcp":                        symbol("tcp"),
		"udp":                        symbol("udp"),
		"icmp":                       symbol("icmp"),
	}
}
