package policy

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// texts are files that are not on a disk.
type texts map[string]string

func (t texts) kind(path string) (isFile, isFolder bool) {
	_, isFile = t[path]
	for name := range t {
		isFolder = isFolder || strings.HasPrefix(name, path+"/")
	}
	return isFile, isFolder
}

func (texts) identity(path string) string { return filepath.Clean(path) }

func (t texts) read(path string) (text, identity string, err error) {
	text, ok := t[path]
	if !ok {
		return "", "", &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}
	return text, path, nil
}

// parse reads text as if it stood in a file "local.bro", beside the others.
func parse(text string, others map[string]string) (*Policy, error) {
	all := texts{"local.bro": text}
	for name, other := range others {
		all[name] = other
	}
	l := newLoader(all)
	if err := l.file("local.bro"); err != nil {
		return nil, err
	}
	return l.finish()
}

func mustParse(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := parse(text, nil)
	require.NoError(t, err)
	return p
}

func guide(name string) string { return filepath.Join("..", "..", "..", "testdata", "policy", name) }

func TestFirstSampleOfGuide(t *testing.T) {
	p, err := Load(guide("sample1.bro"))
	require.NoError(t, err)
	require.Len(t, p.Destinations, 1)
	d := p.Destinations[0]
	require.Equal(t, "sshd1", d.Tag)
	require.Equal(t, netip.MustParseAddr("10.11.12.13"), d.Host)
	require.True(t, d.Events.Match("sensor_sshd_exec"))
	require.False(t, d.Connect)
	require.True(t, d.SSL)
	require.True(t, d.AcceptInput)
	require.True(t, d.Sync)
	require.Equal(t, []Listener{{netip.MustParseAddrPort("0.0.0.0:47756"), true, d.At}}, p.Listeners)
	require.Equal(t, 6, d.At.Line)
	require.Equal(t, 10, d.At.Column)
}

func TestSecondSampleOfGuide(t *testing.T) {
	p, err := Load(guide("sample2-collector.bro"))
	require.NoError(t, err)
	require.Equal(t, "/ftp_*/", p.Destinations[0].Events.String())
	p, err = Load(guide("sample2-sensor.bro"))
	require.NoError(t, err)
	require.Empty(t, p.Destinations)
	require.Len(t, p.Listeners, 1)
	require.Equal(t, "0.0.0.0:47757", p.Listeners[0].Address.String())
	require.False(t, p.Listeners[0].SSL)
}

func TestFragmentsOfGuide(t *testing.T) {
	p, err := Load(guide("fragments.bro"))
	require.NoError(t, err)
	d := p.Destinations[0]
	require.Equal(t, uint16(47756), d.Port)
	require.Equal(t, 10*time.Second, d.Retry)
	require.True(t, d.Connect)
	require.Equal(t, "/bro/etc/ca_cert.pem", p.CACertificate)
	require.Equal(t, "/bro/etc/bro.pem", p.PrivateKey)
	require.Equal(t, "my d0g has Fl33z", p.Passphrase)
	require.Len(t, p.Listeners, 1)
	require.True(t, p.Listeners[0].SSL)
	_, needs := p.NeedsSSL()
	require.True(t, needs)
}

func TestEveryField(t *testing.T) {
	d := mustParse(t, `
redef Remote::destinations += {
	["a"] = [$host=[2001:db8::1], $p=1234/tcp, $class="one\x41\"", $events=/a/ | /b.*/, $connect=T,
		$retry=1.5 min, $accept_input=F, $sync=F, $auth=T, $capture_filter="tcp or\tudp",
		$ssl=T, $compression=0x9, $cache=T, $tls_name="a.b"]
};`).Destinations[0]
	require.Equal(t, "2001:db8::1", d.Host.String())
	require.Equal(t, uint16(1234), d.Port)
	require.Equal(t, `oneA"`, d.Class)
	require.True(t, d.Events.Match("a") && d.Events.Match("bx") && !d.Events.Match("ab"))
	require.True(t, d.Connect && d.Auth && d.SSL && d.Cache)
	require.False(t, d.AcceptInput || d.Sync)
	require.Equal(t, 90*time.Second, d.Retry)
	require.Equal(t, "tcp or\tudp", d.CaptureFilter)
	require.Equal(t, 9, d.Compression)
	require.Equal(t, "a.b", d.TLSName)
}

func TestIntervals(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10 secs": 10 * time.Second, "10secs": 10 * time.Second, "1sec": time.Second, "0 secs": 0,
		"2 days": 48 * time.Hour, "1 hr": time.Hour, ".5 mins": 30 * time.Second, "5. min": 5 * time.Minute,
		"7\u00a0secs": 7 * time.Second,
		"250 msec":    250 * time.Millisecond, "1e3\tusecs": time.Millisecond,
	} {
		p := mustParse(t, `redef Remote::destinations += { ["a"] = [$host=1.2.3.4, $retry=`+text+`] };`)
		require.Equal(t, want, p.Destinations[0].Retry, text)
	}
}

func TestDefaultsDoNotDependOnOrder(t *testing.T) {
	p := mustParse(t, `
redef Remote::destinations += {
	["clear"] = [$host=1.1.1.1],
	["ssl"] = [$host=1.1.1.2, $ssl=T],
};
redef Remote::default_port_clear = 1000/tcp;
redef Remote::default_port_ssl: port = 2000/tcp;
`)
	require.Equal(t, uint16(1000), p.Destinations[0].Port)
	require.Equal(t, uint16(2000), p.Destinations[1].Port)
	require.Equal(t, []string{"0.0.0.0:1000", "0.0.0.0:2000"}, addresses(p))
}

func addresses(p *Policy) (all []string) {
	for _, l := range p.Listeners {
		all = append(all, l.Address.String())
	}
	return all
}

func TestWhereToListen(t *testing.T) {
	const (
		waitsSSL   = `redef Remote::destinations += { ["a"] = [$host=1.1.1.1, $ssl=T] };`
		waitsClear = `redef Remote::destinations += { ["b"] = [$host=1.1.1.2] };`
		connects   = `redef Remote::destinations += { ["c"] = [$host=1.1.1.1, $ssl=T, $connect=T] };`
	)
	for text, want := range map[string][]string{
		"@load listen-clear":                   {"0.0.0.0:47757"},
		"@load listen-ssl.bro":                 {"0.0.0.0:47756"},
		"@load listen-clear\n@load listen-ssl": {"0.0.0.0:47757", "0.0.0.0:47756"},
		"@load listen-clear\nredef listen_if_clear=10.0.0.1; redef listen_port_clear=5/tcp;": {"10.0.0.1:5"},
		"@load listen-ssl\nredef listen_if_ssl=[::]; redef listen_port_ssl=6/tcp;":           {"[::]:6"},
		connects:                            nil,
		waitsSSL:                            {"0.0.0.0:47756"},
		waitsClear:                          {"0.0.0.0:47757"},
		waitsClear + waitsSSL:               {"0.0.0.0:47757", "0.0.0.0:47756"},
		waitsSSL + waitsClear:               {"0.0.0.0:47756", "0.0.0.0:47757"},
		"@load listen-ssl\n" + waitsClear:   {"0.0.0.0:47756"},
		"@load listen-clear\n" + waitsSSL:   {"0.0.0.0:47757", "0.0.0.0:47756"},
		"@load listen-clear\n" + waitsClear: {"0.0.0.0:47757"},
	} {
		require.Equal(t, want, addresses(mustParse(t, text)), text)
	}
}

func TestSpellingOfBro2(t *testing.T) {
	p := mustParse(t, `
@load base/frameworks/communication
@load frameworks/communication/listen
redef Communication::listen_port = 9999/tcp;
redef Communication::listen_interface = [::];
redef Communication::listen_ipv6 = T;
redef Communication::listen_ssl = T;
redef Communication::nodes += {
	["foo"] = [$host = 1.2.3.4, $events = /foo.*/, $connect=F, $ssl=T],
	["bar"] = [$host = 1.2.3.4, $class="bar", $capture_filter=""],
};
redef forward_remote_events = T;
`)
	require.Equal(t, []string{"[::]:9999"}, addresses(p))
	require.True(t, p.Listeners[0].SSL)
	require.Equal(t, uint16(9999), p.Destinations[0].Port)
	require.False(t, p.Destinations[0].Sync)
	require.True(t, p.Forward)
	require.Equal(t, []string{"0.0.0.0:47757"},
		addresses(mustParse(t, `redef Communication::nodes += { ["foo"] = [$host = 1.2.3.4] };`)))
}

func TestLaterEntriesReplaceEarlierOnes(t *testing.T) {
	p, err := parse(`
@load common
redef Remote::destinations += { ["a"] = [$host=1.1.1.2], ["b"] = [$host=1.1.1.3] };
@load ./common.bro
`, map[string]string{"common.bro": `redef Remote::destinations += { ["a"] = [$host=1.1.1.1] };`})
	require.NoError(t, err)
	require.Len(t, p.Destinations, 2)
	require.Equal(t, "1.1.1.2", p.Destinations[0].Host.String())
	require.Equal(t, "local.bro:3:34", p.Destinations[0].At.String())

	p = mustParse(t, `redef Remote::destinations += { ["a"] = [$host=1.1.1.2] }; redef Remote::destinations = {};`)
	require.Empty(t, p.Destinations)
}

func TestFilesBesideEachOther(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	for name, text := range map[string]string{
		"local.bro":     "@load sub/ports\nredef forward_remote_events = T;",
		"sub/ports.bro": "@load more",
		"sub/more.bro":  "@load ../local\r\nredef Remote::default_port_clear = 7/tcp; @load listen-clear",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	p, err := Load(filepath.Join(dir, "local.bro"), guide("sample1.bro"))
	require.NoError(t, err)
	require.True(t, p.Forward)
	require.Equal(t, []string{"0.0.0.0:7", "0.0.0.0:47756"}, addresses(p))
	require.Len(t, p.Destinations, 1)

	_, err = Load(filepath.Join(dir, "none.bro"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(dir)
	require.ErrorContains(t, err, "not a file")
}
