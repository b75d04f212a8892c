package main

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
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
		{"local.bro:2:36: /http_.*/ matches no event that is known; add names with -event or -events", dest("$events=/http_.*/"), nil},
		{"local.bro:2:36: /http_*/ matches no event that is known", dest("$events=/http_*/"), nil},
		{"local.bro:2:3: TLS needs certificates: set ssl_ca_certificate and ssl_private_key in the policy, or give -ca-cert and -host-cert", dest("$ssl=T"), nil},
		{"TLS: ca_cert: open /nowhere/ca.pem", `redef ssl_ca_certificate = "/nowhere/ca.pem"; redef ssl_private_key = "/nowhere/bro.pem"; @load listen-ssl`, nil},
		{"there is nothing to do", "redef forward_remote_events = T;", nil},
		{"there is nothing to do", "@load listen-clear", []string{"-listen", ""}},
		{"with -policy each destination is asked for its own $events", dest("$connect=T"), []string{"/sensor_sshd.*/"}},
		{"-event http_reply: with -policy each destination is asked for its own $events, of which none", dest("$events=/ftp_.*/"), []string{"-event", "http_reply"}},
		{`-event "a b": not a name`, "", []string{"-event", "a b"}},
		{"-peer-cache is for the peers of -connect", dest("$events=/ftp_.*/"), []string{"-peer-cache"}},
		{"pattern: /http_.*/ matches no event", "", []string{"/http_.*/"}},
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

// TestPatternsOfWhatNobodyKnows are the same on the command line and in a policy:
// with forwarding they are for what others ask for, without they are an error.
func TestPatternsOfWhatNobodyKnows(t *testing.T) {
	policy := written(t, "local.bro", `redef Remote::destinations += { ["a"] = [$host=127.0.0.1, $class="sensor", $events=/http_.*/] };`)
	for _, args := range [][]string{{"-forward", "/http_.*/"}, {"-forward", "-policy", policy}} {
		c := start(t, args...)
		require.Contains(t, c.passed, "/http_.*/ matches no event that is known, and is for those that other peers will ask for")
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
	}
	c := start(t, "/ftp_*/")
	require.Contains(t, c.passed, "/ftp_*/ matches no event that is known, and is taken for /ftp_.*/")
	p, _ := sensor(t, c.addr, nil)
	require.True(t, p.Wants("ftp_reply"))
}

// TestFurtherEventsBesidePolicy: -event makes a name known, and the destinations
// whose pattern matches are asked for it.
func TestFurtherEventsBesidePolicy(t *testing.T) {
	policy := written(t, "local.bro", `redef Remote::destinations += { ["a"] = [$host=127.0.0.1, $class="sensor", $events=/http_.*/] };`)
	c := start(t, "-policy", policy, "-event", "http_reply")
	p, _ := sensor(t, c.addr, nil)
	require.True(t, p.Wants("http_reply"))
}

// TestCachesAreAChoice, of which the program says what it costs.
func TestCachesAreAChoice(t *testing.T) {
	const dest = `redef Remote::destinations += { ["a"] = [$host=127.0.0.1, $class="sensor", $events=/ftp_.*/, $cache=%s] };`
	for _, c := range []struct {
		args    []string
		allowed bool
	}{
		{nil, false},
		{[]string{"-peer-cache"}, true},
		{[]string{"-policy", written(t, "without.bro", fmt.Sprintf(dest, "F"))}, false},
		{[]string{"-policy", written(t, "with.bro", fmt.Sprintf(dest, "T"))}, true},
	} {
		program := start(t, c.args...)
		require.Equal(t, c.allowed, strings.Contains(program.passed, "values will be old or missing"), program.passed)
		require.Equal(t, c.allowed, cacheAllowed(t, program.addr), "%v", c.args)
	}
}

// cacheAllowed reports whether a peer may refer to what it has sent, by what the
// collector says in the handshake.
func cacheAllowed(t *testing.T, addr string) bool {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, nc.SetDeadline(time.Now().Add(deadline)))
	_, err = nc.Write((&wire.Version{Protocol: wire.ProtocolVersion, DataFormat: wire.DataFormatVersion, Class: "sensor"}).AppendTo(nil))
	require.NoError(t, err)
	for r := wire.NewReader(nc, wire.Limits{}); ; {
		kind, payload, err := r.Next()
		require.NoError(t, err)
		if kind == wire.MsgCaps {
			var caps wire.Caps
			require.NoError(t, caps.Decode(payload))
			return caps.Flags&wire.CapDontCache == 0
		}
	}
}
