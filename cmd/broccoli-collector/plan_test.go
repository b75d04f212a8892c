package main

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"romanesco/internal/peer"
)

// TestPoliciesThatAreWrong are told, with the place, before anything is listened
// at.
func TestPoliciesThatAreWrong(t *testing.T) {
	dest := func(fields string) string {
		return "redef Remote::destinations += {\n\t[\"a\"] = [$host=127.0.0.1, " + fields + "] };"
	}
	for _, c := range []struct {
		want, policy string
		args         []string
	}{
		{"local.bro:2:37: expected T or F, found the number 1", dest("$connect=1"), nil},
		{"local.bro:2:36: /http_.*/ matches no event that is known; add names with -events", dest("$events=/http_.*/"), nil},
		{"local.bro:2:36: /http_*/ matches no event that is known", dest("$events=/http_*/"), nil},
		{"local.bro:2:3: TLS needs certificates: set ssl_ca_certificate and ssl_private_key in the policy, or give -ca-cert and -host-cert", dest("$ssl=T"), nil},
		{"TLS: ca_cert: open /nowhere/ca.pem", `redef ssl_ca_certificate = "/nowhere/ca.pem"; redef ssl_private_key = "/nowhere/bro.pem"; @load listen-ssl`, nil},
		{"there is nothing to do", "redef forward_remote_events = T;", nil},
		{"there is nothing to do", "@load listen-clear", []string{"-listen", ""}},
		{"with -policy each destination is asked for its own $events", dest("$connect=T"), []string{"/sensor_sshd.*/"}},
		{"pattern /http_.*/ matches no event", "", []string{"/http_.*/"}},
		{`pattern /a(/: at character 2: this parenthesis is not closed`, "", []string{"/a(/"}},
		{"-max-peers: at least 1", "", []string{"-max-peers", "0"}},
		{"none.bro: no such file", "", []string{"-policy", "none.bro"}},
	} {
		var args []string
		if c.policy != "" {
			args = []string{"-policy", written(t, "local.bro", c.policy)}
		}
		// Options come first, patterns last.
		out, err := exec.Command(program, append(args, c.args...)...).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), c.want)
		require.NotContains(t, string(out), "listening")
	}
}

// TestOptionsBesidePolicy: the command line replaces where to listen, and its
// events are for the peers that it names.
func TestOptionsBesidePolicy(t *testing.T) {
	policy := written(t, "local.bro", `
@load listen-clear
redef Remote::default_port_clear = 1/tcp;
redef Remote::destinations += { ["a"] = [$host=127.0.0.9, $events=/ftp_reply/] };
`)
	listening := start(t, "/sensor_sshd_(exec|exit)/")
	c := start(t, "-policy", policy, "-forward", "-connect", listening.addr, "-retry", "10ms", "-event", "sensor_sshd_exit", "-event", "made_up")
	c.wait(t, "asked for 2 events")
	listening.wait(t, `connected as any peer, class "", asked for 2 events`)
	for _, program := range []*collector{c, listening} {
		code, said := program.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
	}
}

// TestTwoPolicies: the later one changes what the earlier one has set.
func TestTwoPolicies(t *testing.T) {
	first := written(t, "first.bro", `redef Remote::destinations += { ["a"] = [$host=127.0.0.1, $events=/ftp_reply/] };`)
	second := written(t, "second.bro", `redef Remote::destinations += { ["a"] = [$host=127.0.0.1, $events=/sensor_sshd.*/] };`)
	c := start(t, "-policy", first, "-policy", second)
	p, _ := sensor(t, c.addr, nil)
	require.False(t, p.Wants("sensor_sshd_exec"), "it is of another class")
	c.wait(t, `"a" is of class "", it is of class "sensor"`)
	p = opened(t, dialFrom(t, "127.0.0.1", c.addr), peer.Config{})
	require.True(t, p.Wants("sensor_sshd_exec"))
	require.False(t, p.Wants("ftp_reply"))
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}
