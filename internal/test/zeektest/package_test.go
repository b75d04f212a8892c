package zeektest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPackageParses: Zeek takes every script of the package, and says nothing of it.
func TestPackageParses(t *testing.T) {
	if program == "" {
		t.Skip("needs a real Zeek: ROMANESCO_ZEEK=program make test-zeek")
	}
	scripts, err := filepath.Glob(Absolute(t, "zeek/scripts/*.zeek"))
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, script := range append(scripts, Absolute(t, "zeek/scripts")) {
		out, err := exec.Command(program, "-a", script).CombinedOutput()
		assert.NoError(t, err, script)
		assert.Empty(t, string(out), script)
	}
}

// TestSensor: the sixteen events of the sensor are sixteen lines of sshd_sensor.log,
// and one of sshd_session.log.
func TestSensor(t *testing.T) {
	EachBackend(t, func(t *testing.T, z *Zeek) {
		out, err := host(t, "", build+"/examples/sensor_sshd", "ws://"+z.Addr).Output()
		require.NoError(t, err, "%s", out)
		time.Sleep(500 * time.Millisecond)
		assert.Empty(t, z.end(t))
		var names []string
		for _, line := range z.log(t, "sshd_sensor") {
			names = append(names, line["event_name"])
			assert.NotEmpty(t, line["sid"])
			assert.NotEqual(t, "-", line["ts"])
		}
		want := "listen restart conn_new auth_password_attempt auth_failed auth_timeout auth_ok channel_new_session " +
			"channel_new_forward data_rx data_tx exec channel_exit channel_cleanup conn_end exit"
		assert.ElementsMatch(t, strings.Fields(want), names)
		assert.NotEmpty(t, z.log(t, "sshd_session"))
		assert.Empty(t, z.complaints(t))
	})
}
