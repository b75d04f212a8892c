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
	script, err := os.ReadFile("../../testdata/vectors/sensor-sshd/sshd.bro")
	require.NoError(t, err)
	c := Builtin()
	found := regexp.MustCompile(`(?m)^event (sensor_sshd_\w+)\(([^)]*)\)`).FindAllStringSubmatch(string(script), -1)
	require.Len(t, found, 16)
	require.Len(t, c, 16)
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
	for pattern, n := range map[string]int{
		"/sensor_sshd.*/": 16, "sensor_sshd.*": 16, "/sensor_sshd_auth_.*/": 4,
		"/.*/": 18, "/sensor_sshd/": 0, "ping|mod::.*": 2,
	} {
		names, err := c.Select(pattern)
		require.NoError(t, err)
		require.Len(t, names, n, pattern)
	}
	_, err := c.Select("/(/")
	require.ErrorContains(t, err, "pattern /(/")
	require.ErrorContains(t, c.AddFrom(strings.NewReader("ok\nno-name\n"), "f"), `f:2: "no-name"`)
}
