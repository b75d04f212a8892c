package catalog

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBuiltinIsTheRecordedPolicy compares with the script that received the
// recorded session.
func TestBuiltinIsTheRecordedPolicy(t *testing.T) {
	script, err := os.ReadFile("../../../testdata/vectors/sensor-sshd/sshd.bro")
	require.NoError(t, err)
	c := Builtin()
	found := regexp.MustCompile(`(?m)^event (sensor_sshd_\w+)\(([^)]*)\)`).FindAllStringSubmatch(string(script), -1)
	require.Len(t, found, 16)
	require.Len(t, c.Select(func(name string) bool { return strings.HasPrefix(name, "sensor_sshd_") }), 16+11)
	for _, m := range found {
		var names []string
		for _, arg := range strings.Split(m[2], ",") {
			name, _, _ := strings.Cut(arg, ":")
			names = append(names, strings.TrimSpace(name))
		}
		require.Equal(t, names, c[m[1]], m[1])
	}
}

// TestBuiltinIsWhatZeekDeclares: the package of Zeek has the same events, with the same
// names of arguments.
func TestBuiltinIsWhatZeekDeclares(t *testing.T) {
	script, err := os.ReadFile("../../../zeek/scripts/events.zeek")
	require.NoError(t, err)
	c := Builtin()
	found := regexp.MustCompile(`global (sensor_sshd_\w+): event\(([^)]*)\)`).FindAllStringSubmatch(string(script), -1)
	require.Len(t, found, 16+11)
	for _, m := range found {
		var names []string
		for _, arg := range strings.Split(m[2], ",") {
			name, _, _ := strings.Cut(arg, ":")
			names = append(names, strings.TrimSpace(name))
		}
		require.Equal(t, names, c[m[1]], m[1])
	}
}

func TestSelect(t *testing.T) {
	c := Builtin()
	require.NoError(t, c.AddFrom(strings.NewReader("# pings\nping seq  # one\n\nmod::pong\n"), "f"))
	c.Add("ping")
	c.Add("other")
	require.Equal(t, []string{"mod::pong", "other", "ping"},
		c.Select(func(name string) bool { return !strings.HasPrefix(name, "sensor_") && !strings.HasPrefix(name, "ftp_") }))
	require.Equal(t, []string{"seq"}, c["ping"], "what is known stays known")
	require.ErrorContains(t, c.AddFrom(strings.NewReader("ok\nno-name\n"), "f"), `f:2: "no-name"`)
	require.ErrorContains(t, c.AddFrom(strings.NewReader("ok a b a\n"), "f"), "f:1: two arguments of ok are called a")
}

// TestFTPEventsAreThoseOfTheGuide: its second sample lists them.
func TestFTPEventsAreThoseOfTheGuide(t *testing.T) {
	sample, err := os.ReadFile("../../../testdata/policy/sample2-collector.bro")
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^# (ftp_\w+)$`).FindAllStringSubmatch(string(sample), -1)
	require.Len(t, found, 7)
	c := Builtin()
	for _, m := range found {
		require.NotEmpty(t, c[m[1]], m[1])
	}
	require.Len(t, c.Select(func(name string) bool { return strings.HasPrefix(name, "ftp_") }), 7)
}
