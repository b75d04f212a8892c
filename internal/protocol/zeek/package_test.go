package zeek

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// TestPackage: the package for Zeek takes the events that sensors
// send, each with its arguments.
func TestPackage(t *testing.T) {
	types, err := LoadTypes("../../../zeek/scripts/events.zeek")
	require.NoError(t, err)
	typeOf := map[string]event.Type{
		"ts": event.Time, "since": event.Time, "uptime": event.Interval,
		"server_ip": event.Addr, "src_ip": event.Addr, "dst_ip": event.Addr,
		"server_p": event.Port, "src_p": event.Port, "dst_p": event.Port, "host_p": event.Port,
		"uid": event.Int, "gid": event.Int, "status": event.Int,
		"sensor_sshd_sftp status": event.Count,
	}
	for _, name := range strings.Fields("valid s2h accepted allowed tty") {
		typeOf[name] = event.Bool
	}
	for _, name := range strings.Fields("cid chan_id cert_serial bytes_read bytes_written pid audit_session login_uid " +
		"bytes_left_out lines_left_out connections sent lost connections_lost number") {
		typeOf[name] = event.Count
	}
	for _, name := range strings.Fields("sid user password stype line command method submethod key_type fingerprint cert_id cert_ca " +
		"version kex host_key cipher_in cipher_out mac_in mac_out compression reason kind direction host op path target hash") {
		typeOf[name] = event.String
	}
	known, found := catalog.Builtin(), 0
	for name, args := range known {
		if !strings.HasPrefix(name, "sensor_sshd_") {
			continue
		}
		found++
		var params []string
		for _, f := range types.events[name] {
			params = append(params, f.name)
			want := typeOf[f.name]
			if own, ok := typeOf[name+" "+f.name]; ok {
				want = own
			}
			require.Equal(t, want, f.of.kind, "%s of %s", f.name, name)
		}
		require.Equal(t, args, params, name)
	}
	require.Equal(t, 27, found)
}
