package main

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// siteScript is a script with everything in it, of which little is communication.
const siteScript = `
@load notice
module Site;
export { global ping: event(src: time, seq: count); }
const sensor = 127.0.0.1;
redef Remote::destinations += {
	["pinger"] = [$host=sensor, $class="sensor", $events=/Site::p.ng/],
	["other"] = [$host=10.0.0.1, $events=/sensor_sshd_e.*/, $connect=T, $ssl=F, $retry=10 secs],
};
event ping(src: time, seq: count) { print seq / 2; }
event connection_established(c: connection) { if ( c$id$orig_h == sensor ) print "}"; }
function quiet(): bool { return T; }
`

// TestCheckOfPolicy: a table says what would be done, and -v what is skipped.
func TestCheckOfPolicy(t *testing.T) {
	policy := written(t, "local.bro", siteScript)
	code, out, said := ran(t, "check", "-policy", policy)
	require.Zero(t, code, said)
	require.Contains(t, out, "local.bro: 1 variable, 1 constant, 2 event handlers and 1 function are not ours, and are skipped\n")
	require.Contains(t, out, "local.bro: loads scripts of Bro's own, which are skipped: notice\n")
	require.Contains(t, out, "would listen on 0.0.0.0:47757\n")
	require.Regexp(t, `(?m)^destination +would be +address +TLS +class +retry +events +pattern +from$`, out)
	require.Regexp(t, `(?m)^"pinger" +waited for +127\.0\.0\.1 +no +sensor +- +1 +/Site::p\.ng/ +\S+local\.bro:7:3$`, out)
	require.Regexp(t, `(?m)^"other" +connected to +10\.0\.0\.1:47757 +no +- +10s +2 +/sensor_sshd_e\.\*/ +\S+local\.bro:8:3$`, out)
	require.NotContains(t, out, "local.bro:11")

	code, out, said = ran(t, "check", "-v", "-policy", policy)
	require.Zero(t, code, said)
	for _, line := range []string{
		"local.bro:2:1: skipped: script notice\n", "local.bro:5:1: skipped: constant sensor\n",
		"local.bro:10:1: skipped: event handler Site::ping\n", "local.bro:12:1: skipped: function Site::quiet\n",
		"\"other\": asked for sensor_sshd_exec, sensor_sshd_exit\n",
	} {
		require.Contains(t, out, line)
	}

	code, out, _ = ran(t, "check", "-policy", written(t, "local.bro", siteScript+"Remote::destinations[\"x\"] = [$host=somewhere];"))
	require.Equal(t, statusUsage, code)
	require.Empty(t, out)
	code, _, said = ran(t, "-v", "-policy", policy)
	require.Equal(t, statusUsage, code)
	require.Contains(t, said, `it is for "check"`)
}

// TestScriptOfSite: it starts with such a script, tells what it skips, and asks for the
// events that the script handles.
func TestScriptOfSite(t *testing.T) {
	c := start(t, "-policy", written(t, "local.bro", siteScript))
	require.Contains(t, c.passed, "2 event handlers and 1 function are not ours, and are skipped")
	p, _ := sensor(t, c.addr, nil)
	require.True(t, p.Wants("Site::ping"))
	require.False(t, p.Wants("connection_established"))
	require.False(t, p.Wants("sensor_sshd_exec"))
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}

// TestListenRetry: an address that is taken is waited for, where a policy says so.
func TestListenRetry(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	at := l.Addr().String()
	_, port, err := net.SplitHostPort(at)
	require.NoError(t, err)
	text := "@load frameworks/communication/listen\nredef Communication::listen_interface = 127.0.0.1;\n" +
		"redef Communication::listen_port = " + port + "/tcp;\n"
	code, _, said := ran(t, "-policy", written(t, "once.bro", text))
	require.Equal(t, statusFailed, code, said)
	c := launchSaying(t, exec.Command(program, "-policy", written(t, "again.bro", text+"redef Communication::listen_retry = 50 msec;")),
		`listening on (\S+): .*trying again in 50ms`)
	require.NoError(t, l.Close())
	require.Equal(t, at, c.wait(t, `listening on (\S+) for`))
	code, said = c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}

// linkLocal returns a link-local address of this host with its interface.
func linkLocal(t *testing.T) (host, zone string) {
	t.Helper()
	all, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range all {
		addrs, err := i.Addrs()
		require.NoError(t, err)
		for _, a := range addrs {
			if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() == nil && ip.IP.IsLinkLocalUnicast() {
				return ip.IP.String(), i.Name
			}
		}
	}
	t.Skip("this host has no link-local address")
	return "", ""
}

// TestLinkLocalPeers have the zone of an interface: in a policy, when they are waited for
// and when they are connected to, and in options.
func TestLinkLocalPeers(t *testing.T) {
	host, zone := linkLocal(t)
	dest := func(zone, more string) string {
		return written(t, "local.bro", `redef Communication::nodes += { ["a"] = [$host=[`+host+`], $zone_id="`+zone+
			`", $events=/sensor_sshd_ex.*/`+more+`] };`)
	}
	at := "[" + host + "%" + zone + "]:0"
	// The system does not say the zone of what listens.
	zoned := func(c *collector) string {
		_, port, err := net.SplitHostPort(c.addr)
		require.NoError(t, err)
		return "[" + host + "%" + zone + "]:" + port
	}
	wants := func(addr string) bool {
		return opened(t, dialFrom(t, "", addr), peer.Config{}).Wants("sensor_sshd_exec")
	}
	waits := launch(t, exec.Command(program, "-listen", at, "-policy", dest(zone, "")))
	require.True(t, wants(zoned(waits)))
	other := launch(t, exec.Command(program, "-listen", at, "-policy", dest("lo", "")))
	require.False(t, wants(zoned(other)), "it is on another interface")

	_, port, err := net.SplitHostPort(waits.addr)
	require.NoError(t, err)
	connects := launchSaying(t, exec.Command(program, "-policy", dest(zone, ", $connect=T, $retry=100 msec, $p="+port+"/tcp")), `connected as (.*), class`)
	waits.wait(t, `connected as "a"`)
	byOption := launchSaying(t, exec.Command(program, "-listen", "", "-connect", zoned(waits)), `connected as (.*), class`)
	for _, c := range []*collector{connects, byOption, waits, other} {
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
	}
}

// TestLinkLocalSensorInC: a C program names the zone of a collector's address.
func TestLinkLocalSensorInC(t *testing.T) {
	build := os.Getenv("ROMANESCO_BUILD")
	if build == "" {
		t.Skip("needs the built library: run \"make test\", which sets ROMANESCO_BUILD")
	}
	host, zone := linkLocal(t)
	c := launch(t, exec.Command(program, "-listen", "["+host+"%"+zone+"]:0"))
	_, port, err := net.SplitHostPort(c.addr)
	require.NoError(t, err)
	out, err := exec.Command(build+"/examples/sensor_sshd", "["+host+"%"+zone+"]:"+port).CombinedOutput()
	require.NoError(t, err, string(out))
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Contains(t, said, "16 events from 1 peers")
}
